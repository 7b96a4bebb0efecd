/* SPDX-License-Identifier: Apache-2.0
 * One stored record as the database hands it out: values by position in the field
 * table. */
#ifndef MODEL_RECORD_VIEW_H
#define MODEL_RECORD_VIEW_H

#include "model/collection.h"

/* Valid only inside the callback that got it; texts and blobs are borrowed. */
struct record_view {
	const struct collection *collection;
	const struct record_view_ops *ops;
	void *row;
};

/* index is the field's position in the table. NULL reads as 0 and "". */
struct record_view_ops {
	bool (*is_null)(void *row, size_t index);
	int64_t (*integer)(void *row, size_t index);
	const char *(*text)(void *row, size_t index, size_t *out_len);
	const uint8_t *(*blob)(void *row, size_t index, size_t *out_len);
};

/* Returns 0 to go on; -1 with err set ends the read. */
typedef int (*record_fn)(void *ctx, const struct record_view *view, struct err *err);

static inline bool
record_view_is_null(const struct record_view *view, size_t index)
{
	return view->ops->is_null(view->row, index);
}

static inline int64_t
record_view_int(const struct record_view *view, size_t index)
{
	return view->ops->integer(view->row, index);
}

static inline const char *
record_view_text(const struct record_view *view, size_t index, size_t *out_len)
{
	return view->ops->text(view->row, index, out_len);
}

static inline const uint8_t *
record_view_blob(const struct record_view *view, size_t index, size_t *out_len)
{
	return view->ops->blob(view->row, index, out_len);
}

#endif
