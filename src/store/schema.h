/* SPDX-License-Identifier: Apache-2.0
 * The migrations of schema/, embedded at build time. */
#ifndef STORE_SCHEMA_H
#define STORE_SCHEMA_H

#include <stddef.h>

/* One file schema/NNNN_name.sql. */
struct schema_file {
	int version; /* NNNN; the user_version that the file leads to */
	const char *name; /* "NNNN_name.sql" */
	const unsigned char *sql; /* the text, with a NUL behind its last byte */
	size_t len; /* without that NUL */
};

/* Ordered by version, each version once. A last row of zeroes follows, not counted. */
extern const struct schema_file schema_files[];
extern const size_t schema_file_count;

#endif
