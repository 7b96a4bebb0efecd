/* SPDX-License-Identifier: Apache-2.0 */
#include "http/percent.h"

#include "base/str.h"

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	c = str_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int
http_percent_byte(const char *text, size_t left)
{
	if (left < 3 || text[0] != '%') {
		return -1;
	}
	int high = hex_digit(text[1]);
	int low = hex_digit(text[2]);
	return high < 0 || low < 0 ? -1 : high * 16 + low;
}
