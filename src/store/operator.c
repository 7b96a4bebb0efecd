/* SPDX-License-Identifier: Apache-2.0 */
#include "store/operator.h"

#include "store/record.h"

enum { OPERATOR_SEQ = 1 }; /* one row */

int
store_operator_find(struct store_conn *conn, struct operator_row *out, struct err *err)
{
	struct err why = { 0 };
	if (store_record_get_seq(conn, &operator_collection, OPERATOR_SEQ, out, &why) ==
		0) {
		return 1;
	}
	if (why.code == ERR_NOT_FOUND) {
		return 0;
	}
	if (err != NULL) {
		*err = why;
	}
	return -1;
}
