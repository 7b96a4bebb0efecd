/* SPDX-License-Identifier: Apache-2.0 */
#include "base/array.h"

#include <stdlib.h>

void *
array_grow(void *items, size_t len, size_t item_size, struct err *err)
{
	if ((len & (len - 1)) != 0) {
		return items;
	}
	void *grown = realloc(items, (len == 0 ? 1 : len * 2) * item_size);
	if (grown == NULL) {
		err_nomem(err);
	}
	return grown;
}
