/* SPDX-License-Identifier: Apache-2.0
 * Seeds at rest: the key file, the keys, and what a seal is bound to. */
#include "base/codec.h"
#include "base/str.h"
#include "jwt/nkey.h"
#include "support/assert_code.h"
#include "vault/vault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char uuid[] = "01234567-89ab-cdef-0123-456789abcdef";
static const uint8_t master_key[VAULT_KEY_LEN] = { 1, 2, 3, 4 };

/* ---- the key file ---- */

struct files {
	char dir[64];
	char key[96];
};

static int
set_up_files(void **state)
{
	struct files *files = calloc(1, sizeof(*files));
	assert_non_null(files);
	assert_int_equal(
		str_copy(files->dir, sizeof(files->dir), "/tmp/natsid-test-XXXXXX"), 0);
	assert_non_null(mkdtemp(files->dir));
	assert_int_equal(
		str_fmt(files->key, sizeof(files->key), "%s/master.key", files->dir), 0);
	*state = files;
	return 0;
}

static int
tear_down_files(void **state)
{
	struct files *files = *state;
	unlink(files->key);
	assert_int_equal(rmdir(files->dir), 0);
	free(files);
	return 0;
}

static size_t
read_text(const char *path, char *out, size_t size)
{
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	size_t len = fread(out, 1, size - 1, file);
	out[len] = '\0';
	fclose(file);
	return len;
}

