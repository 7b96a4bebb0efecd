/* SPDX-License-Identifier: Apache-2.0
 * Puts the jwt module at the service of tests in other languages:
 *
 *   jwt_tool list              the names of the samples
 *   jwt_tool encode NAME       the token of a sample
 *   jwt_tool decode            reads a token, prints its `nats` claims
 *   jwt_tool validate          reads a token, prints its first blocking issue or "ok"
 *   jwt_tool creds             the creds of a user
 *   jwt_tool parse-creds       reads creds, prints the token and the public key of the
 * seed jwt_tool seal X...         reads a text, seals it with a fixed key to X..., prints
 * hex jwt_tool open X... HEX     opens what X... sealed to that key
 *
 * Errors go to standard error, with status 1. */
#include "base/codec.h"
#include "base/str.h"
#include "jwt/creds.h"
#include "jwt/decode.h"
#include "jwt/validate.h"
#include "jwt/xkey.h"
#include "support/jwt_samples.h"

#include <sodium.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { INPUT_MAX = 4 * 1024 * 1024, CURVE_BYTE = 0x06, USER_BYTE = 0x03 };

static int
complain(const struct err *err)
{
	fprintf(stderr, "%s\n", err->msg);
	return 1;
}

/* Standard input without the newline at its end. */
static void
read_input(struct buf *out)
{
	char chunk[4096];
	size_t n = 0;
	while ((n = fread(chunk, 1, sizeof(chunk), stdin)) > 0) {
		buf_put(out, chunk, n);
	}
	while (out->len > 0 && out->data[out->len - 1] == '\n') {
		buf_truncate(out, out->len - 1);
	}
}

static int
list(void)
{
	for (size_t i = 0; i < jwt_samples_len; i++) {
		puts(jwt_samples[i].name);
	}
	return 0;
}

static int
encode(const char *name, struct buf *out, struct err *err)
{
	const struct jwt_sample *sample = jwt_sample_find(name);
	if (sample == NULL) {
		err_set(err, ERR_NOT_FOUND, "there is no sample \"%s\"", name);
		return complain(err);
	}
	jwt_sample_put(sample, out);
	puts(out->data);
	return 0;
}

static int
decode(const struct buf *in, struct buf *out, struct err *err)
{
	struct jwt_claims claims = { 0 };
	if (jwt_decode(in->data, in->len, &claims, err) != 0 ||
		jwt_encode_body(&claims, out, err) != 0) {
		jwt_claims_release(&claims);
		return complain(err);
	}
	puts(out->data);
	jwt_claims_release(&claims);
	return 0;
}

static int
validate(const struct buf *in, struct err *err)
{
	struct jwt_claims claims = { 0 };
	struct jwt_issues issues;
	if (jwt_decode(in->data, in->len, &claims, err) != 0) {
		return complain(err);
	}
	jwt_validate(&claims, (int64_t)time(NULL), &issues);
	const char *issue = jwt_issues_find_blocking(&issues, true);
	puts(issue != NULL ? issue : "ok");
	jwt_claims_release(&claims);
	return 0;
}

static int
creds(struct buf *out, struct err *err)
{
	struct sample_key user = sample_key_make(NKEY_USER, USER_BYTE);
	struct buf token;
	buf_init(&token, INPUT_MAX);
	jwt_sample_put(jwt_sample_find("user scoped"), &token);
	int rc = jwt_creds_render(token.data, token.len, user.seed, out, err);
	buf_release(&token);
	if (rc != 0) {
		return complain(err);
	}
	fputs(out->data, stdout);
	return 0;
}

static int
parse_creds(const struct buf *in, struct err *err)
{
	const char *token = NULL;
	size_t token_len = 0;
	uint8_t seed[NKEY_SEED_LEN];
	struct nkey_public pub;
	char text[NKEY_TEXT_SIZE];
	if (jwt_creds_parse(in->data, in->len, &token, &token_len, seed, err) != 0) {
		return complain(err);
	}
	jwt_nkey_public(NKEY_USER, seed, &pub);
	nkey_text_encode(NKEY_USER, &pub, text);
	printf("%.*s\n%s\n", (int)token_len, token, text);
	return 0;
}

static int
seal(const char *to, const struct buf *in, struct buf *out, struct err *err)
{
	struct sample_key from = sample_key_make(NKEY_CURVE, CURVE_BYTE);
	struct nkey_public pub;
	if (nkey_text_decode(NKEY_CURVE, to, strlen(to), &pub, err) != 0 ||
		jwt_xkey_seal(from.seed, &pub, (const uint8_t *)in->data, in->len, out,
			err) != 0) {
		return complain(err);
	}
	char *hex = calloc(2, out->len + 1);
	if (hex == NULL) {
		err_nomem(err);
		return complain(err);
	}
	codec_hex_encode((const uint8_t *)out->data, out->len, hex);
	puts(hex);
	free(hex);
	return 0;
}

static int
open_sealed(const char *from, const char *hex, struct buf *out, struct err *err)
{
	struct sample_key to = sample_key_make(NKEY_CURVE, CURVE_BYTE);
	struct nkey_public pub;
	size_t len = strlen(hex) / 2;
	uint8_t *sealed = malloc(len + 1);
	int rc = -1;
	if (sealed == NULL) {
		err_nomem(err);
		goto out;
	}
	if (sodium_hex2bin(sealed, len, hex, strlen(hex), NULL, &len, NULL) != 0) {
		err_set(err, ERR_INVALID, "not hex");
		goto out;
	}
	if (nkey_text_decode(NKEY_CURVE, from, strlen(from), &pub, err) != 0 ||
		jwt_xkey_open(to.seed, &pub, sealed, len, out, err) != 0) {
		goto out;
	}
	puts(out->data);
	rc = 0;
out:
	free(sealed);
	return rc == 0 ? 0 : complain(err);
}

static int
run(int argc, char **argv, struct buf *in, struct buf *out, struct err *err)
{
	const char *command = argc > 1 ? argv[1] : "";
	if (argc == 2 && str_equal(command, "list")) {
		return list();
	}
	if (argc == 3 && str_equal(command, "encode")) {
		return encode(argv[2], out, err);
	}
	if (argc == 2 && str_equal(command, "creds")) {
		return creds(out, err);
	}
	if (argc == 4 && str_equal(command, "open")) {
		return open_sealed(argv[2], argv[3], out, err);
	}
	read_input(in);
	if (buf_finish(in, err) != 0) {
		return complain(err);
	}
	if (argc == 2 && str_equal(command, "decode")) {
		return decode(in, out, err);
	}
	if (argc == 2 && str_equal(command, "validate")) {
		return validate(in, err);
	}
	if (argc == 2 && str_equal(command, "parse-creds")) {
		return parse_creds(in, err);
	}
	if (argc == 3 && str_equal(command, "seal")) {
		return seal(argv[2], in, out, err);
	}
	fprintf(stderr, "usage: see the top of tests/tools/jwt_tool.c\n");
	return 2;
}

int
main(int argc, char **argv)
{
	struct buf in;
	struct buf out;
	struct err err = { 0 };
	if (sodium_init() < 0) {
		return 1;
	}
	buf_init(&in, INPUT_MAX);
	buf_init_secret(&out, INPUT_MAX);
	int rc = run(argc, argv, &in, &out, &err);
	buf_release(&in);
	buf_release(&out);
	return rc;
}
