/* SPDX-License-Identifier: Apache-2.0
 * From the start of a program to its first good answer.
 *
 *   start PORT PATH TIMES PROGRAM [ARGUMENT...]
 *
 * Prints the median of the milliseconds, over TIMES starts. */
#include "bench/compare.h"

#include "base/str.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { TIMES_MAX = 99, DEADLINE_MS = 10000 };

static double
now_ms(void)
{
	struct timespec now;
	timespec_get(&now, TIME_UTC);
	return (double)now.tv_sec * 1000 + (double)now.tv_nsec / 1e6;
}

static bool
is_answered(uint16_t port, const char *path)
{
	char request[512];
	char answer[64] = "";
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr = { htonl(INADDR_LOOPBACK) },
	};
	if (str_fmt(request, sizeof(request),
		    "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
		    path) != 0) {
		return false;
	}
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool ok = fd >= 0 &&
		connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 &&
		send(fd, request, strlen(request), MSG_NOSIGNAL) ==
			(ssize_t)strlen(request) &&
		recv(fd, answer, sizeof(answer) - 1, 0) > 12 &&
		strncmp(answer, "HTTP/1.1 200", 12) == 0;
	close(fd);
	return ok;
}

static pid_t
start(char *const *argv)
{
	pid_t pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		execv(argv[0], argv);
		_exit(127);
	}
	return pid;
}

/* One start; negative when there was no answer. */
static double
measure(uint16_t port, const char *path, char *const *argv)
{
	static const struct timespec pause = { .tv_nsec = 200000 };
	int status = 0;
	double begin = now_ms();
	pid_t pid = start(argv);
	double took = -1;
	while (pid > 0 && took < 0 && now_ms() - begin < DEADLINE_MS &&
		waitpid(pid, &status, WNOHANG) == 0) {
		if (is_answered(port, path)) {
			took = now_ms() - begin;
		} else {
			nanosleep(&pause, NULL);
		}
	}
	if (took >= 0) {
		kill(pid, SIGTERM);
		waitpid(pid, &status, 0);
	}
	return took;
}

int
main(int argc, char **argv)
{
	double values[TIMES_MAX];
	int64_t port = 0;
	int64_t times = 0;
	if (argc < 5 || str_to_int(argv[1], 1, UINT16_MAX, &port) != 0 ||
		str_to_int(argv[3], 1, TIMES_MAX, &times) != 0) {
		fprintf(stderr, "start: PORT PATH TIMES PROGRAM [ARGUMENT...]\n");
		return 2;
	}
	for (int64_t i = 0; i < times; i++) {
		values[i] = measure((uint16_t)port, argv[2], argv + 4);
		if (values[i] < 0) {
			fprintf(stderr, "start: %s did not answer\n", argv[4]);
			return 1;
		}
	}
	printf("%.1f\n", compare_median(values, (size_t)times));
	return 0;
}
