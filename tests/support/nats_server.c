/* SPDX-License-Identifier: Apache-2.0 */
#include "support/nats_server.h"

#include "base/clock.h"
#include "base/rand.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { START_TIMEOUT_MS = 20 * 1000, PORT_MIN = 15000, PORTS = 15000, PORT_TRIES = 1000 };

/* ---- which binary ----------------------------------------------------------------- */

static bool
find_on_path(char *out, size_t size)
{
	const char *path = getenv("PATH");

	while (path != NULL && *path != '\0') {
		size_t len = strcspn(path, ":");
		if (str_fmt(out, size, "%.*s/nats-server", (int)len, path) == 0 &&
			access(out, X_OK) == 0)
			return true;
		path += len + (path[len] == ':');
	}
	return false;
}

/* scripts/nats-server fetches one where the machine has none. */
static bool
ask_script(const char *option, char *out, size_t size)
{
	static const char script[] = TEST_DATA_DIR "/../scripts/nats-server";
	int fds[2];
	size_t len = 0;

	if (access(script, X_OK) != 0 || pipe(fds) != 0)
		return false;
	pid_t pid = fork();
	if (pid == 0) {
		dup2(fds[1], STDOUT_FILENO);
		close(fds[0]);
		close(fds[1]);
		execl(script, script, option, (char *)NULL);
		_exit(127);
	}
	close(fds[1]);
	for (ssize_t n = 1; pid > 0 && n > 0 && len < size - 1; len += (size_t)n) {
		n = read(fds[0], out + len, size - 1 - len);
		if (n < 0)
			n = 0;
	}
	close(fds[0]);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	out[len] = '\0';
	out[strcspn(out, "\n")] = '\0';
	return access(out, X_OK) == 0;
}

static bool
find_oldest(char *out, size_t size)
{
	const char *named = getenv("NATS_SERVER_OLDEST");

	if (named != NULL && *named != '\0')
		return str_copy(out, size, named) == 0 && access(out, X_OK) == 0;
	return ask_script("--oldest", out, size);
}

static bool
find_binary(bool oldest, char *out, size_t size)
{
	static const char *const variables[] = { "NATS_SERVER_NEWEST", "NATS_SERVER" };

	if (oldest)
		return find_oldest(out, size);
	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
		const char *named = getenv(variables[i]);
		if (named != NULL && *named != '\0')
			return str_copy(out, size, named) == 0 && access(out, X_OK) == 0;
	}
	return find_on_path(out, size) || ask_script("--any", out, size);
}

/* ---- ports ------------------------------------------------------------------------ */

/* The socket stays open, without listening: so nobody else can hold the port, and who
 * says SO_REUSEADDR when it listens, as servers do, still can. */
static bool
hold_port(uint16_t port)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(port) };
	int yes = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	/* Only now may others use it, too. */
	if (fd >= 0 && bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 &&
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) == 0)
		return true;
	if (fd >= 0)
		close(fd);
	return false;
}

uint16_t
nats_server_free_port(void)
{
	for (int i = 0; i < PORT_TRIES; i++) {
		uint16_t port = (uint16_t)(PORT_MIN + rand_below(PORTS));
		if (hold_port(port))
			return port;
	}
	return 0;
}

/* ---- start ------------------------------------------------------------------------ */

static bool
write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");
	bool ok = file != NULL && fputs(text, file) >= 0;

	if (file != NULL && fclose(file) != 0)
		ok = false;
	return ok;
}

