/* SPDX-License-Identifier: Apache-2.0 */
#include "service/internal.h"

#include "base/str.h"
#include "service/login.h"
#include "store/auth.h"
#include "store/record.h"

#include <stdlib.h>

static int
prepare(struct work *work, struct err *err)
{
	struct superuser *superuser = &work->after.superuser;
	bool has_password = superuser->password != NULL && superuser->password[0] != '\0';
	if (work->is_create && !has_password) {
		violations_add(work->violations, "password", VIOLATION_REQUIRED,
			"Cannot be blank.");
	} else if (has_password || superuser->password_confirm != NULL) {
		password_validate(has_password ? superuser->password : "",
			superuser->password_confirm, work->violations);
	}
	if (work->violations->len > 0 ||
		(!has_password && !work_changes(work, "email"))) {
		return 0;
	}
	/* a new e-mail or password ends all sessions */
	char *token_key = service_token_key();
	if (token_key == NULL) {
		return err_nomem(err);
	}
	free(superuser->token_key);
	superuser->token_key = token_key;
	return has_password ? service_hash_password(work->service, superuser->password,
				      &superuser->password_hash, err)
			    : 0;
}

static int
write_superuser(struct store_tx *tx, struct work *work, struct err *err)
{
	(void)tx; /* a superuser is its row */
	(void)work;
	(void)err;
	return 0;
}

static int
remove_superuser(struct store_tx *tx, struct work *work, struct err *err)
{
	int64_t count = 0;
	if (store_record_count(store_tx_conn(tx), work->collection, &count, err) != 0) {
		return -1;
	}
	if (count <= 1) {
		return err_set(err, ERR_CONFLICT,
			"You can't delete the only existing superuser.");
	}
	return store_record_delete(tx, work->collection, &work->before.head, err);
}

const struct record_ops superuser_ops = {
	.prepare = prepare,
	.write = write_superuser,
	.remove = remove_superuser,
};

static int
count_superusers(struct store_conn *conn, void *ctx, struct err *err)
{
	return store_record_count(conn, &superuser_collection, ctx, err);
}

int
service_superuser_count(struct service *service, int64_t *out_count, struct err *err)
{
	return service_read(service, count_superusers, out_count, err);
}

struct find {
	const char *email;
	struct superuser found;
	int result;
};

static int
find_superuser(struct store_conn *conn, void *ctx, struct err *err)
{
	struct find *find = ctx;
	find->result = store_auth_find_superuser(conn, find->email, &find->found, err);
	return find->result < 0 ? -1 : 0;
}

int
service_superuser_upsert(struct service *service, const struct actor *actor,
	const char *email, const char *password, bool *out_created,
	struct violations *violations, struct err *err)
{
	const struct collection *collection = &superuser_collection;
	struct find find = { .email = email };
	struct superuser row = { 0 };
	struct record_change change = {
		.collection = collection,
		.row = &row,
		.present = collection_field_bit(collection, "email") |
			collection_field_bit(collection, "password") |
			collection_field_bit(collection, "passwordConfirm"),
	};
	int rc = -1;

	row.email = str_dup(email);
	row.password = str_dup(password);
	row.password_confirm = str_dup(password);
	if (row.email == NULL || row.password == NULL || row.password_confirm == NULL) {
		err_nomem(err);
		goto out;
	}
	if (service_read(service, find_superuser, &find, err) != 0) {
		goto out;
	}
	if (find.result == 1) {
		rc = service_record_update(service, actor, find.found.head.id, &change,
			NULL, violations, err);
	} else {
		char id[RAND_ID_SIZE];
		rc = service_record_create(service, actor, &change, id, violations, err);
	}
	if (rc == 0) {
		*out_created = find.result == 0;
	}
out:
	record_release(collection, &row);
	record_release(collection, &find.found);
	return rc;
}
