/* SPDX-License-Identifier: Apache-2.0 */
#include "api/suggest.h"

#include "base/str.h"

#include <stddef.h>
#include <string.h>

enum { NAME_MAX_BYTES = 48 };

static size_t
least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Optimal string alignment (Levenshtein plus swaps of neighbours) over three rows. */
static size_t
distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t rows[3][NAME_MAX_BYTES + 1];
	for (size_t j = 0; j <= b_len; j++) {
		rows[0][j] = j;
	}
	for (size_t i = 1; i <= a_len; i++) {
		size_t *row = rows[i % 3];
		const size_t *above = rows[(i - 1) % 3];
		const size_t *above2 = rows[(i + 1) % 3]; /* (i - 2) mod 3 */
		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			char x = str_lower(a[i - 1]);
			char y = str_lower(b[j - 1]);
			row[j] = least(above[j - 1] + (x == y ? 0 : 1),
				least(above[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && x == str_lower(b[j - 2]) &&
				y == str_lower(a[i - 2])) {
				row[j] = least(row[j], above2[j - 2] + 1);
			}
		}
	}
	return rows[a_len % 3][b_len];
}

int
api_suggest_slips(const char *given, const char *known)
{
	size_t given_len = strlen(given);
	size_t known_len = strlen(known);
	if (given_len > NAME_MAX_BYTES || known_len > NAME_MAX_BYTES || given_len == 0) {
		return -1;
	}
	size_t most = known_len < 8 ? 1 : known_len < 16 ? 2 : 3;
	size_t slips = distance(given, given_len, known, known_len);
	return slips <= most ? (int)slips : -1;
}
