/* SPDX-License-Identifier: Apache-2.0 */
#include "service/internal.h"

#include "base/str.h"
#include "mint/claim.h"
#include "model/limits.h"
#include "store/record.h"

#include <stdlib.h>
#include <string.h>

enum { RACES_MAX = 5 };

static const struct record_ops *
ops_of(const struct collection *collection)
{
	switch (collection->kind) {
	case COLLECTION_ACCOUNTS:
		return &account_ops;
	case COLLECTION_ROLES:
		return &role_ops;
	case COLLECTION_USERS:
		return &user_ops;
	case COLLECTION_SUPERUSERS:
		return &superuser_ops;
	case COLLECTION_EXPORTS:
		return &account_export_ops;
	case COLLECTION_IMPORTS:
		return &account_import_ops;
	case COLLECTION_OPERATOR:
	case COLLECTION_PUBLISH_QUEUE:
	case COLLECTION_COUNT:
		break;
	}
	return NULL;
}

/* authorise refuses writes to collections without use cases; this is for actors above the
 * policy. */
static int
find_ops(const struct collection *collection, const struct record_ops **out,
	struct err *err)
{
	*out = ops_of(collection);
	if (*out != NULL) {
		return 0;
	}
	return authorise_refused(collection, err);
}

bool
work_changes(const struct work *work, const char *field)
{
	return (work->changed & collection_field_bit(work->collection, field)) != 0;
}

bool
work_changes_any(const struct work *work, const char *const *fields)
{
	for (; *fields != NULL; fields++) {
		if (work_changes(work, *fields)) {
			return true;
		}
	}
	return false;
}

static int
canonical_claim(struct work *work, const struct field *field, struct err *err)
{
	char **member = record_member(field, &work->after);
	char *text = NULL;
	struct err why = { 0 };
	if (*member == NULL) {
		return 0;
	}
	if (mint_claim_canonical(field->claim, *member, &text, &why) == 0) {
		free(*member);
		*member = text;
		return 0;
	}
	if (why.code == ERR_NOMEM) {
		return err_nomem(err);
	}
	violations_add(work->violations, field->name, VIOLATION_VALUE, "Not usable: %s.",
		why.msg);
	return 0;
}

/* Claims that the request gave get their one form, so that equal ones are no change. */
static int
canonical_claims(struct work *work, struct err *err)
{
	for (size_t i = 0; i < work->collection->field_count; i++) {
		const struct field *field = &work->collection->fields[i];
		if (field->type == FIELD_CLAIM && (work->present >> i & 1) != 0 &&
			canonical_claim(work, field, err) != 0) {
			return -1;
		}
	}
	return 0;
}

static void
work_release(struct work *work)
{
	account_keys_free(work->keys);
	record_release(work->collection, &work->before);
	record_release(work->collection, &work->after);
	free(work->guards.items);
}

/* The names that the audit shows: what a client sees, so a password and not its hash. */
static int
changed_names(const struct work *work, struct strlist *out, struct err *err)
{
	for (size_t i = 0; i < work->collection->field_count; i++) {
		const struct field *field = &work->collection->fields[i];
		bool named = (work->changed >> i & 1) != 0 &&
			(field->flags & (FIELD_INTERNAL | FIELD_READ_ONLY)) == 0 &&
			!str_equal(field->name, "passwordConfirm");
		if (named && strlist_add(out, field->name, err) != 0) {
			return -1;
		}
	}
	return 0;
}

/* Turns a refused UNIQUE or relation into the field's violation. */
static int
explain_refusal(struct work *work, const struct field *field, struct err *err)
{
	if (field == NULL) {
		return -1;
	}
	if (field->type == FIELD_RELATION) {
		violations_add(work->violations, field->name, VIOLATION_MISSING_REL,
			"There is no %s with this id.", field->relation->noun);
	} else if (str_equal(field->name, "is_default")) {
		violations_add(work->violations, field->name, VIOLATION_NOT_UNIQUE,
			"Another role is the default already.");
	} else {
		violations_add(work->violations, field->name, VIOLATION_NOT_UNIQUE,
			"Value must be unique.");
	}
	return violations_check(work->violations, err);
}

