/* SPDX-License-Identifier: Apache-2.0
 * What a write would change, told without writing: it runs as it would, and is undone. */
#ifndef SERVICE_PREVIEW_H
#define SERVICE_PREVIEW_H

#include "mint/diff.h"
#include "store/store.h"

#include <stdbool.h>

enum {
	PREVIEW_ACCOUNTS_MAX = 20, /* told in full; the others are counted */
	PREVIEW_CLAIMS_MAX = 128 * 1024 /* claims larger than that are left out */
};

struct preview_account {
	int64_t seq;
	char id[RAND_ID_SIZE];
	char key[NKEY_TEXT_SIZE]; /* A... */
	char *name;
	bool urgent;
	bool changes; /* false: the claims stay equal, nothing is pushed */
	char *before; /* claims as JSON; NULL: there are none yet, or they are too large
		       */
	char *after;
	struct mint_cut cut;
	struct mint_account claims_before;
	struct mint_account claims_after;
};

struct preview {
	bool taken;
	size_t accounts_total; /* that would be minted anew */
	struct preview_account accounts[PREVIEW_ACCOUNTS_MAX];
	size_t accounts_len;
};

void preview_release(struct preview *preview);

/* store_write; with a preview (not NULL, empty) everything is done as it would be, noted,
 * and undone before anybody sees it. */
int preview_write(struct store *store, store_write_fn fn, void *ctx,
	struct preview *preview, struct err *err) MUST_CHECK;

#endif
