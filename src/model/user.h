/* SPDX-License-Identifier: Apache-2.0
 * Users: the identities that connect to NATS. */
#ifndef MODEL_USER_H
#define MODEL_USER_H

#include "base/strlist.h"
#include "model/collection.h"

struct user {
	struct record_head head;
	char *nats_username; /* unique in its account */
	char *full_name;
	char *description;
	char account_id[RAND_ID_SIZE];
	char role_id[RAND_ID_SIZE];
	struct nkey_public public_key;
	bool own_key; /* brought along: its seed is not natsid's to know */
	bool active;
	/* Added to the role's; null adds nothing either. */
	struct strlist publish_permissions;
	struct strlist subscribe_permissions;
	struct strlist publish_deny_permissions;
	struct strlist subscribe_deny_permissions;
	/* In place of the role's; null leaves the role's. */
	int64_t max_subscriptions;
	int64_t max_data; /* no server enforces it */
	int64_t max_payload;
	struct strlist connection_types;
	struct strlist networks;
	char *time_windows; /* CLAIM_TIMES */
	char *times_location; /* of time_windows */
	/* Beside the role's: either of them is enough. */
	bool bearer_token;
	bool proxy_required;
	bool overrides; /* any of the above: minted by the plain key, all inside */
	struct strlist tags;
	int64_t jwt_expires_at; /* ms; 0: iat and the default lifetime */
	int64_t iat; /* unix seconds: of the JWT in force */
	int64_t exp; /* unix seconds: of the JWT in force; 0: never */
	/* Of the JWTs that left since the last time that all of them were revoked: */
	int64_t issued_at; /* ms: when the first did; 0: none */
	int64_t issued_until; /* unix seconds: the last exp; USER_FOREVER: never */
	int64_t issued_set; /* the newest key set that signed one */
	int64_t unknown_set; /* the newest that may have signed one that the database, as
				it was restored, does not know of; 0: it knows all */
	int64_t superseded; /* unix seconds: iat of the newest one that says another name
			       or other tags than the row; 0: none */
	char *email; /* "" for devices */
	bool email_visibility;
	bool verified;
	char *password;
	char *password_confirm;
	char *password_hash; /* crypto_pwhash_str, or "" */
	char *token_key; /* changes with e-mail and password; ends sessions */
	/* triggers */
	bool regenerate; /* same key, new JWT, the older ones revoked */
	bool revoke; /* new key, the old one revoked */
};

/* 9999-12-31: later than any exp. */
#define USER_FOREVER INT64_C(253402300799)

extern const struct collection user_collection;

int user_init(void *row, struct err *err) MUST_CHECK;

/* Does the row say anything of its own, beside its role? */
bool user_has_overrides(const struct user *user);

/* The iat of the JWT in force, in an account where all JWTs up to all_at (0: none) were
 * revoked: what is issued after that is good again, though no row was written. */
int64_t user_iat(const struct user *user, int64_t all_at);

/* The exp of a JWT with this iat; lifetime in seconds, 0: for ever. */
int64_t user_exp(const struct user *user, int64_t iat, int64_t lifetime);

/* The end of a JWT with this exp: USER_FOREVER when it has none. */
int64_t user_until(int64_t exp);

/* What may have left: its last end, and the newest key set that signed any of it. */
int64_t user_may_hold_until(const struct user *user);
int64_t user_may_hold_set(const struct user *user);

#endif
