/* SPDX-License-Identifier: Apache-2.0 */
#include "bus/link_words.h"

#include "base/str.h"

#include <string.h>

void
link_words_copy(char out[static BUS_ERROR_SIZE], const char *text)
{
	str_fmt_cut(out, BUS_ERROR_SIZE, "%s", text);
	for (char *c = out; *c != '\0'; c++) {
		if ((unsigned char)*c < 0x20 || (unsigned char)*c >= 0x7f)
			*c = '?';
	}
}

enum err_code
link_words_code(natsStatus status)
{
	/* Most of nats.c's statuses need no code of their own here. */
	if (status == NATS_CONNECTION_AUTH_FAILED || status == NATS_NOT_PERMITTED)
		return ERR_UNAUTHENTICATED;
	if (status == NATS_TIMEOUT)
		return ERR_TIMEOUT;
	if (status == NATS_NO_MEMORY)
		return ERR_NOMEM;
	if (status == NATS_MAX_PAYLOAD)
		return ERR_TOO_LARGE;
	if (status == NATS_INVALID_ARG || status == NATS_INVALID_SUBJECT)
		return ERR_INVALID;
	return ERR_UNAVAILABLE;
}

const char *
link_words_of(natsStatus status)
{
	natsStatus last = NATS_OK;
	const char *text = nats_GetLastError(&last);

	if (text == NULL || last != status)
		return natsStatus_GetText(status);
	const char *place_end = strstr(text, "): "); /* "(conn.c:2088): what happened" */
	return text[0] == '(' && place_end != NULL ? place_end + 3 : text;
}
