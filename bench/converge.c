/* SPDX-License-Identifier: Apache-2.0
 * From the API's answer to the proof on all servers, of a natsid that serves a data
 * directory made by bench/fleet.c.
 *
 *   converge all PORT TOKEN DIRECTORY ROLE     changes the role that all accounts use
 *   converge open PORT TOKEN DIRECTORY -       changes nothing
 *   converge sweep PORT TOKEN DIRECTORY -      looks at all accounts on all servers
 *   converge one PORT TOKEN DIRECTORY SAMPLES  suspends accounts, and changes a limit of
 * others
 *
 * The first two print the seconds until no account is open in the database, which is
 * looked at every few milliseconds; the third the seconds of a pass (POST
 * /api/v1/reconcile). The last prints the median and the 99th percentile of the
 * milliseconds for a suspension, which is urgent, and for the limit, which is debounced:
 * the account is asked for again and again over one connection until its
 * published_generation is its generation. */
#include "bench/compare.h"
#include "bench/data.h"

#include "base/clock.h"
#include "base/str.h"
#include "store/publish.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	ANSWER_MAX = 64 * 1024,
	REQUEST_MAX = 4 * 1024,
	SAMPLES_MAX = 1000,
	SETTLED_S = 120, /* nothing may take longer */
	LOOK_NS = 5000000
};

struct converge {
	struct data_dir dir;
	const char *token;
	int fd;
	char answer[ANSWER_MAX];
};

/* ---- HTTP, one request at a time ---- */

static int
dial(int64_t port, struct err *err)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr = { htonl(INADDR_LOOPBACK) },
	};
	int on = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 ||
		connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0) {
		return err_set(err, ERR_UNAVAILABLE, "%s", strerror(errno));
	}
	return fd;
}

/* Is the answer whole? */
static bool
is_whole(const char *answer, size_t got)
{
	static const char name[] = "\r\nContent-Length: ";
	const char *end = strstr(answer, "\r\n\r\n");
	const char *length = strstr(answer, name);
	if (end == NULL || length == NULL || length > end) {
		return false;
	}
	size_t body = strtoul(length + strlen(name), NULL, 10);
	return got >= (size_t)(end + 4 - answer) + body;
}

/* The answer, which must be a good one, is in c->answer. */
static int
ask(struct converge *c, const char *method, const char *path, const char *body,
	struct err *err)
{
	char request[REQUEST_MAX];
	size_t got = 0;
	if (str_fmt(request, sizeof(request),
		    "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: %s\r\n"
		    "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
		    method, path, c->token, strlen(body), body) != 0 ||
		send(c->fd, request, strlen(request), MSG_NOSIGNAL) !=
			(ssize_t)strlen(request)) {
		return err_set(err, ERR_UNAVAILABLE, "a request could not be sent");
	}
	c->answer[0] = '\0';
	while (!is_whole(c->answer, got)) {
		ssize_t n = recv(c->fd, c->answer + got, sizeof(c->answer) - 1 - got, 0);
		if (n <= 0) {
			return err_set(err, ERR_UNAVAILABLE, "no answer to %s", path);
		}
		got += (size_t)n;
		c->answer[got] = '\0';
	}
	return strncmp(c->answer, "HTTP/1.1 2", 10) == 0
		? 0
		: err_set(err, ERR_INTERNAL, "%s %s: %.100s", method, path, c->answer);
}

/* The number after "KEY":; -1 when it is not there. */
static int64_t
number_of(const struct converge *c, const char *key)
{
	char pattern[64];
	str_fmt_cut(pattern, sizeof(pattern), "\"%s\":", key);
	const char *at = strstr(c->answer, pattern);
	return at == NULL ? -1 : strtoll(at + strlen(pattern), NULL, 10);
}

/* ---- all accounts ---- */

static int
note_open(void *ctx, const struct store_publish_item *item, struct err *err)
{
	int64_t *open = ctx;
	(void)err; /* copying cannot fail */
	*open = item->account;
	return 0;
}

/* *out_open: an account with something to prove; 0: there is none. */
static int
find_open(struct converge *c, int64_t *out_open, struct err *err)
{
	struct store_conn *conn = NULL;
	int64_t open = 0;
	if (store_read_begin(c->dir.store, &conn, err) != 0) {
		return -1;
	}
	int rc = store_publish_scan(conn, STORE_SCAN_OPEN, 0, 1, note_open, &open, err);
	store_read_end(c->dir.store, conn);
	*out_open = open;
	return rc;
}

static int
wait_for_all(struct converge *c, struct err *err)
{
	static const struct timespec pause = { .tv_nsec = LOOK_NS };
	int64_t open = 0;
	double start = bench_now();
	do {
		nanosleep(&pause, NULL);
		if (find_open(c, &open, err) != 0) {
			return -1;
		}
	} while (open != 0 && bench_now() - start < SETTLED_S);
	if (open != 0) {
		return err_set(
			err, ERR_TIMEOUT, "account %lld is still open", (long long)open);
	}
	printf("%.3f\n", bench_now() - start);
	return 0;
}

static int
change_all(struct converge *c, const char *role, struct err *err)
{
	char path[128];
	char body[64];
	str_fmt_cut(path, sizeof(path), "/api/collections/nats_roles/records/%s", role);
	/* What it was not before. */
	str_fmt_cut(body, sizeof(body), "{\"max_payload\":%lld}",
		(long long)(1 + clock_wall_ms(&clock_system) % 1000000000));
	return ask(c, "PATCH", path, body, err);
}

/* ---- one account ---- */

struct account_id {
	char text[RAND_ID_SIZE];
};

struct id_list {
	struct account_id ids[2 * SAMPLES_MAX];
	size_t len;
	size_t most;
};

