/* SPDX-License-Identifier: Apache-2.0
 * Text forms of bytes: base32 (RFC 4648, no padding), base64url (no padding), hex,
 * CRC-16/XMODEM. */
#ifndef BASE_CODEC_H
#define BASE_CODEC_H

#include "base/buf.h"
#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define CODEC_BASE32_LEN(n) (((n)*8 + 4) / 5)
#define CODEC_BASE64_LEN(n) (((n)*8 + 5) / 6)

/* Writes CODEC_BASE32_LEN(len) characters and a NUL. */
void codec_base32_encode(const uint8_t *data, size_t len, char *out);

/* Upper case only, no padding, no blanks, and only canonical (zero) trailing bits.
 * Writes at most cap bytes; -1 when malformed or too long. */
int codec_base32_decode(const char *text, size_t len, uint8_t *out, size_t cap,
	size_t *out_len) MUST_CHECK;

/* Writes CODEC_BASE64_LEN(len) characters and a NUL. */
void codec_base64url_encode(const uint8_t *data, size_t len, char *out);
void codec_base64url_put(struct buf *buf, const uint8_t *data, size_t len);

/* No padding, no blanks, canonical trailing bits; -1 when malformed or longer than
 * cap. */
int codec_base64url_decode(const char *text, size_t len, uint8_t *out, size_t cap,
	size_t *out_len) MUST_CHECK;

/* Writes 2 * len lower-case digits and a NUL. */
void codec_hex_encode(const uint8_t *data, size_t len, char *out);

/* CRC-16/XMODEM: polynomial 0x1021, init 0. Of "123456789": 0x31c3. */
uint16_t codec_crc16(const uint8_t *data, size_t len);

/* CRC-32 (IEEE), as PocketBase derives collection ids with. Of "123456789":
 * 0xcbf43926. */
uint32_t codec_crc32(const char *text);

#endif