struct write {
	struct work *work;
	const struct field *refused;
	struct strlist names;
};

static int
write_row(struct store_tx *tx, void *ctx, struct err *err)
{
	struct write *write = ctx;
	struct work *work = write->work;
	int rc = work->is_create ? store_record_insert(tx, work->collection, &work->after,
					   &write->refused, err)
				 : store_record_update(tx, work->collection, &work->after,
					   &write->refused, err);
	if (rc != 0 || work->ops->write(tx, work, err) != 0) {
		return -1;
	}
	return service_audit(tx, work->actor, work->is_create ? "create" : "update",
		work->collection, work->after.head.id, &write->names, err);
}

/* For the next try. */
static void
preview_reset(struct preview *preview)
{
	if (preview != NULL) {
		preview_release(preview);
	}
}

/* Validates, prepares and writes what work->after holds. */
static int
work_commit(struct work *work, struct err *err)
{
	struct write write = { .work = work };

	record_validate(work->collection, &work->after, work->present, work->violations);
	if (violations_check(work->violations, err) != 0 ||
		work->ops->prepare(work, err) != 0 ||
		violations_check(work->violations, err) != 0) {
		return -1;
	}
	/* prepare may have filled in more than the request gave */
	work->changed = work->is_create
		? work->present
		: record_diff(work->collection, &work->before, &work->after);
	if (work->changed == 0 && !work->is_create) {
		return 0; /* what it filled in is what was there */
	}
	int rc = changed_names(work, &write.names, err);
	if (rc == 0) {
		rc = service_write(work->service, work->actor, write_row, &write,
			work->preview, err);
	}
	if (rc != 0 && write.refused != NULL &&
		(err->code == ERR_CONFLICT || err->code == ERR_INVALID)) {
		rc = explain_refusal(work, write.refused, err);
	}
	strlist_release(&write.names);
	return rc;
}

/* What a use case is asked for, and how it goes once: ERR_STALE when somebody else was
 * faster. */
struct attempt {
	const char *id; /* NULL: a creation */
	const struct record_change *change; /* NULL: a deletion */
	int (*once)(struct work *work, const struct attempt *attempt, struct err *err);
	bool *out_remade; /* may be NULL */
	char *out_id; /* may be NULL; RAND_ID_SIZE */
};

static int
lost(const struct collection *collection, const struct attempt *attempt, struct err *err)
{
	return attempt->id == NULL
		? err_set(err, ERR_CONFLICT,
			  "Others keep changing what this %s depends on. Try again.",
			  collection->noun)
		: err_set(err, ERR_CONFLICT, "Others keep changing this %s. Try again.",
			  collection->noun);
}

/* Each try begins with a new copy of the work. */
static int
try_often(const struct work *start, const struct attempt *attempt, struct err *err)
{
	struct turn *turn = start->service->turn;
	for (int race = 0; race < RACES_MAX; race++) {
		struct work work = *start;
		preview_reset(start->preview);
		err_clear(err);
		turn_wait(turn, race);
		int rc = attempt->once(&work, attempt, err);
		if (rc == 0 && attempt->out_remade != NULL) {
			*attempt->out_remade = work.remade;
		}
		if (rc == 0 && attempt->out_id != NULL) {
			memcpy(attempt->out_id, work.after.head.id, RAND_ID_SIZE);
		}
		work_release(&work);
		if (rc == 0 || err->code != ERR_STALE) {
			turn_leave(turn, race);
			return rc;
		}
	}
	turn_leave(turn, RACES_MAX);
	return lost(start->collection, attempt, err);
}

static int
create_once(struct work *work, const struct attempt *attempt, struct err *err)
{
	const struct record_change *change = attempt->change;
	if (record_init(change->collection, &work->after, err) != 0 ||
		record_apply(change->collection, change->row, change->present,
			&work->after, err) != 0 ||
		canonical_claims(work, err) != 0) {
		return -1;
	}
	if (work->after.head.id[0] == '\0') {
		rand_id(work->service->clock, work->after.head.id);
	}
	return work_commit(work, err);
}

