/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <unistd.h>

int
file_write_all(int fd, const void *data, size_t len)
{
	const char *next = data;
	while (len > 0) {
		ssize_t n = write(fd, next, len);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			return -1;
		}
		next += n;
		len -= (size_t)n;
	}
	return 0;
}

int
file_sync_parent(const char *path)
{
	char *copy = str_dup(path);
	if (copy == NULL) {
		errno = ENOMEM;
		return -1;
	}
	int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(copy);
	if (fd < 0) {
		return -1;
	}
	int rc = fsync(fd);
	int cause = errno;
	close(fd);
	errno = cause;
	return rc;
}
