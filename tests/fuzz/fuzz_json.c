/* SPDX-License-Identifier: Apache-2.0
 * JSON from outside: what parses and is emitted parses again, to the same bytes. */
#include "base/str.h"
#include "json/json.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_IN = 64 * 1024, MAX_OUT = 8 * MAX_IN };

static void
must(bool holds)
{
	if (!holds) {
		abort();
	}
}

/* False when there is a number with a fraction in it. */
static bool
emit_value(json_t *json, struct buf *out)
{
	struct emit emit;
	struct err err = { 0 };
	emit_init(&emit, out);
	if (json_emit(json, &emit, &err) != 0) {
		must(err.code == ERR_INVALID);
		return false;
	}
	must(buf_finish(out, &err) == 0);
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *json = NULL;
	json_t *again = NULL;
	struct err err = { 0 };
	struct buf first;
	struct buf second;

	if (json_parse((const char *)data, size, MAX_IN, &json, &err) != 0) {
		must(json == NULL && err.code != ERR_NONE && err.msg[0] != '\0');
		return 0;
	}
	must(str_is_utf8((const char *)data, size));
	buf_init(&first, MAX_OUT);
	buf_init(&second, MAX_OUT);
	if (emit_value(json, &first)) {
		must(json_parse(first.data, first.len, MAX_OUT, &again, &err) == 0);
		must(json_equal(json, again));
		must(emit_value(again, &second));
		must(first.len == second.len &&
			memcmp(first.data, second.data, first.len) == 0);
	}
	json_decref(json);
	json_decref(again);
	buf_release(&first);
	buf_release(&second);
	return 0;
}
