/* SPDX-License-Identifier: Apache-2.0
 * List, view, create, update and delete, as PocketBase's SDK calls them. */
#include "api/call.h"

#include "api/body.h"
#include "api/prefer.h"
#include "api/preview.h"
#include "api/query.h"
#include "api/record.h"
#include "api/streams.h"
#include "base/log.h"
#include "service/creds.h"
#include "service/record.h"

#include <stdlib.h>

/* The collection of the path, if the actor may do this to it. The use case asks the same
 * again; asked first, it keeps a request that is not allowed from being looked at. */
static const struct collection *
find_collection(const struct api_call *call, enum verb verb, struct err *err)
{
	const struct collection *found = collection_find(call->match.collection);
	if (found == NULL) {
		err_set(err, ERR_NOT_FOUND, "Missing collection context.");
		return NULL;
	}
	return authorise(&call->actor, verb, found, NULL, err) == 0 ? found : NULL;
}

/* What a client asks for in vain must be known before anything happens. */
static int
read_selection(const struct api_call *call, const struct collection *collection,
	struct api_selection *out, struct err *err)
{
	struct api_fields fields = { 0 };
	if (api_query_refuse(call->req, "expand", err) != 0 ||
		api_fields_read(call->req, &fields, err) != 0) {
		return -1;
	}
	api_fields_select(&fields, NULL, collection, out);
	api_fields_release(&fields);
	return 0;
}

static bool
sees_all_emails(const struct api_call *call)
{
	return call->actor.kind == ACTOR_SUPERUSER;
}

/* ---- encoding -------------------------------------------------------------------- */

/* One record as the whole answer. */
static int
answer_record(struct api_call *call, const struct collection *collection, const char *id,
	const struct api_selection *selection, const struct api_minted *minted,
	struct err *err)
{
	struct api_record_writer writer = {
		.style = { .selection = selection,
			.show_email = sees_all_emails(call),
			.minted = minted },
	};
	if (minted != NULL) {
		http_response_make_secret(call->res);
	}
	emit_init(&writer.emit, &call->res->body);
	return service_record_view(call->api->params.service, &call->actor, collection,
		id, api_record_write, &writer, err);
}

/* ---- reading --------------------------------------------------------------------- */

static void
emit_totals(struct emit *emit, const struct api_paging *paging, int64_t total)
{
	int64_t pages =
		total < 0 ? -1 : (total + paging->per_page - 1) / paging->per_page;
	emit_kv_int(emit, "page", paging->page);
	emit_kv_int(emit, "perPage", paging->per_page);
	emit_kv_int(emit, "totalItems", total);
	emit_kv_int(emit, "totalPages", pages);
}

int
api_records_list(struct api_call *call, struct err *err)
{
	const struct collection *collection = find_collection(call, VERB_LIST, err);
	struct api_selection selection;
	struct api_paging paging;
	int64_t total = 0;
	if (collection == NULL ||
		read_selection(call, collection, &selection, err) != 0 ||
		api_query_refuse(call->req, "filter", err) != 0 ||
		api_query_paging(call->req, &paging, err) != 0) {
		return -1;
	}
	if (api_selection_names_minted(&selection, collection)) {
		return err_set(err, ERR_INVALID,
			"Lists do not show jwt and creds_file; "
			"use GET /api/v1/users/{id}/creds, or view one record.");
	}
	struct record_list list = {
		.collection = collection,
		.page = paging.page,
		.per_page = paging.per_page,
		.skip_total = paging.skip_total,
		.sort = paging.sort,
	};
	struct api_record_writer writer = {
		.style = { .selection = &selection, .show_email = sees_all_emails(call) },
	};
	emit_init(&writer.emit, &call->res->body);
	emit_object_begin(&writer.emit);
	emit_key(&writer.emit, "items");
	emit_array_begin(&writer.emit);
	if (service_record_list(call->api->params.service, &call->actor, &list,
		    api_record_write, &writer, &total, err) != 0) {
		if (err->code == ERR_TOO_LARGE) {
			return err_set(err, ERR_INVALID,
				"This page is too large; ask for fewer records or "
				"fields.");
		}
		return -1;
	}
	emit_array_end(&writer.emit);
	emit_totals(&writer.emit, &paging, total);
	emit_object_end(&writer.emit);
	return 0;
}

int
api_records_view(struct api_call *call, struct err *err)
{
	const struct collection *collection = find_collection(call, VERB_VIEW, err);
	struct api_selection selection;
	struct user_creds creds = { 0 };
	struct api_minted minted = { 0 };
	bool mints = false;
	int rc = -1;
	if (collection == NULL ||
		read_selection(call, collection, &selection, err) != 0) {
		goto out;
	}
	mints = api_selection_names_minted(&selection, collection);
	if (mints) {
		if (service_user_creds(call->api->params.service, &call->actor,
			    call->match.id, &creds, err) != 0) {
			goto out;
		}
		minted.jwt = creds.jwt.data;
		minted.creds_file = creds.creds.data;
	}
	rc = answer_record(call, collection, call->match.id, &selection,
		mints ? &minted : NULL, err);
out:
	user_creds_release(&creds);
	return rc;
}