/* The newest accounts first: the API lists them by turns of 500. */
static int
list_ids(struct converge *c, struct id_list *list, struct err *err)
{
	static const char key[] = "\"id\":\"";
	for (int page = 1; list->len < list->most; page++) {
		char path[128];
		size_t before = list->len;
		str_fmt_cut(path, sizeof(path),
			"/api/collections/nats_accounts/records?perPage=500&page=%d"
			"&sort=-@rowid&fields=id",
			page);
		if (ask(c, "GET", path, "", err) != 0) {
			return -1;
		}
		for (const char *at = strstr(c->answer, key);
			at != NULL && list->len < list->most; at = strstr(at + 1, key)) {
			str_fmt_cut(list->ids[list->len++].text, RAND_ID_SIZE, "%s",
				at + strlen(key));
		}
		if (list->len == before) {
			return err_set(err, ERR_NOT_FOUND, "there are too few accounts");
		}
	}
	return 0;
}

/* Milliseconds from the answer to the proof. */
static int
measure_one(struct converge *c, const char *id, const char *body, double *out,
	struct err *err)
{
	char path[128];
	char look[192];
	str_fmt_cut(path, sizeof(path), "/api/collections/nats_accounts/records/%s", id);
	str_fmt_cut(
		look, sizeof(look), "%s?fields=generation,published_generation", path);
	if (ask(c, "PATCH", path, body, err) != 0) {
		return -1;
	}
	double start = bench_now();
	do {
		if (ask(c, "GET", look, "", err) != 0) {
			return -1;
		}
		if (bench_now() - start > SETTLED_S) {
			return err_set(err, ERR_TIMEOUT, "account %s is not proven", id);
		}
	} while (number_of(c, "published_generation") < number_of(c, "generation"));
	*out = (bench_now() - start) * 1000;
	return 0;
}

static int
measure_samples(struct converge *c, const struct account_id *ids, size_t len,
	const char *body, const char *what, struct err *err)
{
	double took[SAMPLES_MAX];
	for (size_t i = 0; i < len; i++) {
		if (measure_one(c, ids[i].text, body, &took[i], err) != 0) {
			return -1;
		}
	}
	double median = compare_median(took, len); /* sorts */
	printf("%s %.1f %.1f\n", what, median, took[(len * 99 + 99) / 100 - 1]);
	return 0;
}

static int
measure_ones(struct converge *c, const char *samples, struct err *err)
{
	static struct id_list list;
	int64_t count = 0;
	if (str_to_int(samples, 1, SAMPLES_MAX, &count) != 0) {
		return err_set(
			err, ERR_INVALID, "SAMPLES is a number up to %d", SAMPLES_MAX);
	}
	list.most = 2 * (size_t)count;
	if (list_ids(c, &list, err) != 0 ||
		measure_samples(c, list.ids, (size_t)count, "{\"active\":false}",
			"suspend", err) != 0) {
		return -1;
	}
	return measure_samples(c, list.ids + count, (size_t)count,
		"{\"info_url\":\"https://example.org\"}", "url", err);
}

/* ---- a pass over all ---- */

/* When the last pass ended, as text. */
static int
ask_finished(struct converge *c, char out[static CLOCK_TEXT_MAX], struct err *err)
{
	static const char key[] = "\"finished\":\"";
	if (ask(c, "GET", "/api/v1/servers", "", err) != 0) {
		return -1;
	}
	const char *at = strstr(c->answer, key);
	str_fmt_cut(out, CLOCK_TEXT_MAX, "%s", at == NULL ? "" : at + strlen(key));
	out[strcspn(out, "\"")] = '\0';
	return 0;
}

static int
measure_sweep(struct converge *c, struct err *err)
{
	static const struct timespec pause = { .tv_nsec = LOOK_NS };
	char before[CLOCK_TEXT_MAX];
	char now[CLOCK_TEXT_MAX];
	if (ask_finished(c, before, err) != 0 ||
		ask(c, "POST", "/api/v1/reconcile", "", err) != 0) {
		return -1;
	}
	double start = bench_now();
	do {
		nanosleep(&pause, NULL);
		if (ask_finished(c, now, err) != 0) {
			return -1;
		}
	} while (str_equal(now, before) && bench_now() - start < SETTLED_S);
	if (str_equal(now, before)) {
		return err_set(err, ERR_TIMEOUT, "the pass does not end");
	}
	printf("%.1f\n", bench_now() - start);
	return 0;
}

static int
run(struct converge *c, const char *what, const char *argument, struct err *err)
{
	if (str_equal(what, "one")) {
		return measure_ones(c, argument, err);
	}
	if (str_equal(what, "sweep")) {
		return measure_sweep(c, err);
	}
	if (str_equal(what, "all") && change_all(c, argument, err) != 0) {
		return -1;
	}
	return wait_for_all(c, err);
}

int
main(int argc, char **argv)
{
	static struct converge c;
	struct err err = { 0 };
	int64_t port = 0;
	if (argc != 6 || str_to_int(argv[2], 1, UINT16_MAX, &port) != 0) {
		fprintf(stderr,
			"converge: all|open|sweep|one PORT TOKEN DIRECTORY ARGUMENT\n");
		return 2;
	}
	c.token = argv[3];
	if (bench_data_open(argv[4], false, &c.dir, &err) != 0) {
		return bench_failed("converge", &err);
	}
	c.fd = dial(port, &err);
	int rc = c.fd < 0 ? -1 : run(&c, argv[1], argv[5], &err);
	close(c.fd);
	data_dir_close(&c.dir);
	return rc == 0 ? 0 : bench_failed("converge", &err);
}
