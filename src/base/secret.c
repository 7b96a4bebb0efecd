/* SPDX-License-Identifier: Apache-2.0 */
#include "base/secret.h"

#include <stdlib.h>
#include <string.h>

void
secret_wipe(void *data, size_t len)
{
	if (len > 0) {
		explicit_bzero(data, len);
	}
}

bool
secret_equal(const void *a, const void *b, size_t len)
{
	const volatile unsigned char *x = a;
	const volatile unsigned char *y = b;
	unsigned char diff = 0;
	for (size_t i = 0; i < len; i++) {
		diff |= (unsigned char)(x[i] ^ y[i]);
	}
	return diff == 0;
}

void
secret_free_text(char *text)
{
	if (text != NULL) {
		secret_wipe(text, strlen(text));
		free(text);
	}
}
