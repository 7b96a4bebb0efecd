/* SPDX-License-Identifier: Apache-2.0
 * The files of web/, embedded at build time. */
#ifndef API_WEB_H
#define API_WEB_H

#include <stddef.h>

struct web_file {
	const char *name; /* "creds.html" */
	const unsigned char *data;
	size_t len;
};

/* A row of zeroes ends it. */
extern const struct web_file web_files[];

#endif
