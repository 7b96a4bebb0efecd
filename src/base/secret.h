/* SPDX-License-Identifier: Apache-2.0
 * Wiping and comparing secrets. Keys in locked memory are the vault's. */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>

/* Overwrites with zeros; never optimised away. NULL is allowed when len is 0. */
void secret_wipe(void *data, size_t len);

/* Equal bytes, in time that depends on len only. */
bool secret_equal(const void *a, const void *b, size_t len);

/* Wipes the NUL-terminated text and frees it; NULL is allowed. */
void secret_free_text(char *text);

#endif
