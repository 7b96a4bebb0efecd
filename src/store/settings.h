/* SPDX-License-Identifier: Apache-2.0
 * Facts about the database itself. */
#ifndef STORE_SETTINGS_H
#define STORE_SETTINGS_H

#include "store/store.h"

enum { STORE_UUID_SIZE = 37 };

/* The uuid that the database got when it was made: "8-4-4-4-12" lower-case hex. */
int store_settings_uuid(struct store_conn *conn, char out[static STORE_UUID_SIZE],
	struct err *err) MUST_CHECK;

#endif
