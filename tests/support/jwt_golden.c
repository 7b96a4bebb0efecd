/* SPDX-License-Identifier: Apache-2.0 */
#include "support/jwt_golden.h"

#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *golden;

int
jwt_golden_set_up(void **state)
{
	(void)state;
	if (sodium_init() < 0) {
		return -1;
	}
	FILE *file = fopen(TEST_DATA_DIR "/golden/jwt-golden.txt", "r");
	if (file == NULL) {
		return -1;
	}
	golden = calloc(1, 1 << 16);
	size_t n = golden != NULL ? fread(golden, 1, (1 << 16) - 1, file) : 0;
	fclose(file);
	return n > 0 ? 0 : -1;
}

int
jwt_golden_tear_down(void **state)
{
	(void)state;
	free(golden);
	return 0;
}

char *
jwt_golden_value(const char *title, const char *before)
{
	char heading[64];
	assert_int_equal(str_fmt(heading, sizeof(heading), "%s", title), 0);
	const char *section = strstr(golden, heading);
	assert_non_null(section);
	const char *value = strstr(section, before);
	assert_non_null(value);
	value += strlen(before);
	return str_dup_n(value, strcspn(value, " \n"));
}

char *
jwt_golden_token(const char *name)
{
	char title[64];
	assert_int_equal(str_fmt(title, sizeof(title), "## %s\n", name), 0);
	return jwt_golden_value(title, "\ntok ");
}

char *
jwt_golden_creds(void)
{
	const char *start = strstr(golden, "-----BEGIN NATS USER JWT-----");
	const char *end = strstr(golden, "<<<EOF len=969");
	assert_non_null(start);
	assert_non_null(end);
	return str_dup_n(start, (size_t)(end - start));
}
