/* SPDX-License-Identifier: Apache-2.0 */
#include "service/operator.h"

#include "model/operator.h"
#include "service/internal.h"
#include "service/minting.h"
#include "store/operator.h"
#include "store/publish.h"
#include "store/record.h"

#include <stdlib.h>
#include <string.h>

struct trust {
	struct operator_row operator;
	int64_t system_seq;
	char system_key[NKEY_TEXT_SIZE];
	char *system_jwt;
};

static int
read_trust(struct store_conn *conn, void *ctx, struct err *err)
{
	struct trust *trust = ctx;
	struct account account = { 0 };
	int64_t generation = 0;
	int found = store_operator_find(conn, &trust->operator, err);
	if (found <= 0) {
		return found < 0 ? -1
				 : err_set(err, ERR_NOT_FOUND,
					   "there is no operator yet: run natsid init");
	}
	if (store_record_get(conn, &account_collection, trust->operator.system_account_id,
		    &account, err) != 0) {
		return -1;
	}
	trust->system_seq = account.head.seq;
	nkey_text_encode(NKEY_ACCOUNT, &account.public_key, trust->system_key);
	record_release(&account_collection, &account);
	return store_publish_jwt(
		conn, trust->system_seq, &trust->system_jwt, &generation, err);
}

static void
trust_release(struct trust *trust)
{
	record_release(&operator_collection, &trust->operator);
	free(trust->system_jwt);
	trust->system_jwt = NULL;
}

/* Reads it, minting the system account first when nobody did yet. */
static int
get_trust(struct service *service, struct trust *trust, struct err *err)
{
	struct minting minting;
	int rc = service_read(service, read_trust, trust, err);
	if (rc == 0 || trust->system_seq == 0 || err->code != ERR_NOT_FOUND) {
		return rc;
	}
	int64_t system_seq = trust->system_seq;
	trust_release(trust);
	if (service_mint_account(service, system_seq, true, &minting, err) != 0) {
		return -1;
	}
	if (minting.result != MINTING_DONE) {
		return err_set(err, ERR_UNAVAILABLE,
			"the system account cannot be minted: %s",
			minting.result == MINTING_HELD ? minting.reason
						       : "try again in a second");
	}
	return service_read(service, read_trust, trust, err);
}

/* The configuration's strings: double quotes, with escapes for two characters. */
static int
put_quoted(struct buf *out, const char *what, const char *text, struct err *err)
{
	buf_put_char(out, '"');
	for (const char *p = text; *p != '\0'; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f) {
			return err_set(err, ERR_INVALID,
				"%s: must not hold control characters", what);
		}
		if (*p == '"' || *p == '\\') {
			buf_put_char(out, '\\');
		}
		buf_put_char(out, *p);
	}
	buf_put_char(out, '"');
	return 0;
}

static int
put_setting(struct buf *out, const char *indent, const char *key, const char *text,
	struct err *err)
{
	buf_put_str(out, indent);
	buf_put_str(out, key);
	buf_put_str(out, ": ");
	int rc = put_quoted(out, key, text, err);
	buf_put_char(out, '\n');
	return rc;
}

static int
put_resolver(struct buf *out, const struct trust *trust, const char *dir, struct err *err)
{
	buf_put_str(out, "\nresolver: {\n\ttype: full\n");
	if (put_setting(out, "\t", "dir", dir, err) != 0) {
		return -1;
	}
	/* When two servers differ, as they do during a push, one sends the other all that
	 * it has, and does nothing else meanwhile: seconds for 10,000 accounts. natsid
	 * itself brings a server that returns up to date. */
	buf_put_str(out, "\tallow_delete: true\n\tinterval: \"1m\"\n}\n");
	buf_put_str(out, "\nresolver_preload: {\n");
	if (put_setting(out, "\t", trust->system_key, trust->system_jwt, err) != 0) {
		return -1;
	}
	buf_put_str(out, "}\n");
	return 0;
}

static const char *
or_default(const char *text, const char *fallback)
{
	return text != NULL && text[0] != '\0' ? text : fallback;
}

static int
put_conf(struct buf *out, const struct trust *trust,
	const struct nats_conf_params *params, struct err *err)
{
	buf_put_str(out, "# nats-server configuration for the operator ");
	if (put_quoted(out, "operator", trust->operator.name, err) != 0) {
		return -1;
	}
	buf_put_str(out,
		", written by natsid.\n"
		"# Give each server its own server_name and its own directories.\n\n");
	if (put_setting(out, "", "server_name",
		    or_default(params->server_name, "natsid-1"), err) != 0) {
		return -1;
	}
	if (params->listen_host != NULL &&
		put_setting(out, "", "host", params->listen_host, err) != 0) {
		return -1;
	}
	buf_put_str(out, "port: ");
	buf_put_int(out, params->port != 0 ? params->port : 4222);
	buf_put_str(out, "\n\n");
	if (put_setting(out, "", "operator", trust->operator.jwt, err) != 0 ||
		put_setting(out, "", "system_account", trust->system_key, err) != 0 ||
		put_resolver(out, trust, or_default(params->resolver_dir, "./jwt"),
			err) != 0) {
		return -1;
	}
	if (params->jetstream_dir != NULL && params->jetstream_dir[0] != '\0') {
		buf_put_str(out, "\njetstream: {\n");
		if (put_setting(out, "\t", "store_dir", params->jetstream_dir, err) !=
			0) {
			return -1;
		}
		buf_put_str(out, "}\n");
	}
	return buf_finish(out, err);
}

int
service_nats_conf(struct service *service, const struct actor *actor,
	const struct nats_conf_params *params, struct buf *out, struct err *err)
{
	struct trust trust = { 0 };
	if (authorise(actor, VERB_DOWNLOAD, &operator_collection, NULL, err) != 0) {
		return -1;
	}
	if (strchr(or_default(params->server_name, ""), ' ') != NULL) {
		return err_set(err, ERR_INVALID,
			"server_name: must not hold blanks, which nats-servers refuse");
	}
	int rc = get_trust(service, &trust, err);
	if (rc == 0) {
		rc = put_conf(out, &trust, params, err);
	}
	trust_release(&trust);
	return rc;
}