int
service_record_create(struct service *service, const struct actor *actor,
	const struct record_change *change, char out_id[static RAND_ID_SIZE],
	struct violations *violations, struct err *err)
{
	struct work start = {
		.service = service,
		.actor = actor,
		.collection = change->collection,
		.violations = violations,
		.preview = change->preview,
		.present = change->present,
		.is_create = true,
	};
	struct attempt attempt = {
		.change = change, .once = create_once, .out_id = out_id
	};
	if (authorise(actor, VERB_CREATE, change->collection, NULL, err) != 0 ||
		find_ops(change->collection, &start.ops, err) != 0) {
		return -1;
	}
	return try_often(&start, &attempt, err);
}

struct lookup {
	const struct collection *collection;
	const char *id;
	void *row;
};

static int
read_record(struct store_conn *conn, void *ctx, struct err *err)
{
	struct lookup *lookup = ctx;
	return store_record_get(conn, lookup->collection, lookup->id, lookup->row, err);
}

static int
check_immutable(const struct work *work, struct err *err)
{
	for (size_t i = 0; i < work->collection->field_count; i++) {
		const struct field *field = &work->collection->fields[i];
		if ((work->changed >> i & 1) == 0 ||
			(field->flags & FIELD_IMMUTABLE) == 0) {
			continue;
		}
		if (field->type == FIELD_ID) {
			violations_add(work->violations, field->name, VIOLATION_PK_CHANGE,
				"The record id cannot be changed.");
		} else {
			violations_add(work->violations, field->name, VIOLATION_VALUE,
				"It is set once and for all; delete this %s and make "
				"another.",
				work->collection->noun);
		}
	}
	return violations_check(work->violations, err);
}

/* The record as it is, if the actor may do that to it. */
static int
read_before(struct work *work, const char *id, enum verb verb, struct err *err)
{
	struct lookup lookup = {
		.collection = work->collection, .id = id, .row = &work->before
	};
	if (service_read(work->service, read_record, &lookup, err) != 0) {
		return -1;
	}
	return authorise(work->actor, verb, work->collection, &work->before, err);
}

static int
update_once(struct work *work, const struct attempt *attempt, struct err *err)
{
	const struct record_change *change = attempt->change;
	if (read_before(work, attempt->id, VERB_UPDATE, err) != 0 ||
		record_copy(work->collection, &work->before, &work->after, err) != 0 ||
		record_apply(work->collection, change->row, change->present, &work->after,
			err) != 0 ||
		canonical_claims(work, err) != 0) {
		return -1;
	}
	work->changed = record_diff(work->collection, &work->before, &work->after);
	if (check_immutable(work, err) != 0) {
		return -1;
	}
	if (work->changed == 0) {
		return 0; /* saved unchanged: nothing to write, nobody to cut */
	}
	return work_commit(work, err);
}

int
service_record_update(struct service *service, const struct actor *actor, const char *id,
	const struct record_change *change, bool *out_remade,
	struct violations *violations, struct err *err)
{
	struct work start = {
		.service = service,
		.actor = actor,
		.collection = change->collection,
		.violations = violations,
		.preview = change->preview,
		.present = change->present,
		.planned = change->planned,
	};
	struct attempt attempt = {
		.id = id,
		.change = change,
		.once = update_once,
		.out_remade = out_remade,
	};
	if (authorise(actor, VERB_UPDATE, change->collection, NULL, err) != 0 ||
		find_ops(change->collection, &start.ops, err) != 0) {
		return -1;
	}
	return try_often(&start, &attempt, err);
}

static int
remove_row(struct store_tx *tx, void *ctx, struct err *err)
{
	struct work *work = ctx;
	if (work->ops->remove(tx, work, err) != 0) {
		return -1;
	}
	return service_audit(tx, work->actor, "delete", work->collection,
		work->before.head.id, NULL, err);
}

static int
delete_once(struct work *work, const struct attempt *attempt, struct err *err)
{
	if (read_before(work, attempt->id, VERB_DELETE, err) != 0) {
		return -1;
	}
	return service_write(
		work->service, work->actor, remove_row, work, work->preview, err);
}

