/* SPDX-License-Identifier: Apache-2.0
 * Making sure that what was deleted is gone from the files. */
#ifndef STORE_SCRUB_H
#define STORE_SCRUB_H

#include "store/store.h"

/* Deleted content is zeroed in its page (secure_delete), but older states of the page
 * live on in the WAL until they are overwritten: empties the WAL. rewrite: writes the
 * whole database anew before that, so that no page holds anything but its rows; a second
 * for each 100 MB or so, in which writes wait. Other processes may use the database.
 * ERR_BUSY: a long read of theirs was in the way. */
int store_scrub(struct store *store, bool rewrite, struct err *err) MUST_CHECK;

#endif
