/* SPDX-License-Identifier: Apache-2.0
 * The operator's row. */
#ifndef STORE_OPERATOR_H
#define STORE_OPERATOR_H

#include "model/operator.h"
#include "store/store.h"

/* 1 found, 0 there is none yet, -1 error. record_release frees the row. */
int store_operator_find(
	struct store_conn *conn, struct operator_row *out, struct err *err) MUST_CHECK;

#endif
