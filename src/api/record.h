/* SPDX-License-Identifier: Apache-2.0
 * Records as JSON: from what the database hands out straight into an answer. */
#ifndef API_RECORD_H
#define API_RECORD_H

#include "api/query.h"
#include "base/emit.h"
#include "base/err.h"
#include "model/record_view.h"

#include <stdbool.h>

/* Values of the fields that are minted on demand; NULL stands for "". */
struct api_minted {
	const char *jwt;
	const char *creds_file;
};

struct api_record_style {
	const struct api_selection *selection;
	bool show_email; /* also of records that hide theirs */
	const struct api_minted *minted; /* may be NULL */
};

/* One object. ERR_CORRUPT for stored values that are none. */
int api_record_emit(struct emit *emit, const struct record_view *view,
	const struct api_record_style *style, struct err *err) MUST_CHECK;

/* As a record_fn: its context is a struct api_record_writer. A buffer that is full ends
 * the read; what is wrong with it, buf_finish tells. */
struct api_record_writer {
	struct emit emit;
	struct api_record_style style;
};
int
api_record_write(void *ctx, const struct record_view *view, struct err *err) MUST_CHECK;

#endif
