/* SPDX-License-Identifier: Apache-2.0
 * The statements that work on any collection, made of the names in its field table
 * (values are always bound): private to store/. */
#ifndef STORE_RECORD_SQL_H
#define STORE_RECORD_SQL_H

#include "base/buf.h"
#include "store/record.h"

/* Fills store->record_sql. */
int store_record_sql_build(struct store *store, struct err *err) MUST_CHECK;
void store_record_sql_release(struct store *store);

/* The text of a list: ?1 is the limit, ?2 the offset. */
void store_record_sql_list(const struct store_list_query *query, struct buf *buf);

#endif