static void
write_bytes(const char *path, const void *data, size_t len, mode_t mode)
{
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static void
test_key_file(void **state)
{
	const struct files *files = *state;
	struct err err = { 0 };
	struct stat st;
	char text[128];
	uint8_t key[VAULT_KEY_LEN];
	uint8_t again[VAULT_KEY_LEN];
	char encoded[CODEC_BASE64_LEN(VAULT_KEY_LEN) + 1];
	assert_code(vault_key_file_read(files->key, key, &err), &err, ERR_NOT_FOUND);
	assert_int_equal(vault_key_file_create(files->key, &err), 0);
	assert_int_equal(stat(files->key, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(vault_key_file_read(files->key, key, &err), 0);
	codec_base64url_encode(key, sizeof(key), encoded);
	assert_int_equal(read_text(files->key, text, sizeof(text)), 20 + 43 + 1);
	assert_memory_equal(text, "natsid-master-key-1 ", 20);
	assert_memory_equal(text + 20, encoded, 43);
	assert_int_equal(text[63], '\n');

	/* what is there is never written over */
	assert_code(vault_key_file_create(files->key, &err), &err, ERR_CONFLICT);
	assert_int_equal(vault_key_file_read(files->key, again, &err), 0);
	assert_memory_equal(again, key, sizeof(key));

	/* each is another one */
	assert_int_equal(unlink(files->key), 0);
	assert_int_equal(vault_key_file_create(files->key, &err), 0);
	assert_int_equal(vault_key_file_read(files->key, again, &err), 0);
	assert_memory_not_equal(again, key, sizeof(key));
}

static void
test_key_file_places(void **state)
{
	const struct files *files = *state;
	struct err err = { 0 };
	uint8_t key[VAULT_KEY_LEN];
	char target[128];
	assert_code(vault_key_file_create("/nonexistent/dir/key", &err), &err,
		ERR_UNAVAILABLE);
	assert_code(vault_key_file_read(files->dir, key, &err), &err, ERR_INVALID);
	/* not through a link that somebody left */
	str_fmt_cut(target, sizeof(target), "%s/elsewhere", files->dir);
	assert_int_equal(symlink(target, files->key), 0);
	assert_int_equal(vault_key_file_create(files->key, &err), -1);
	assert_int_equal(access(target, F_OK), -1);
}

static void
test_key_file_modes(void **state)
{
	static const mode_t open_modes[] = { 0640, 0604, 0660, 0644, 0610, 0601, 0602,
		0620, 0666, 0777 };
	static const mode_t own_modes[] = { 0600, 0400, 0700 };
	const struct files *files = *state;
	struct err err = { 0 };
	uint8_t key[VAULT_KEY_LEN] = { 7 };
	uint8_t untouched[VAULT_KEY_LEN] = { 7 };
	assert_int_equal(vault_key_file_create(files->key, &err), 0);
	for (size_t i = 0; i < COUNT(open_modes); i++) {
		assert_int_equal(chmod(files->key, open_modes[i]), 0);
		assert_code(
			vault_key_file_read(files->key, key, &err), &err, ERR_INVALID);
		assert_non_null(strstr(err.msg, "chmod 600"));
		assert_memory_equal(key, untouched, sizeof(key));
	}
	for (size_t i = 0; i < COUNT(own_modes); i++) {
		assert_int_equal(chmod(files->key, own_modes[i]), 0);
		assert_int_equal(vault_key_file_read(files->key, key, &err), 0);
	}
}

#define LINE "natsid-master-key-1 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"

static void
test_key_file_content(void **state)
{
	static const struct {
		const char *text;
		bool good;
	} cases[] = {
		{ LINE, true },
		{ LINE "\n", true },
		{ LINE "\r\n", true },
		{ "", false },
		{ "\n", false },
		{ " " LINE, false },
		{ LINE " ", false },
		{ LINE "\nx", false },
		{ LINE "\n\nx", false },
		{ LINE "\n\n\n", false },
		{ LINE "\n\n\nx", false },
		{ LINE "\n\n" LINE "\n", false },
		{ LINE "A", false },
		{ LINE "=", false },
		{ "natsid-master-key-1 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh",
			false },
		{ "natsid-master-key-1 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9",
			false },
		{ "natsid-master-key-1 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh!",
			false },
		{ "natsid-master-key-2 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
			false },
		{ "natsid-master-key-1\tAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
			false },
		{ "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", false },
	};
	const struct files *files = *state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct err err = { 0 };
		uint8_t key[VAULT_KEY_LEN] = { 0 };
		write_bytes(files->key, cases[i].text, strlen(cases[i].text), 0600);
		int rc = vault_key_file_read(files->key, key, &err);
		if ((rc == 0) != cases[i].good) {
			fail_msg("case %zu: %d, %s", i, rc, err.msg);
		}
		if (rc == 0) {
			assert_int_equal(key[0], 0);
			assert_int_equal(key[31], 31);
		} else {
			assert_int_equal(err.code, ERR_INVALID);
			assert_null(strstr(err.msg, "AAEC"));
		}
	}
	/* a NUL is no end */
	struct err err = { 0 };
	uint8_t key[VAULT_KEY_LEN];
	static const char nul[] = LINE "\0";
	write_bytes(files->key, nul, sizeof(nul), 0600);
	assert_code(vault_key_file_read(files->key, key, &err), &err, ERR_INVALID);
}

/* ---- the keys ---- */

struct made {
	struct vault_slot slot;
	struct vault_data_key key;
	struct vault *vault;
};

static int
set_up(void **state)
{
	struct made *made = calloc(1, sizeof(*made));
	struct err err = { 0 };
	assert_non_null(made);
	assert_int_equal(vault_create(master_key, uuid, &made->slot, &made->key,
				 &made->vault, &err),
		0);
	*state = made;
	return 0;
}

static int
tear_down(void **state)
{
	struct made *made = *state;
	vault_free(made->vault);
	free(made);
	return 0;
}

static struct vault_seed
new_seed(const struct vault *vault, enum nkey_role role)
{
	struct err err = { 0 };
	struct vault_seed seed = {
		.owner_table = "users",
		.owner_column = "public_key",
		.owner_id = "abcdefghijklmno",
		.role = role,
	};
	assert_int_equal(vault_generate(vault, &seed, &err), 0);
	return seed;
}

static void
test_round_trip(void **state)
{
	const struct made *made = *state;
	struct err err = { 0 };
	struct vault *again = NULL;
	uint8_t one[VAULT_SEED_LEN];
	uint8_t two[VAULT_SEED_LEN];
	uint8_t mac_one[VAULT_MAC_LEN];
	uint8_t mac_two[VAULT_MAC_LEN];
	struct vault_seed seed = new_seed(made->vault, NKEY_USER);
	assert_int_equal(
		vault_open(master_key, uuid, &made->slot, &made->key, 1, &again, &err),
		0);
	assert_int_equal(vault_seed_open(made->vault, &seed, one, &err), 0);
	assert_int_equal(vault_seed_open(again, &seed, two, &err), 0);
	assert_memory_equal(one, two, sizeof(one));
	vault_mac(made->vault, "s", "k", "m", 1, mac_one);
	vault_mac(again, "s", "k", "m", 1, mac_two);
	assert_memory_equal(mac_one, mac_two, sizeof(mac_one));
	vault_free(again);

	/* two vaults under one master key share nothing */
	struct vault_slot slot;
	struct vault_data_key key;
	assert_int_equal(vault_create(master_key, uuid, &slot, &key, &again, &err), 0);
	assert_memory_equal(slot.key_id, made->slot.key_id, VAULT_KEY_ID_LEN);
	assert_memory_not_equal(slot.wrapped, made->slot.wrapped, VAULT_WRAPPED_LEN);
	assert_code(vault_seed_open(again, &seed, two, &err), &err, ERR_CORRUPT);
	vault_mac(again, "s", "k", "m", 1, mac_two);
	assert_memory_not_equal(mac_one, mac_two, sizeof(mac_one));
	vault_free(again);
	/* a data key of the one does not open under the root key of the other */
	assert_code(vault_open(master_key, uuid, &made->slot, &key, 1, &again, &err),
		&err, ERR_CORRUPT);
	vault_free(NULL);
}

/* A wrong key is told apart from damage: the way out differs. */
static void
test_wrong_master_key(void **state)
{
	const struct made *made = *state;
	for (size_t i = 0; i < VAULT_KEY_LEN; i++) {
		struct err err = { 0 };
		struct vault *vault = NULL;
		uint8_t other[VAULT_KEY_LEN];
		memcpy(other, master_key, sizeof(other));
		other[i] ^= 0x80;
		assert_code(
			vault_open(other, uuid, &made->slot, &made->key, 1, &vault, &err),
			&err, ERR_FORBIDDEN);
		assert_null(vault);
	}
}

static void
test_damaged_slot(void **state)
{
	const struct made *made = *state;
	for (size_t i = 0; i < VAULT_WRAPPED_LEN; i++) {
		struct err err = { 0 };
		struct vault *vault = NULL;
		struct vault_slot slot = made->slot;
		struct vault_data_key key = made->key;
		slot.wrapped[i] ^= 1;
		assert_code(vault_open(master_key, uuid, &slot, &key, 1, &vault, &err),
			&err, ERR_CORRUPT);
		key.wrapped[i] ^= 1;
		assert_code(
			vault_open(master_key, uuid, &made->slot, &key, 1, &vault, &err),
			&err, ERR_CORRUPT);
		assert_null(vault);
	}
	struct err err = { 0 };
	struct vault *vault = NULL;
	struct vault_data_key key = made->key;
	key.id = 2;
	assert_code(vault_open(master_key, uuid, &made->slot, &key, 1, &vault, &err),
		&err, ERR_CORRUPT);
	assert_code(vault_open(master_key, uuid, &made->slot, NULL, 0, &vault, &err),
		&err, ERR_CORRUPT);
	/* the root key wrapped as a data key, and the other way round */
	memcpy(key.wrapped, made->slot.wrapped, sizeof(key.wrapped));
	key.id = 1;
	assert_code(vault_open(master_key, uuid, &made->slot, &key, 1, &vault, &err),
		&err, ERR_CORRUPT);
	assert_code(vault_open(master_key, "11234567-89ab-cdef-0123-456789abcdef",
			    &made->slot, &made->key, 1, &vault, &err),
		&err, ERR_CORRUPT);
	assert_code(vault_open(master_key, "", &made->slot, &made->key, 1, &vault, &err),
		&err, ERR_CORRUPT);
	assert_null(vault);
}

/* ---- seeds ---- */

static void
test_sign(void **state)
{
	static const enum nkey_role roles[] = { NKEY_ACCOUNT, NKEY_OPERATOR, NKEY_USER };
	static const size_t lengths[] = { 0, 1, 63, 64, 65, 5000 };
	const struct made *made = *state;
	struct err err = { 0 };
	uint8_t *msg = calloc(1, 5000);
	assert_non_null(msg);
	for (size_t i = 0; i < COUNT(roles); i++) {
		struct vault_seed seed = new_seed(made->vault, roles[i]);
		uint8_t plain[VAULT_SEED_LEN];
		uint8_t public_key[32];
		uint8_t secret_key[crypto_sign_SECRETKEYBYTES];
		assert_int_equal(vault_seed_open(made->vault, &seed, plain, &err), 0);
		crypto_sign_seed_keypair(public_key, secret_key, plain);
		assert_memory_equal(public_key, seed.public_key.bytes, 32);
		for (size_t n = 0; n < COUNT(lengths); n++) {
			uint8_t expected[64];
			uint8_t sig[VAULT_SIG_LEN];
			assert_int_equal(vault_sign(made->vault, &seed, msg, lengths[n],
						 sig, &err),
				0);
			crypto_sign_detached(expected, NULL, msg, lengths[n], secret_key);
			assert_memory_equal(sig, expected, sizeof(sig));
			assert_int_equal(crypto_sign_verify_detached(sig, msg, lengths[n],
						 seed.public_key.bytes),
				0);
		}
	}
	free(msg);

	/* a curve key is another curve's */
	struct vault_seed seed = new_seed(made->vault, NKEY_CURVE);
	uint8_t plain[VAULT_SEED_LEN];
	uint8_t public_key[32];
	assert_int_equal(vault_seed_open(made->vault, &seed, plain, &err), 0);
	assert_int_equal(crypto_scalarmult_base(public_key, plain), 0);
	assert_memory_equal(public_key, seed.public_key.bytes, 32);
}

static void
assert_damaged(const struct vault *vault, const struct vault_seed *seed)
{
	struct err err = { 0 };
	uint8_t plain[VAULT_SEED_LEN];
	uint8_t sig[VAULT_SIG_LEN] = { 5 };
	static const uint8_t untouched[VAULT_SIG_LEN] = { 5 };
	assert_code(vault_seed_open(vault, seed, plain, &err), &err, ERR_CORRUPT);
	assert_code(vault_sign(vault, seed, (const uint8_t *)"x", 1, sig, &err), &err,
		ERR_CORRUPT);
	assert_memory_equal(sig, untouched, sizeof(sig));
}

static void
test_damaged_seed(void **state)
{
	const struct made *made = *state;
	struct vault_seed seed = new_seed(made->vault, NKEY_USER);
	assert_int_equal(seed.sealed[0], 1);
	assert_int_equal(seed.sealed[4], 1); /* data key 1 */
	for (size_t i = 0; i < VAULT_SEALED_LEN; i++) {
		for (int bit = 0; bit < 8; bit++) {
			seed.sealed[i] ^= (uint8_t)(1 << bit);
			assert_damaged(made->vault, &seed);
			seed.sealed[i] ^= (uint8_t)(1 << bit);
		}
	}
	struct err err = { 0 };
	uint8_t plain[VAULT_SEED_LEN];
	assert_int_equal(vault_seed_open(made->vault, &seed, plain, &err), 0);
}

/* A sealed seed that was moved to another row does not open there. */
static void
test_bound_to_its_row(void **state)
{
	const struct made *made = *state;
	const struct vault_seed seed = new_seed(made->vault, NKEY_USER);
	const struct vault_seed other = new_seed(made->vault, NKEY_USER);
	struct vault_seed moved = seed;
	moved.owner_table = "accounts";
	assert_damaged(made->vault, &moved);
	moved = seed;
	moved.owner_column = "xkey";
	assert_damaged(made->vault, &moved);
	moved = seed;
	moved.owner_id = "abcdefghijklmnp";
	assert_damaged(made->vault, &moved);
	moved = seed;
	moved.role = NKEY_ACCOUNT;
	assert_damaged(made->vault, &moved);
	moved = seed;
	moved.public_key = other.public_key;
	assert_damaged(made->vault, &moved);
	moved = seed;
	memcpy(moved.sealed, other.sealed, sizeof(moved.sealed));
	assert_damaged(made->vault, &moved);
	/* the lengths are bound too: what leaves one name does not go to the next */
	moved = seed;
	moved.owner_table = "userspublic_key";
	moved.owner_column = "";
	assert_damaged(made->vault, &moved);
	moved.owner_table = "user";
	moved.owner_column = "spublic_key";
	assert_damaged(made->vault, &moved);
	for (size_t i = 0; i < NKEY_PUBLIC_LEN; i++) {
		moved = seed;
		moved.public_key.bytes[i] ^= 1;
		assert_damaged(made->vault, &moved);
	}
}

static void
test_generate(void **state)
{
	const struct made *made = *state;
	struct vault_seed one = new_seed(made->vault, NKEY_USER);
	struct vault_seed two = new_seed(made->vault, NKEY_USER);
	assert_memory_not_equal(
		one.public_key.bytes, two.public_key.bytes, NKEY_PUBLIC_LEN);
	assert_memory_not_equal(one.sealed + 5, two.sealed + 5, 24); /* nonces */
	/* the seed is nowhere in the seal */
	struct err err = { 0 };
	uint8_t plain[VAULT_SEED_LEN];
	assert_int_equal(vault_seed_open(made->vault, &one, plain, &err), 0);
	for (size_t i = 0; i + 8 <= sizeof(one.sealed); i++) {
		assert_memory_not_equal(one.sealed + i, plain, 8);
	}
	/* an owner that does not fit is refused, not cut */
	char *name = malloc(600);
	assert_non_null(name);
	memset(name, 'x', 599);
	name[599] = '\0';
	one.owner_id = name;
	assert_code(vault_generate(made->vault, &one, &err), &err, ERR_INTERNAL);
	assert_code(vault_seed_open(made->vault, &one, plain, &err), &err, ERR_INTERNAL);
	free(name);
}

/* The newest data key seals; the older ones still open. */
static void
test_data_keys(void **state)
{
	const struct made *made = *state;
	struct err err = { 0 };
	struct vault *vault = NULL;
	uint8_t plain[VAULT_SEED_LEN];
	struct vault_data_key keys[2] = { made->key, made->key };
	struct vault_seed seed = new_seed(made->vault, NKEY_USER);
	/* only wrapped under its own id does a key open */
	keys[1].id = UINT32_C(0x01020304);
	assert_code(vault_open(master_key, uuid, &made->slot, keys, 2, &vault, &err),
		&err, ERR_CORRUPT);
	/* an id that no data key has */
	seed.sealed[1] = 0xff;
	assert_code(vault_seed_open(made->vault, &seed, plain, &err), &err, ERR_CORRUPT);
	assert_non_null(
		strstr(err.msg, "4278190081")); /* 0xff000001: big-endian, unsigned */
	seed.sealed[1] = 0;
	seed.sealed[0] = 2;
	assert_code(vault_seed_open(made->vault, &seed, plain, &err), &err, ERR_CORRUPT);
	assert_non_null(strstr(err.msg, "version 2"));
}

static void
test_pair(void **state)
{
	struct err err = { 0 };
	struct vault_pair *one = NULL;
	struct vault_pair *two = NULL;
	struct nkey_public key_one;
	struct nkey_public key_two;
	uint8_t sig[VAULT_SIG_LEN];
	(void)state;
	assert_int_equal(vault_pair_new(&one, &key_one, &err), 0);
	assert_int_equal(vault_pair_new(&two, &key_two, &err), 0);
	assert_memory_not_equal(key_one.bytes, key_two.bytes, 32);
	vault_pair_sign(one, (const uint8_t *)"nonce-123", 9, sig);
	assert_int_equal(crypto_sign_verify_detached(
				 sig, (const uint8_t *)"nonce-123", 9, key_one.bytes),
		0);
	assert_int_not_equal(crypto_sign_verify_detached(
				     sig, (const uint8_t *)"nonce-123", 9, key_two.bytes),
		0);
	vault_pair_free(one);
	vault_pair_free(two);
	vault_pair_free(NULL);
}

/* ---- other uses ---- */

/* No two of these say the same, however the parts are cut. */
static void
test_mac(void **state)
{
	static const struct {
		const char *scope;
		const char *key;
		const char *msg;
	} cases[] = {
		{ "ab", "c", "d" },
		{ "a", "bc", "d" },
		{ "abc", "", "d" },
		{ "", "abc", "d" },
		{ "ab", "", "cd" },
		{ "ab", "cd", "" },
		{ "a", "b", "cd" },
		{ "", "", "abcd" },
		{ "abcd", "", "" },
		{ "", "abcd", "" },
		{ "ab", "c", "D" },
		{ "aB", "c", "d" },
		{ "ab", "C", "d" },
		{ "", "", "" },
	};
	const struct made *made = *state;
	uint8_t macs[COUNT(cases)][VAULT_MAC_LEN];
	uint8_t again[VAULT_MAC_LEN];
	for (size_t i = 0; i < COUNT(cases); i++) {
		vault_mac(made->vault, cases[i].scope, cases[i].key, cases[i].msg,
			strlen(cases[i].msg), macs[i]);
		vault_mac(made->vault, cases[i].scope, cases[i].key, cases[i].msg,
			strlen(cases[i].msg), again);
		assert_memory_equal(macs[i], again, sizeof(again));
		for (size_t j = 0; j < i; j++) {
			assert_memory_not_equal(macs[i], macs[j], VAULT_MAC_LEN);
		}
	}
	vault_mac(made->vault, "a", "b", "c\0d", 3, macs[0]);
	vault_mac(made->vault, "a", "b", "c\0e", 3, macs[1]);
	assert_memory_not_equal(macs[0], macs[1], VAULT_MAC_LEN);
}

static void
test_hash(void **state)
{
	/* BLAKE2b-256 of "abc", by b2sum -l 256 */
	static const char expected[] =
		"bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319";
	uint8_t hash[32];
	char text[65];
	(void)state;
	vault_hash("abc", 3, hash);
	codec_hex_encode(hash, sizeof(hash), text);
	assert_string_equal(text, expected);
}

/* One real hash only: each takes 64 MiB and a tenth of a second. */
static void
test_password(void **state)
{
	struct err err = { 0 };
	char hash[VAULT_PASSWORD_HASH_SIZE];
	(void)state;
	assert_int_equal(vault_password_hash("correct horse", hash, &err), 0);
	assert_true(str_starts_with(hash, "$argon2id$v=19$m=65536,t=2,p=1$"));
	assert_int_equal(vault_password_verify(hash, "correct horse"), 1);
	assert_int_equal(vault_password_verify(hash, "correct horsf"), 0);
	assert_int_equal(vault_password_verify(hash, ""), 0);
	assert_int_equal(vault_password_verify("", "correct horse"), 0);
	assert_int_equal(vault_password_verify("", ""), 0);
	assert_int_equal(vault_password_verify("no hash", "no hash"), 0);
	/* what stands in for nobody costs what a real one costs */
	char nobody[VAULT_PASSWORD_HASH_SIZE] =
		"$argon2id$v=19$m=65536,t=2,p=1$"
		"AAAAAAAAAAAAAAAAAAAAAA$"
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
	assert_int_equal(
		crypto_pwhash_str_needs_rehash(nobody, crypto_pwhash_OPSLIMIT_INTERACTIVE,
			crypto_pwhash_MEMLIMIT_INTERACTIVE),
		0);
}

#define FILE_TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up_files, tear_down_files)
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		FILE_TEST(test_key_file),
		FILE_TEST(test_key_file_places),
		FILE_TEST(test_key_file_modes),
		FILE_TEST(test_key_file_content),
		TEST(test_round_trip),
		TEST(test_wrong_master_key),
		TEST(test_damaged_slot),
		TEST(test_sign),
		TEST(test_damaged_seed),
		TEST(test_bound_to_its_row),
		TEST(test_generate),
		TEST(test_data_keys),
		cmocka_unit_test(test_pair),
		TEST(test_mac),
		cmocka_unit_test(test_hash),
		cmocka_unit_test(test_password),
	};
	if (sodium_init() < 0) {
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
