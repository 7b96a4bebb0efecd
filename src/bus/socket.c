/* SPDX-License-Identifier: Apache-2.0 */
#include "bus/socket.h"

#include "base/str.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

/* A TLS hello and answer, CONNECT and PING take fewer segments than this; a connection
 * that is in use has soon sent more. */
enum { SEGMENTS_OF_A_CONNECT = 8 };

static bool
peer_port(int fd, uint16_t *out_port)
{
	struct sockaddr_storage peer = { 0 };
	socklen_t len = sizeof(peer);

	if (getpeername(fd, (struct sockaddr *)&peer, &len) != 0)
		return false;
	if (peer.ss_family == AF_INET)
		*out_port = ntohs(((const struct sockaddr_in *)&peer)->sin_port);
	else if (peer.ss_family == AF_INET6)
		*out_port = ntohs(((const struct sockaddr_in6 *)&peer)->sin6_port);
	else
		return false;
	return true;
}

static bool
is_silent(int fd, int64_t min_silence_ms)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	/* Before Linux 4.6 there is no count of segments: then none is taken for
	 * silent. */
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0 ||
		len < offsetof(struct tcp_info, tcpi_data_segs_out) + sizeof(__u32))
		return false;
	return info.tcpi_data_segs_out <= SEGMENTS_OF_A_CONNECT &&
		info.tcpi_last_data_recv >= min_silence_ms;
}

static bool
shut_if_silent(int fd, uint16_t port, int64_t min_silence_ms)
{
	/* Held, so that the socket that is shut is the one that was looked at. */
	int held = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	uint16_t found = 0;
	bool shut = false;

	if (held < 0)
		return false;
	if (peer_port(held, &found) && found == port && is_silent(held, min_silence_ms))
		shut = shutdown(held, SHUT_RDWR) == 0;
	close(held);
	return shut;
}

size_t
bus_socket_shut_silent(uint16_t port, int64_t min_silence_ms)
{
	size_t n = 0;
	struct dirent *entry = NULL;
	DIR *dir = opendir("/proc/self/fd");

	if (dir == NULL)
		return 0;
	while ((entry = readdir(dir)) != NULL) {
		int64_t fd = 0;
		if (str_to_int(entry->d_name, 0, INT_MAX, &fd) == 0 &&
			shut_if_silent((int)fd, port, min_silence_ms))
			n++;
	}
	closedir(dir);
	return n;
}
