/* SPDX-License-Identifier: Apache-2.0 */
#include "app/seed_file.h"

#include "base/file.h"
#include "base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int
exists(const char *path, struct err *err)
{
	return err_set(err, ERR_CONFLICT,
		"%s exists: seeds never overwrite a file, give another --output", path);
}

int
seed_file_check(const char *path, struct err *err)
{
	struct stat st;
	return lstat(path, &st) == 0 ? exists(path, err) : 0;
}

int
seed_file_write(const char *path, const struct buf *seeds, struct err *err)
{
	/* In its place at once, not renamed to it: what it would replace is the one thing
	 * that must not be lost, and sticks do not always know links. */
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 && errno == EEXIST) {
		return exists(path, err);
	}
	if (fd < 0) {
		return err_set(err, ERR_UNAVAILABLE, "cannot make %s: %s", path,
			strerror(errno));
	}
	int failed = file_write_all(fd, seeds->data, seeds->len) != 0 || fsync(fd) != 0
		? errno
		: 0;
	if (close(fd) != 0 && failed == 0) {
		failed = errno;
	}
	if (failed == 0 && file_sync_parent(path) != 0) {
		failed = errno;
	}
	if (failed != 0) {
		unlink(path);
		return err_set(err, ERR_UNAVAILABLE, "cannot write %s: %s", path,
			strerror(failed));
	}
	return 0;
}

int
seed_file_check_stdout(struct err *err)
{
	struct stat st;
	if (isatty(STDOUT_FILENO)) {
		return err_set(err, ERR_INVALID,
			"seeds are not for a screen: give --output FILE, or a pipe");
	}
	if (fstat(STDOUT_FILENO, &st) != 0) {
		return err_set(err, ERR_INVALID, "standard output cannot be used: %s",
			strerror(errno));
	}
	if (S_ISREG(st.st_mode) && (st.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
		return err_set(err, ERR_INVALID,
			"others can read the file that standard output goes to: give "
			"--output FILE");
	}
	return 0;
}

int
seed_file_write_stdout(const struct buf *seeds, struct err *err)
{
	return file_write_all(STDOUT_FILENO, seeds->data, seeds->len) == 0
		? 0
		: err_set(err, ERR_UNAVAILABLE, "cannot write to standard output: %s",
			  strerror(errno));
}

static int
read_all(int fd, struct buf *out)
{
	char chunk[4096];
	ssize_t n = 0;
	do {
		n = read(fd, chunk, sizeof(chunk));
		if (n > 0) {
			buf_put(out, chunk, (size_t)n);
		}
	} while (n > 0 || (n < 0 && errno == EINTR));
	secret_wipe(chunk, sizeof(chunk));
	return n < 0 ? -1 : 0;
}

int
seed_file_read(const char *path, struct buf *out, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int rc = fd >= 0 ? read_all(fd, out) : -1;
	int cause = errno;
	if (fd >= 0) {
		close(fd);
	}
	if (rc != 0) {
		return err_set(err, ERR_UNAVAILABLE, "cannot read %s: %s", path,
			strerror(cause));
	}
	buf_put_str(out, ""); /* an empty file is an empty text */
	return buf_finish(out, err);
}

int
seed_file_read_stdin(struct buf *out, struct err *err)
{
	if (read_all(STDIN_FILENO, out) != 0) {
		return err_set(err, ERR_UNAVAILABLE, "cannot read standard input: %s",
			strerror(errno));
	}
	buf_put_str(out, "");
	return buf_finish(out, err);
}
