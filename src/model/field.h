/* SPDX-License-Identifier: Apache-2.0
 * Fields: one table per collection drives decoding, validation, SQL and encoding. */
#ifndef MODEL_FIELD_H
#define MODEL_FIELD_H

#include "base/err.h"
#include "base/nkey_text.h"

#include <stddef.h>
#include <stdint.h>

struct collection;

/* How a value looks on the wire, in the row struct (at .offset) and in SQLite. */
enum field_type {
	FIELD_TEXT, /* string; char * (owned, never NULL once set); TEXT */
	FIELD_EMAIL, /* string; char *; TEXT or NULL when empty */
	FIELD_PASSWORD, /* string, never leaves; char * (wiped when released); not stored
			 */
	FIELD_BOOL, /* true/false; bool; INTEGER */
	FIELD_INT, /* integer; int64_t; INTEGER */
	FIELD_DATE, /* "YYYY-MM-DD HH:MM:SS.mmmZ" or ""; int64_t ms, 0 = empty; INTEGER */
	FIELD_LIST, /* array of strings; struct strlist; TEXT as strlist_emit writes it */
	FIELD_CLAIM, /* JSON in the shape of a claim (.claim); char * in canonical form;
			TEXT */
	FIELD_RELATION, /* id of another record or ""; char[RAND_ID_SIZE]; INTEGER seq or
			   NULL */
	FIELD_ID, /* the record's own id; char[RAND_ID_SIZE]; TEXT */
	FIELD_KEY, /* public nkey of .role; struct nkey_public; BLOB(32) */
	FIELD_JSON /* derived JSON, read only; no member; TEXT */
};

enum field_flag {
	FIELD_REQUIRED = 1 << 0, /* must be given and not be empty */
	FIELD_READ_ONLY = 1 << 1, /* passed over in bodies */
	FIELD_UNIQUE = 1 << 2,
	FIELD_ON_DEMAND = 1 << 3, /* minted; empty unless asked for by name */
	FIELD_MULTILINE = 1 << 4, /* text may hold line breaks and tabs */
	FIELD_SUBJECT =
		1 << 5, /* what .check looks at is a subject: tells so in violations */
	FIELD_IMMUTABLE = 1 << 6, /* given at creation, never changed */
	FIELD_INTERNAL = 1 << 7, /* stored, never on the wire */
	FIELD_NULLABLE = 1 << 8, /* LIST, CLAIM, INT: null says nothing, [] and -1 do */
	FIELD_TRIGGER = 1 << 9 /* asks for something to be done; never stored */
};

enum { FIELD_NO_OFFSET = -1 };

/* An INT that is null, in a row struct. A LIST is null without an items array, a CLAIM
 * when it is NULL. */
#define FIELD_NULL_INT INT64_MIN

/* Claims that are taken as the JWT has them. */
enum claim_kind {
	CLAIM_TIMES = 1, /* [{"start":"08:00:00","end":"17:00:00"}] */
	CLAIM_TIERS, /* {"R1":{"disk_storage":1024,...}} */
	CLAIM_MAPPINGS /* {"orders.*":[{"subject":"orders.v2.$1","weight":100}]} */
};

struct field {
	const char *name; /* on the wire */
	enum field_type type;
	unsigned flags; /* of enum field_flag */
	const char *column; /* of the collection's table; NULL: not stored there */
	const char *read; /* SQL expression to read it by; NULL: t.<column>; both NULL:
			     not read */
	int64_t min; /* INT: smallest value; TEXT: fewest characters when not empty */
	int64_t max; /* INT: largest value; TEXT: most characters; LIST: most entries */
	/* TEXT that is not empty, each entry of a LIST: 0, or ERR_INVALID with what is
	 * wrong. NULL: no further rule */
	int (*check)(const char *text, struct err *err);
	enum claim_kind claim; /* CLAIM */
	const struct collection *relation; /* RELATION */
	enum nkey_role role; /* KEY */
	int offset; /* into the row struct, or FIELD_NO_OFFSET */
};

#endif
