/* SPDX-License-Identifier: Apache-2.0 */
#include "store/proof.h"

#include "store/conn.h"

/* As the view `unconfirmed`, for a generation that need not be the newest: whoever waits
 * for one must not wait for all that others want after it. */
#define PROOF_UNCONFIRMED \
	"FROM servers s LEFT JOIN account_servers c ON c.account = ?1 AND " \
	"c.server = s.seq WHERE s.absent = 0 AND (c.generation IS NULL OR " \
	"c.generation < ?2 OR c.incarnation < s.incarnation)"

int
store_proof_look(struct store_conn *conn, int64_t account, int64_t generation,
	enum store_proof *out, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, conn, STORE_STMT_PROOF_LOOK,
		    "SELECT CASE WHEN p.proven_generation < ?2 THEN 0 ELSE "
		    "coalesce((SELECT min(s.missing_since > 0) " PROOF_UNCONFIRMED
		    "), 2) END FROM account_publish p WHERE p.account = ?1",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, account);
	store_stmt_bind_int(&stmt, 2, generation);
	int rc = store_stmt_step(&stmt, err);
	if (rc < 0) {
		return -1;
	}
	*out = rc == 0 ? STORE_PROOF_WHOLE : (enum store_proof)store_stmt_int(&stmt, 0);
	return 0;
}

static int
read_gap(const struct store_stmt *stmt, void *out, struct err *err)
{
	struct store_proof_gap *gap = out;
	*gap = (struct store_proof_gap){
		.missing = store_stmt_int(stmt, 1) != 0,
		.unchecked = store_stmt_int(stmt, 2) != 0,
	};
	return store_stmt_copy(stmt, 0, gap->name, sizeof(gap->name), err) != 0
		? -1
		: store_stmt_copy(stmt, 3, gap->words, sizeof(gap->words), err);
}

int
store_proof_gaps(struct store_conn *conn, int64_t account, int64_t generation,
	struct store_proof_gap **out, size_t *out_len, struct err *err)
{
	static const struct store_items kind = { .size = sizeof(**out),
		.read = read_gap };
	STORE_STMT_AUTO stmt = { 0 };
	void *items = NULL;
	if (store_stmt_open(&stmt, conn, STORE_STMT_PROOF_GAPS,
		    "SELECT s.name, s.missing_since > 0, "
		    "coalesce(c.generation >= ?2, 0), "
		    "coalesce(c.words, '') " PROOF_UNCONFIRMED
		    " ORDER BY s.cluster, s.name",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, account);
	store_stmt_bind_int(&stmt, 2, generation);
	if (store_stmt_collect(&stmt, &kind, &items, out_len, err) != 0) {
		return -1;
	}
	*out = items;
	return 0;
}

int
store_proof_counts(
	struct store_conn *conn, struct store_proof_counts *out, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	*out = (struct store_proof_counts){ 0 };
	if (store_stmt_open(&stmt, conn, STORE_STMT_PROOF_COUNTS,
		    "SELECT (SELECT count(*) FROM account_publish "
		    "WHERE generation > proven_generation), "
		    "(SELECT count(*) FROM quarantine), "
		    "(SELECT count(*) FROM servers WHERE missing_since > 0 AND "
		    "absent = 0), (SELECT count(*) FROM servers WHERE absent = 1), "
		    "(SELECT count(DISTINCT account_key) FROM drift "
		    "WHERE repaired_at = 0 AND kind = 'foreign'), "
		    "(SELECT count(*) FROM servers)",
		    err) != 0) {
		return -1;
	}
	int rc = store_stmt_step(&stmt, err);
	if (rc <= 0) {
		return rc < 0 ? -1 : err_set(err, ERR_CORRUPT, "nothing is counted");
	}
	out->unproven = store_stmt_int(&stmt, 0);
	out->quarantined = store_stmt_int(&stmt, 1);
	out->missing = store_stmt_int(&stmt, 2);
	out->absent = store_stmt_int(&stmt, 3);
	out->foreign = store_stmt_int(&stmt, 4);
	out->servers = store_stmt_int(&stmt, 5);
	return 0;
}
