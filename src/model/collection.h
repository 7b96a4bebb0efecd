/* SPDX-License-Identifier: Apache-2.0
 * Collections: what the API calls a table of records, and the functions that work on any
 * of them. */
#ifndef MODEL_COLLECTION_H
#define MODEL_COLLECTION_H

#include "base/clock.h"
#include "base/rand.h"
#include "model/field.h"
#include "model/violations.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum collection_kind {
	COLLECTION_OPERATOR,
	COLLECTION_ACCOUNTS,
	COLLECTION_ROLES,
	COLLECTION_USERS,
	COLLECTION_EXPORTS,
	COLLECTION_IMPORTS,
	COLLECTION_PUBLISH_QUEUE,
	COLLECTION_SUPERUSERS,
	COLLECTION_COUNT
};

/* At most 64 fields: presence is a bit mask by position in the table. */
struct collection {
	enum collection_kind kind;
	const char *name; /* "nats_accounts" */
	const char *alias; /* another name on the API, or NULL */
	const char *
		id; /* "pbc_" and the CRC-32 of type and name, as PocketBase derives it */
	bool is_auth;
	const char *noun; /* "account", for messages */
	const char *why_read_only; /* a sentence, where nobody may write; NULL: some may
				    */
	const char *table; /* SQL; read under the alias t */
	const char *joins; /* what .read expressions need beside t, or "" */
	const char *where; /* rows that the API sees, or NULL for all */
	const struct field *fields;
	size_t field_count;
	const char *const
		*passed_over; /* further keys that a body may hold; NULL-terminated */
	size_t row_size;
};

/* Every row struct begins with this. Zeroed is an empty row. */
struct record_head {
	int64_t seq; /* INTEGER PRIMARY KEY; order of creation */
	int64_t version; /* grows with each update */
	int64_t created; /* ms */
	int64_t updated; /* ms */
	char id[RAND_ID_SIZE];
};

const struct collection *collection_of(enum collection_kind kind);

/* By name (in any case), alias or id; NULL when there is none. */
const struct collection *collection_find(const char *name);

/* Position in the table, or -1. */
int collection_field_index(const struct collection *collection, const char *name);

/* The field by its name, which must be one of the table (a programming error
 * otherwise). */
const struct field *
collection_field(const struct collection *collection, const char *name);
uint64_t collection_field_bit(const struct collection *collection, const char *name);

/* The member of a row that a field stands for. */
void *record_member(const struct field *field, void *row);
const void *record_member_const(const struct field *field, const void *row);

/* A new row with the values that a creation starts from. row is row_size bytes;
 * caller-owned. */
int
record_init(const struct collection *collection, void *row, struct err *err) MUST_CHECK;

/* Frees what the row owns (passwords are wiped) and zeroes it. Zeroed rows are
 * allowed. */
void record_release(const struct collection *collection, void *row);

int record_copy(const struct collection *collection, const void *from, void *out_row,
	struct err *err) MUST_CHECK;

/* Copies the fields of the mask from one row over another. */
int record_apply(const struct collection *collection, const void *from, uint64_t present,
	void *to, struct err *err) MUST_CHECK;

/* Fields (as a mask) in which two rows differ. */
uint64_t record_diff(const struct collection *collection, const void *a, const void *b);

/* All rules of the table and of the collection; adds what is wrong. present: what the
 * request gave; required fields are checked for the whole row. */
void record_validate(const struct collection *collection, const void *row,
	uint64_t present, struct violations *violations);

#endif
