/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/vault.h"

#include "base/codec.h"
#include "base/file.h"
#include "base/rand.h"
#include "base/secret.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char prefix[] = "natsid-master-key-1 ";

enum {
	PREFIX_LEN = sizeof(prefix) - 1,
	KEY_TEXT_LEN = CODEC_BASE64_LEN(VAULT_KEY_LEN),
	LINE_LEN = PREFIX_LEN + KEY_TEXT_LEN
};

static int
write_key(int fd)
{
	uint8_t key[VAULT_KEY_LEN];
	char line[LINE_LEN + 2];
	rand_bytes(key, sizeof(key));
	memcpy(line, prefix, PREFIX_LEN);
	codec_base64url_encode(key, sizeof(key), line + PREFIX_LEN);
	line[LINE_LEN] = '\n';
	int rc = file_write_all(fd, line, LINE_LEN + 1);
	secret_wipe(key, sizeof(key));
	secret_wipe(line, sizeof(line));
	return rc == 0 ? fsync(fd) : -1;
}

/* Under a name of its own; 0, or the errno. */
static int
write_draft(const char *draft)
{
	/* what a run that was cut short left is of no use */
	(void)unlink(draft);
	int fd = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		return errno;
	}
	int cause = write_key(fd) != 0 ? errno : 0;
	if (close(fd) != 0 && cause == 0) {
		cause = errno;
	}
	return cause;
}

/* The file appears whole or not at all, and never in the place of another. */
int
vault_key_file_create(const char *path, struct err *err)
{
	char draft[PATH_MAX];
	if (str_fmt(draft, sizeof(draft), "%s.new", path) != 0) {
		return err_set(
			err, ERR_INVALID, "the path of the master key is too long");
	}
	int cause = write_draft(draft);
	if (cause == 0 && link(draft, path) != 0) {
		cause = errno;
	}
	(void)unlink(draft); /* it is linked, or of no use */
	if (cause == 0 && file_sync_parent(path) != 0) {
		cause = errno;
		unlink(path);
	}
	if (cause != 0) {
		return err_set(err, cause == EEXIST ? ERR_CONFLICT : ERR_UNAVAILABLE,
			"cannot create the master key %s: %s", path, strerror(cause));
	}
	return 0;
}

static int
check_access(int fd, const char *path, struct err *err)
{
	struct stat st;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		return err_set(err, ERR_INVALID, "the master key %s is not a file", path);
	}
	if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
		return err_set(err, ERR_INVALID,
			"others may use the master key %s (mode %04o): run chmod 600 on "
			"it",
			path, (unsigned)(st.st_mode & 07777));
	}
	return 0;
}

int
vault_key_file_read(
	const char *path, uint8_t out_key[static VAULT_KEY_LEN], struct err *err)
{
	int rc = -1;
	char text[LINE_LEN + 4] = { 0 }; /* room for more than a key file may hold */
	uint8_t key[VAULT_KEY_LEN];
	size_t key_len = 0;
	ssize_t n = 0;

	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		int cause = errno;
		return err_set(err, cause == ENOENT ? ERR_NOT_FOUND : ERR_UNAVAILABLE,
			"cannot read the master key %s: %s", path, strerror(cause));
	}
	if (check_access(fd, path, err) != 0) {
		goto out;
	}
	n = read(fd, text, sizeof(text) - 1);
	if (n < 0) {
		err_set(err, ERR_UNAVAILABLE, "cannot read the master key %s: %s", path,
			strerror(errno));
		goto out;
	}
	if (n > LINE_LEN + 2) {
		n = 0; /* what follows the line was not looked at: it might be another key
			*/
	}
	while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r')) {
		text[--n] = '\0';
	}
	if (n != LINE_LEN || !str_starts_with(text, prefix) ||
		codec_base64url_decode(text + PREFIX_LEN, KEY_TEXT_LEN, key, sizeof(key),
			&key_len) != 0 ||
		key_len != VAULT_KEY_LEN) {
		err_set(err, ERR_INVALID, "%s is not a master key of natsid", path);
		goto out;
	}
	memcpy(out_key, key, VAULT_KEY_LEN);
	rc = 0;
out:
	close(fd);
	secret_wipe(text, sizeof(text));
	secret_wipe(key, sizeof(key));
	return rc;
}
