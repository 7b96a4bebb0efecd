/* SPDX-License-Identifier: Apache-2.0
 * Imports in circles: those that requests would go round in, and those that nats-server
 * sees: it drops the import that closes one, and which that is depends on the order in
 * which accounts reach it. */
#ifndef SERVICE_IMPORT_CYCLE_H
#define SERVICE_IMPORT_CYCLE_H

#include "service/sharing.h"

enum { IMPORT_CYCLE_PATH_SIZE = 120 };

/* Would the account's import, as it is given, be part of a circle, or close one that
 * others' imports see? *out_path then has the names on it ("a > b > a"), and ""
 * otherwise. Every account that the answer depends on is added to the guards. */
int import_cycle_find(struct store_conn *conn, const struct account *importer,
	const struct account_import *import, struct guards *guards,
	char out_path[static IMPORT_CYCLE_PATH_SIZE], struct err *err) MUST_CHECK;

#endif