static void
run_server(const struct nats_server *server, const char *binary, const char *config_path)
{
	char port[16] = "";
	char log_path[NATS_SERVER_PATH_MAX] = "";

	if (str_fmt(port, sizeof(port), "%d", server->port) != 0)
		_exit(127);
	if (str_fmt(log_path, sizeof(log_path), "%s/log", server->dir) != 0)
		_exit(127);
	/* It must not outlive a test that crashes. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	int fd = open("/dev/null", O_RDWR);
	dup2(fd, STDIN_FILENO);
	dup2(fd, STDOUT_FILENO);
	execl(binary, "nats-server", "-a", "127.0.0.1", "-p", port, "--ports_file_dir",
		server->dir, "-l", log_path, config_path != NULL ? "-c" : (char *)NULL,
		config_path, (char *)NULL);
	_exit(127);
}

/* The server writes {"nats":["nats://127.0.0.1:PORT"],...} once it listens. */
static bool
read_port(struct nats_server *server)
{
	char path[NATS_SERVER_PATH_MAX] = "";
	char text[1024] = "";
	size_t len = 0;
	int64_t port = 0;

	if (str_fmt(path, sizeof(path), "%s/nats-server_%d.ports", server->dir,
		    (int)server->pid) != 0)
		return false;
	FILE *file = fopen(path, "r");
	if (file == NULL)
		return false;
	len = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[len] = '\0';
	char *digits = strstr(text, "nats://127.0.0.1:");
	if (digits == NULL)
		return false;
	digits += strlen("nats://127.0.0.1:");
	digits[strspn(digits, "0123456789")] = '\0';
	if (str_to_int(digits, 1, UINT16_MAX, &port) != 0)
		return false;
	server->port = (uint16_t)port;
	return str_fmt(server->url, sizeof(server->url), "nats://127.0.0.1:%d",
		       server->port) == 0;
}

static bool
wait_until_it_listens(struct nats_server *server, int watch)
{
	int64_t deadline = clock_mono_ms(&clock_system) + START_TIMEOUT_MS;

	while (!read_port(server)) {
		char events[4096];
		struct pollfd pollfd = { .fd = watch, .events = POLLIN };
		int64_t left = deadline - clock_mono_ms(&clock_system);
		if (left <= 0 || waitpid(server->pid, NULL, WNOHANG) != 0)
			return false;
		/* Short, to see an early end of the process. */
		if (poll(&pollfd, 1, left < 200 ? (int)left : 200) > 0 &&
			read(watch, events, sizeof(events)) < 0)
			return false;
	}
	return true;
}

bool
nats_server_start(struct nats_server *server, uint16_t port, const char *config)
{
	char binary[NATS_SERVER_PATH_MAX] = "";
	char config_path[NATS_SERVER_PATH_MAX] = "";
	bool ok = false;

	if (!find_binary(server->oldest, binary, sizeof(binary))) {
		fprintf(stderr, "no nats-server: set NATS_SERVER\n");
		return false;
	}
	if (server->dir[0] == '\0') {
		if (str_copy(server->dir, sizeof(server->dir),
			    "/tmp/natsid-test-XXXXXX") != 0 ||
			mkdtemp(server->dir) == NULL)
			return false;
	}
	server->port = port != 0 ? port : nats_server_free_port();
	if (server->port == 0) {
		fprintf(stderr, "no port is free\n");
		return false;
	}
	if (config != NULL &&
		(str_fmt(config_path, sizeof(config_path), "%s/nats.conf", server->dir) !=
				0 ||
			!write_file(config_path, config)))
		return false;

	int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (watch < 0 || inotify_add_watch(watch, server->dir, IN_CLOSE_WRITE) < 0)
		return false;
	server->pid = fork();
	if (server->pid == 0)
		run_server(server, binary, config != NULL ? config_path : NULL);
	ok = server->pid > 0 && wait_until_it_listens(server, watch);
	close(watch);
	if (!ok) {
		fprintf(stderr, "%s does not start; see %s/log\n", binary, server->dir);
		nats_server_kill(server);
	}
	return ok;
}

/* ---- end -------------------------------------------------------------------------- */

void
nats_server_signal(const struct nats_server *server, int signal)
{
	if (server->pid <= 0)
		return;
	kill(server->pid, signal);
	/* Its threads stop one after the other: when the call returns, all have. */
	if (signal == SIGSTOP)
		waitpid(server->pid, NULL, WUNTRACED);
}

void
nats_server_kill(struct nats_server *server)
{
	if (server->pid > 0) {
		kill(server->pid, SIGKILL);
		waitpid(server->pid, NULL, 0);
	}
	server->pid = 0;
}

void
nats_server_release(struct nats_server *server)
{
	DIR *dir = NULL;
	struct dirent *entry = NULL;

	nats_server_kill(server);
	if (server->dir[0] == '\0')
		return;
	dir = opendir(server->dir);
	while (dir != NULL && (entry = readdir(dir)) != NULL)
		unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir != NULL)
		closedir(dir);
	rmdir(server->dir);
	*server = (struct nats_server){ 0 };
}
