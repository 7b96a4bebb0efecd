/* SPDX-License-Identifier: Apache-2.0 */
#include "model/violations.h"

#include "base/str.h"

void
violations_add(struct violations *list, const char *field, const char *code,
	const char *fmt, ...)
{
	if (list->len == VIOLATIONS_MAX) {
		return;
	}
	struct violation *item = &list->items[list->len];
	str_fmt_cut(item->field, sizeof(item->field), "%s", field);
	for (size_t i = 0; i < list->len; i++) {
		if (str_equal(list->items[i].field, item->field)) {
			return;
		}
	}
	va_list args;
	va_start(args, fmt);
	str_vfmt_cut(item->message, sizeof(item->message), fmt, args);
	va_end(args);
	item->code = code;
	list->len++;
}

int
violations_check(const struct violations *list, struct err *err)
{
	if (list->len == 0) {
		return 0;
	}
	return err_set(
		err, ERR_INVALID, "%s: %s", list->items[0].field, list->items[0].message);
}
