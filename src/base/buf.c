/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include "base/secret.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

enum { BUF_FIRST_CAP = 256 };

void
buf_init(struct buf *buf, size_t max)
{
	*buf = (struct buf){ .max = max };
}

void
buf_init_secret(struct buf *buf, size_t max)
{
	*buf = (struct buf){ .max = max, .secret = true };
}

void
buf_release(struct buf *buf)
{
	if (buf->secret && buf->data != NULL) {
		secret_wipe(buf->data, buf->cap);
	}
	free(buf->data);
	*buf = (struct buf){ .max = buf->max, .secret = buf->secret };
}

void
buf_clear(struct buf *buf)
{
	if (buf->secret && buf->data != NULL) {
		secret_wipe(buf->data, buf->cap);
	}
	buf->len = 0;
	buf->failed = false;
	buf->too_large = false;
	if (buf->data != NULL) {
		buf->data[0] = '\0';
	}
}

/* Room for `need` bytes and the NUL. realloc is not used for secrets: it may leave a
 * copy. */
static int
make_room(struct buf *buf, size_t need)
{
	if (need < buf->cap) {
		return 0;
	}
	size_t cap = buf->cap == 0 ? BUF_FIRST_CAP : buf->cap;
	while (cap <= need) {
		cap *= 2;
	}
	char *data = buf->secret ? malloc(cap) : realloc(buf->data, cap);
	if (data == NULL) {
		return -1;
	}
	if (buf->secret && buf->data != NULL) {
		memcpy(data, buf->data, buf->len);
		secret_wipe(buf->data, buf->cap);
		free(buf->data);
	}
	buf->data = data;
	buf->cap = cap;
	return 0;
}

char *
buf_grow(struct buf *buf, size_t n)
{
	if (buf->failed) {
		return NULL;
	}
	buf->too_large = n > buf->max - buf->len;
	if (buf->too_large || make_room(buf, buf->len + n) != 0) {
		buf->failed = true;
		return NULL;
	}
	char *place = buf->data + buf->len;
	buf->len += n;
	buf->data[buf->len] = '\0';
	return place;
}

void
buf_put(struct buf *buf, const void *data, size_t len)
{
	char *place = buf_grow(buf, len);
	if (place != NULL && len > 0) {
		memcpy(place, data, len);
	}
}

void
buf_put_char(struct buf *buf, char c)
{
	if (!buf->failed && buf->len < buf->max && buf->len + 1 < buf->cap) {
		buf->data[buf->len++] = c;
		buf->data[buf->len] = '\0';
		return;
	}
	buf_put(buf, &c, 1);
}

void
buf_put_str(struct buf *buf, const char *text)
{
	buf_put(buf, text, strlen(text));
}

void
buf_put_int(struct buf *buf, int64_t value)
{
	char digits[24];
	size_t at = sizeof(digits);
	uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
	do {
		digits[--at] = (char)('0' + (char)(rest % 10));
		rest /= 10;
	} while (rest != 0);
	if (value < 0) {
		digits[--at] = '-';
	}
	buf_put(buf, digits + at, sizeof(digits) - at);
}

void
buf_truncate(struct buf *buf, size_t len)
{
	if (len < buf->len) {
		buf->len = len;
		buf->data[len] = '\0';
	}
}

int
buf_finish(struct buf *buf, struct err *err)
{
	if (buf->failed || make_room(buf, buf->len) != 0) {
		return buf->too_large ? err_set(err, ERR_TOO_LARGE,
						"over the limit of %zu bytes", buf->max)
				      : err_nomem(err);
	}
	buf->data[buf->len] = '\0';
	return 0;
}

char *
buf_take(struct buf *buf)
{
	char *data = buf->data;
	*buf = (struct buf){ .max = buf->max, .secret = buf->secret };
	return data;
}
