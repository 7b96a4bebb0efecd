/* SPDX-License-Identifier: Apache-2.0
 * The claims behind tests/golden/jwt-golden.txt, and keys from seeds of 32 equal
 * bytes. */
#ifndef SUPPORT_JWT_SAMPLES_H
#define SUPPORT_JWT_SAMPLES_H

#include "base/buf.h"
#include "jwt/claims.h"
#include "jwt/encode.h"
#include "jwt/nkey.h"

#include <stddef.h>
#include <stdint.h>

struct sample_key {
	enum nkey_role role;
	uint8_t seed[NKEY_SEED_LEN];
	struct nkey_public pub;
	char text[NKEY_TEXT_SIZE];
};

/* The key whose seed is 32 times the byte. */
struct sample_key sample_key_make(enum nkey_role role, uint8_t byte);

/* The public keys of some of them, where a text of the source needs one. */
#define SAMPLE_OPERATOR_KEY \
	"OCFIRY65OQE7DFP5KLNS2PF2LVZMUZYJX4OZIEQ36N2IQANUB5XVYOCS" /* 0x01 */
#define SAMPLE_ACCOUNT_KEY \
	"ACATS5YOVB6ROX2WUNKGNQ2MP3GMXDMKSG2O4N5CLX3A6W4PZGZZIL2R" /* 0x02 */
#define SAMPLE_OTHER_ACCOUNT_KEY \
	"ACQJVJPUPJTVTABP7FK7RXBNFIKKLSM5EO7JP6DECJ77SOBUKWSPBI3I" /* 0x22 */
#define SAMPLE_USER_KEY \
	"UDWUSKGGFDI4FRXK5EBTRECZSVQSSWJHHJOGH6JWG3AUMFFMQ435C2U4" /* 0x03 */
#define SAMPLE_CURVE_KEY \
	"XD23FVXGB6KHPYYQYKMC3KVGZEJWYEEKC534LFD6ISH2G7LIC5CVP5IW" /* 0x06 */

/* Borrows the key. */
struct jwt_signer sample_signer(struct sample_key *key);

/* The second in which all of the golden file was issued. */
#define SAMPLE_ISSUED_AT INT64_C(1700000000)

/* One section of the golden file. */
struct jwt_sample {
	const char *name;
	enum nkey_role role;
	uint8_t signer;
	void (*build)(struct jwt_claims *claims);
};

extern const struct jwt_sample jwt_samples[];
extern const size_t jwt_samples_len;

/* NULL when there is none of that name. */
const struct jwt_sample *jwt_sample_find(const char *name);

/* Appends the token of the sample; the process ends when it cannot be made. */
void jwt_sample_put(const struct jwt_sample *sample, struct buf *out);

#endif
