/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/vault.h"

#include <sodium.h>
#include <string.h>

int
vault_password_hash(
	const char *password, char out[static VAULT_PASSWORD_HASH_SIZE], struct err *err)
{
	if (crypto_pwhash_str(out, password, strlen(password),
		    crypto_pwhash_OPSLIMIT_INTERACTIVE,
		    crypto_pwhash_MEMLIMIT_INTERACTIVE) != 0) {
		return err_set(err, ERR_NOMEM, "not enough memory to hash a password");
	}
	return 0;
}

int
vault_password_verify(const char *hash, const char *password)
{
	/* Stands in for records that do not exist: the same cost, and no password is
	 * its. */
	static const char nobody[] =
		"$argon2id$v=19$m=65536,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$"
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
	const char *against = hash[0] != '\0' ? hash : nobody;
	int rc = crypto_pwhash_str_verify(against, password, strlen(password));
	return rc == 0 && hash[0] != '\0' ? 1 : 0;
}