static int
delete_or_preview(struct service *service, const struct actor *actor,
	const struct collection *collection, const char *id, struct preview *preview,
	struct err *err)
{
	struct work start = {
		.service = service,
		.actor = actor,
		.collection = collection,
		.preview = preview,
	};
	struct attempt attempt = { .id = id, .once = delete_once };
	if (authorise(actor, VERB_DELETE, collection, NULL, err) != 0 ||
		find_ops(collection, &start.ops, err) != 0) {
		return -1;
	}
	return try_often(&start, &attempt, err);
}

int
service_record_delete(struct service *service, const struct actor *actor,
	const struct collection *collection, const char *id, struct err *err)
{
	return delete_or_preview(service, actor, collection, id, NULL, err);
}

int
service_record_preview_delete(struct service *service, const struct actor *actor,
	const struct collection *collection, const char *id, struct preview *out,
	struct err *err)
{
	*out = (struct preview){ 0 };
	return delete_or_preview(service, actor, collection, id, out, err);
}

int
service_record_view(struct service *service, const struct actor *actor,
	const struct collection *collection, const char *id, record_fn fn, void *ctx,
	struct err *err)
{
	struct store_conn *conn = NULL;
	if (authorise(actor, VERB_VIEW, collection, NULL, err) != 0 ||
		store_read_begin_one(service->store, &conn, err) != 0) {
		return -1;
	}
	int rc = store_record_view(conn, collection, id, fn, ctx, err);
	store_read_end(service->store, conn);
	return rc;
}

/* One part of the sort parameter: "-created", "+name", "@rowid". */
static int
parse_sort_key(const struct collection *collection, const char *part, size_t len,
	struct store_sort_key *out, struct err *err)
{
	char name[64];
	while (len > 0 && *part == ' ') {
		part++;
		len--;
	}
	while (len > 0 && part[len - 1] == ' ') {
		len--;
	}
	out->descending = len > 0 && *part == '-';
	if (len > 0 && (*part == '-' || *part == '+')) {
		part++;
		len--;
	}
	if (len == 0 || str_fmt(name, sizeof(name), "%.*s", (int)len, part) != 0) {
		return err_set(
			err, ERR_INVALID, "sort: an empty or over-long field name");
	}
	out->field = NULL;
	if (str_equal(name, "@rowid")) {
		return 0;
	}
	int index = collection_field_index(collection, name);
	if (index < 0 || !store_record_can_sort(&collection->fields[index])) {
		return err_set(err, ERR_INVALID,
			"sort: %s has no field \"%s\" to sort by", collection->name,
			name);
	}
	out->field = &collection->fields[index];
	return 0;
}

static int
parse_sort(const struct collection *collection, const char *sort,
	struct store_sort_key keys[static LIMIT_SORT_KEYS], size_t *out_count,
	struct err *err)
{
	size_t count = 0;
	const char *part = sort;
	while (*part != '\0') {
		size_t len = strcspn(part, ",");
		if (count == LIMIT_SORT_KEYS) {
			return err_set(err, ERR_INVALID, "sort: more than %d fields",
				LIMIT_SORT_KEYS);
		}
		if (parse_sort_key(collection, part, len, &keys[count], err) != 0) {
			return -1;
		}
		count++;
		part += len;
		if (*part == ',') {
			part++;
		}
	}
	*out_count = count;
	return 0;
}

int
service_record_list(struct service *service, const struct actor *actor,
	const struct record_list *list, record_fn fn, void *ctx, int64_t *out_total,
	struct err *err)
{
	struct store_conn *conn = NULL;
	struct store_sort_key keys[LIMIT_SORT_KEYS];
	struct store_list_query query = {
		.collection = list->collection,
		.limit = list->per_page,
		.skip_total = list->skip_total,
		.sort = keys,
	};
	if (authorise(actor, VERB_LIST, list->collection, NULL, err) != 0 ||
		parse_sort(list->collection, list->sort, keys, &query.sort_count, err) !=
			0) {
		return -1;
	}
	if (list->page > INT64_MAX / LIMIT_PAGE_MAX) {
		return err_set(err, ERR_INVALID, "page: too large");
	}
	query.offset = (list->page - 1) * list->per_page;
	if (store_read_begin(service->store, &conn, err) != 0) {
		return -1;
	}
	int rc = store_record_list(conn, &query, fn, ctx, out_total, err);
	store_read_end(service->store, conn);
	return rc;
}
