/* SPDX-License-Identifier: Apache-2.0 */
#include "base/codec.h"

static const char base32_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
static const char base64_alphabet[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* Both alphabets cut the bit stream into groups of `bits`, first bit first. */
static void
encode_groups(
	const uint8_t *data, size_t len, unsigned bits, const char *alphabet, char *out)
{
	uint32_t acc = 0;
	unsigned held = 0;
	for (size_t i = 0; i < len; i++) {
		acc = (acc << 8 | data[i]) & 0xffff;
		held += 8;
		while (held >= bits) {
			held -= bits;
			*out++ = alphabet[acc >> held & ((1U << bits) - 1)];
		}
	}
	if (held > 0) {
		*out++ = alphabet[acc << (bits - held) & ((1U << bits) - 1)];
	}
	*out = '\0';
}

static int
decode_groups(const char *text, size_t len, unsigned bits, int (*value_of)(char),
	uint8_t *out, size_t cap, size_t *out_len)
{
	uint32_t acc = 0;
	unsigned held = 0;
	size_t n = 0;
	for (size_t i = 0; i < len; i++) {
		int value = value_of(text[i]);
		if (value < 0) {
			return -1;
		}
		acc = (acc << bits | (uint32_t)value) & 0xffff;
		held += bits;
		if (held >= 8) {
			held -= 8;
			if (n == cap) {
				return -1;
			}
			out[n++] = (uint8_t)(acc >> held);
		}
	}
	/* Left-over bits must be padding of zeros, and shorter than one group. */
	if (held >= bits || (acc & ((1U << held) - 1)) != 0) {
		return -1;
	}
	*out_len = n;
	return 0;
}

static int
base32_value(char c)
{
	if (c >= 'A' && c <= 'Z') {
		return c - 'A';
	}
	if (c >= '2' && c <= '7') {
		return c - '2' + 26;
	}
	return -1;
}

static int
base64_value(char c)
{
	if (c >= 'A' && c <= 'Z') {
		return c - 'A';
	}
	if (c >= 'a' && c <= 'z') {
		return c - 'a' + 26;
	}
	if (c >= '0' && c <= '9') {
		return c - '0' + 52;
	}
	return c == '-' ? 62 : c == '_' ? 63 : -1;
}

void
codec_base32_encode(const uint8_t *data, size_t len, char *out)
{
	encode_groups(data, len, 5, base32_alphabet, out);
}

int
codec_base32_decode(
	const char *text, size_t len, uint8_t *out, size_t cap, size_t *out_len)
{
	return decode_groups(text, len, 5, base32_value, out, cap, out_len);
}

/* Three bytes at a time: every token goes through here, twice. */
void
codec_base64url_encode(const uint8_t *data, size_t len, char *out)
{
	size_t i = 0;
	for (; i + 3 <= len; i += 3) {
		uint32_t bits = (uint32_t)data[i] << 16 | (uint32_t)data[i + 1] << 8 |
			data[i + 2];
		*out++ = base64_alphabet[bits >> 18];
		*out++ = base64_alphabet[bits >> 12 & 63];
		*out++ = base64_alphabet[bits >> 6 & 63];
		*out++ = base64_alphabet[bits & 63];
	}
	encode_groups(data + i, len - i, 6, base64_alphabet, out);
}

void
codec_base64url_put(struct buf *buf, const uint8_t *data, size_t len)
{
	size_t text_len = CODEC_BASE64_LEN(len);
	/* The encoder also writes a NUL: grow by one more, then give it back. */
	char *place = buf_grow(buf, text_len + 1);
	if (place != NULL) {
		codec_base64url_encode(data, len, place);
		buf_truncate(buf, buf->len - 1);
	}
}

int
codec_base64url_decode(
	const char *text, size_t len, uint8_t *out, size_t cap, size_t *out_len)
{
	return decode_groups(text, len, 6, base64_value, out, cap, out_len);
}

void
codec_hex_encode(const uint8_t *data, size_t len, char *out)
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < len; i++) {
		*out++ = digits[data[i] >> 4];
		*out++ = digits[data[i] & 15];
	}
	*out = '\0';
}

uint16_t
codec_crc16(const uint8_t *data, size_t len)
{
	/* What four bits that leave at the top put back in. */
	static const uint16_t table[16] = { 0x0000, 0x1021, 0x2042, 0x3063, 0x4084,
		0x50a5, 0x60c6, 0x70e7, 0x8108, 0x9129, 0xa14a, 0xb16b, 0xc18c, 0xd1ad,
		0xe1ce, 0xf1ef };
	unsigned crc = 0;
	for (size_t i = 0; i < len; i++) {
		crc = (crc << 4 & 0xffff) ^ table[crc >> 12 ^ data[i] >> 4];
		crc = (crc << 4 & 0xffff) ^ table[crc >> 12 ^ (data[i] & 15U)];
	}
	return (uint16_t)crc;
}

uint32_t
codec_crc32(const char *text)
{
	uint32_t crc = 0xffffffff;
	for (; *text != '\0'; text++) {
		crc ^= (uint8_t)*text;
		for (int bit = 0; bit < 8; bit++) {
			crc = (crc & 1) != 0 ? crc >> 1 ^ 0xedb88320 : crc >> 1;
		}
	}
	return ~crc;
}
