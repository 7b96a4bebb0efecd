/* SPDX-License-Identifier: Apache-2.0
 * Is one generation of an account where it is wanted? */
#ifndef STORE_PROOF_H
#define STORE_PROOF_H

#include "store/server.h"

enum store_proof {
	STORE_PROOF_OPEN, /* some server that is there is not known to hold it */
	STORE_PROOF_PARTIAL, /* all that are there do, but one is missing */
	STORE_PROOF_WHOLE /* all do, but for absent ones */
};

/* Of this generation or a later one. An account that is gone for good is whole. */
int store_proof_look(struct store_conn *conn, int64_t account, int64_t generation,
	enum store_proof *out, struct err *err) MUST_CHECK;

/* A server that is not known to hold it, and why. */
struct store_proof_gap {
	char name[STORE_SERVER_NAME_SIZE];
	bool missing; /* it does not answer */
	bool unchecked; /* it held it before its last start */
	char words[STORE_SERVER_WORDS_SIZE]; /* of the last failed try, or "" */
};

/* The caller frees *out. */
int store_proof_gaps(struct store_conn *conn, int64_t account, int64_t generation,
	struct store_proof_gap **out, size_t *out_len, struct err *err) MUST_CHECK;

/* How it stands with all of them, from what is counted quickly. */
struct store_proof_counts {
	int64_t unproven; /* accounts that not all servers were seen to hold that were
			     there */
	int64_t quarantined; /* accounts */
	int64_t servers; /* that are known */
	int64_t missing; /* servers that are silent, and waited for */
	int64_t absent; /* servers that are silent, and not waited for any more */
	int64_t foreign; /* accounts on servers that are not natsid's */
};

int store_proof_counts(struct store_conn *conn, struct store_proof_counts *out,
	struct err *err) MUST_CHECK;

#endif
