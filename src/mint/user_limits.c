/* SPDX-License-Identifier: Apache-2.0 */
#include "mint/user.h"

#include "mint/scope.h"

int
mint_user_limits(const struct user *user, const struct role *role,
	const struct account *account, struct jwt_user_limits *out, struct err *err)
{
	char subject[NKEY_TEXT_SIZE];
	char account_subject[NKEY_TEXT_SIZE];
	const struct template_values values = {
		.name = user->nats_username,
		.subject = subject,
		.account_name = account->name,
		.account_subject = account_subject,
		.tags = &user->tags,
		.account_tags = &account->tags,
	};
	nkey_text_encode(NKEY_USER, &user->public_key, subject);
	nkey_text_encode(NKEY_ACCOUNT, &account->public_key, account_subject);
	if (mint_scope_of_user(role, user, &values, out, err) != 0) {
		return -1;
	}
	/* no server enforces it, but who sets it wants it said */
	if (user->max_data != FIELD_NULL_INT) {
		out->data = user->max_data;
	}
	return 0;
}
