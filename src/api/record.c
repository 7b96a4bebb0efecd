/* SPDX-License-Identifier: Apache-2.0 */
#include "api/record.h"

#include "base/clock.h"
#include "base/nkey_text.h"
#include "base/str.h"

#include <string.h>

static void
emit_date(struct emit *emit, int64_t ms)
{
	char text[CLOCK_TEXT_MAX] = "";
	if (ms != 0) {
		clock_format(ms, text);
	}
	emit_text(emit, text);
}

static int
emit_public_key(
	struct emit *emit, const struct record_view *view, size_t index, struct err *err)
{
	const struct field *field = &view->collection->fields[index];
	char text[NKEY_TEXT_SIZE] = "";
	size_t len = 0;
	const uint8_t *bytes = record_view_blob(view, index, &len);
	if (len != 0 && len != NKEY_PUBLIC_LEN) {
		return err_set(err, ERR_CORRUPT, "a stored %s of %s is no key",
			field->name, view->collection->name);
	}
	if (len == NKEY_PUBLIC_LEN) {
		struct nkey_public key;
		memcpy(key.bytes, bytes, sizeof(key.bytes));
		nkey_text_encode(field->role, &key, text);
	}
	emit_text(emit, text);
	return 0;
}

/* Lists, claims and derived JSON are stored as the emitter writes them. */
static void
emit_stored(struct emit *emit, const struct record_view *view, size_t index)
{
	size_t len = 0;
	const char *json = record_view_text(view, index, &len);
	if (json == NULL || len == 0) {
		emit_array_begin(emit);
		emit_array_end(emit);
		return;
	}
	emit_raw(emit, json, len);
}

static void
emit_stored_text(struct emit *emit, const struct record_view *view, size_t index)
{
	size_t len = 0;
	const char *text = record_view_text(view, index, &len);
	emit_text_n(emit, text != NULL ? text : "", text != NULL ? len : 0);
}

static void
emit_minted(struct emit *emit, const struct field *field, const struct api_minted *minted)
{
	const char *text = NULL;
	if (minted != NULL && str_equal(field->name, "jwt")) {
		text = minted->jwt;
	} else if (minted != NULL && str_equal(field->name, "creds_file")) {
		text = minted->creds_file;
	}
	emit_text(emit, text != NULL ? text : "");
}

static int
emit_value(
	struct emit *emit, const struct record_view *view, size_t index, struct err *err)
{
	const struct field *field = &view->collection->fields[index];
	if ((field->flags & FIELD_NULLABLE) != 0 && record_view_is_null(view, index)) {
		emit_null(emit);
		return 0;
	}
	switch (field->type) {
	case FIELD_TEXT:
	case FIELD_EMAIL:
	case FIELD_RELATION:
	case FIELD_ID:
		emit_stored_text(emit, view, index);
		break;
	case FIELD_BOOL:
		emit_bool(emit, record_view_int(view, index) != 0);
		break;
	case FIELD_INT:
		emit_int(emit, record_view_int(view, index));
		break;
	case FIELD_DATE:
		emit_date(emit, record_view_int(view, index));
		break;
	case FIELD_LIST:
	case FIELD_CLAIM:
	case FIELD_JSON:
		emit_stored(emit, view, index);
		break;
	case FIELD_KEY:
		return emit_public_key(emit, view, index, err);
	case FIELD_PASSWORD:
		emit_text(emit, ""); /* not reached: is_shown */
		break;
	}
	return 0;
}

/* Passwords and internal fields are not shown to anybody, whatever `fields` says. */
static bool
is_shown(const struct field *field, bool show_email)
{
	if (field->type == FIELD_PASSWORD || (field->flags & FIELD_INTERNAL) != 0) {
		return false;
	}
	return field->type != FIELD_EMAIL || show_email;
}

static bool
email_is_visible(const struct record_view *view)
{
	int index = collection_field_index(view->collection, "emailVisibility");
	return index >= 0 && record_view_int(view, (size_t)index) != 0;
}

int
api_record_emit(struct emit *emit, const struct record_view *view,
	const struct api_record_style *style, struct err *err)
{
	const struct collection *collection = view->collection;
	const struct api_selection *selection = style->selection;
	bool show_email = style->show_email || email_is_visible(view);
	emit_object_begin(emit);
	if (selection->collection_id) {
		emit_kv_text(emit, "collectionId", collection->id);
	}
	if (selection->collection_name) {
		emit_kv_text(emit, "collectionName", collection->name);
	}
	for (size_t i = 0; i < collection->field_count; i++) {
		const struct field *field = &collection->fields[i];
		if ((selection->fields >> i & 1) == 0 || !is_shown(field, show_email)) {
			continue;
		}
		emit_key(emit, field->name);
		if ((field->flags & FIELD_ON_DEMAND) != 0) {
			emit_minted(emit, field, style->minted);
		} else if (emit_value(emit, view, i, err) != 0) {
			return -1;
		}
	}
	emit_object_end(emit);
	return 0;
}

int
api_record_write(void *ctx, const struct record_view *view, struct err *err)
{
	struct api_record_writer *writer = ctx;
	if (api_record_emit(&writer->emit, view, &writer->style, err) != 0) {
		return -1;
	}
	return writer->emit.buf->failed ? buf_finish(writer->emit.buf, err) : 0;
}
