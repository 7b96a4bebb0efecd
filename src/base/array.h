/* SPDX-License-Identifier: Apache-2.0
 * Arrays that grow one item at a time and remember only how many there are. */
#ifndef BASE_ARRAY_H
#define BASE_ARRAY_H

#include "base/err.h"

#include <stddef.h>

/* Room for one more behind `len` items that all came this way: the capacity doubles at
 * powers of two. The items, moved perhaps; NULL with ERR_NOMEM, and the old ones stay. */
void *array_grow(void *items, size_t len, size_t item_size, struct err *err) MUST_CHECK;

#endif