/* ---- writing --------------------------------------------------------------------- */

/* change->row is the caller's, after errors too. id: NULL for a creation. */
static int
decode_change(struct api_call *call, const struct collection *collection, const char *id,
	void *row, struct preview *preview, struct record_change *change, struct err *err)
{
	json_t *body = NULL;
	int rc = -1;
	*change = (struct record_change){
		.collection = collection, .row = row, .preview = preview
	};
	if (api_body_parse(call->req, &body, err) != 0 ||
		api_body_decode(body, collection, id, row, &change->present,
			&call->violations, err) != 0) {
		goto out;
	}
	rc = 0;
out:
	json_decref(body);
	return rc;
}

/* With violations the fields say what is wrong, and the message what came of it. */
static int
summarise(const struct api_call *call, const char *summary, struct err *err)
{
	if (call->violations.len == 0) {
		return -1;
	}
	return err_set(err, err->code, "%s", summary);
}

/* The answer to a change that is done: it shows the JWT that the change made, if it is
 * wanted. The change stands whatever becomes of that; a suspended user has none. */
static int
answer_change(struct api_call *call, const struct collection *collection, const char *id,
	const struct api_selection *selection, bool made, struct err *err)
{
	struct user_creds creds = { 0 };
	struct api_minted minted = { 0 };
	struct err why = { 0 };
	bool wanted = api_selection_names_minted(selection, collection) ||
		(made && api_selection_shows_minted(selection, collection));
	if (wanted) {
		if (service_user_creds(call->api->params.service, &call->actor, id,
			    &creds, &why) == 0) {
			minted.jwt = creds.jwt.data;
			minted.creds_file = creds.creds.data;
		} else if (why.code != ERR_CONFLICT) {
			log_err("creds left out of the answer to a change", &why,
				LOG_STR("user", id), LOG_STR("request", call->req->id));
		}
	}
	api_prefer_wait(call);
	int rc = answer_record(
		call, collection, id, selection, wanted ? &minted : NULL, err);
	user_creds_release(&creds);
	return rc;
}

int
api_records_create(struct api_call *call, struct err *err)
{
	const struct collection *collection = find_collection(call, VERB_CREATE, err);
	struct api_selection selection;
	struct record_change change;
	struct preview preview = { 0 };
	char id[RAND_ID_SIZE] = "";
	bool dry = false;
	void *row = NULL;
	int rc = -1;
	if (collection == NULL || api_preview_wanted(call->req, &dry, err) != 0 ||
		read_selection(call, collection, &selection, err) != 0) {
		return -1;
	}
	row = calloc(1, collection->row_size);
	if (row == NULL) {
		return err_nomem(err);
	}
	if (decode_change(call, collection, NULL, row, dry ? &preview : NULL, &change,
		    err) != 0 ||
		service_record_create(call->api->params.service, &call->actor, &change,
			id, &call->violations, err) != 0) {
		summarise(call, "Failed to create record.", err);
		goto out;
	}
	rc = dry ? api_preview_answer(call, &preview, err)
		 : answer_change(call, collection, id, &selection, true, err);
out:
	preview_release(&preview);
	record_release(collection, row);
	free(row);
	return rc;
}

int
api_records_update(struct api_call *call, struct err *err)
{
	const struct collection *collection = find_collection(call, VERB_UPDATE, err);
	struct api_selection selection;
	struct record_change change;
	struct preview preview = { 0 };
	bool remade = false;
	bool dry = false;
	void *row = NULL;
	int rc = -1;
	if (collection == NULL || api_preview_wanted(call->req, &dry, err) != 0 ||
		read_selection(call, collection, &selection, err) != 0) {
		return -1;
	}
	row = calloc(1, collection->row_size);
	if (row == NULL) {
		return err_nomem(err);
	}
	if (decode_change(call, collection, call->match.id, row, dry ? &preview : NULL,
		    &change, err) != 0 ||
		service_record_update(call->api->params.service, &call->actor,
			call->match.id, &change, &remade, &call->violations, err) != 0) {
		summarise(call, "Failed to update record.", err);
		goto out;
	}
	rc = dry ? api_preview_answer(call, &preview, err)
		 : answer_change(
			   call, collection, call->match.id, &selection, remade, err);
out:
	preview_release(&preview);
	record_release(collection, row);
	free(row);
	return rc;
}

int
api_records_delete(struct api_call *call, struct err *err)
{
	const struct collection *collection = find_collection(call, VERB_DELETE, err);
	struct service *service = call->api->params.service;
	struct preview preview = { 0 };
	bool dry = false;
	int rc = -1;
	if (collection == NULL || api_preview_wanted(call->req, &dry, err) != 0 ||
		api_streams_check(call, collection, err) != 0) {
		return -1;
	}
	rc = dry ? service_record_preview_delete(service, &call->actor, collection,
			   call->match.id, &preview, err)
		 : service_record_delete(
			   service, &call->actor, collection, call->match.id, err);
	if (rc == 0) {
		rc = api_preview_finish(call, dry, &preview, err);
	}
	preview_release(&preview);
	return rc;
}
