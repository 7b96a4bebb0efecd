/* SPDX-License-Identifier: Apache-2.0
 * natsid servers list|forget */
#include "app/commands.h"

#include "app/data_dir.h"
#include "base/clock.h"
#include "base/str.h"
#include "service/servers.h"

#include <stdio.h>
#include <string.h>

static const struct actor console = { .kind = ACTOR_CONSOLE };

enum { COLUMNS = 9, CELL_SIZE = 72 };

/* One row as it is printed. */
struct row {
	char cells[COLUMNS][CELL_SIZE];
};

static const struct row titles = { { "CLUSTER", "NAME", "STATE", "SINCE", "VERSION",
	"RESOLVER", "TRUSTS US", "CHECKED", "FOREIGN" } };

/* Without the fraction; "-" for none. */
static void
put_time(char out[static CELL_SIZE], int64_t ms)
{
	char text[CLOCK_TEXT_MAX] = "-";
	if (ms > 0) {
		clock_format(ms, text);
	}
	str_fmt_cut(out, CELL_SIZE, "%.*s", (int)strcspn(text, "."), text);
}

/* What a server calls itself is printed to a terminal. */
static void
put_name(char out[static CELL_SIZE], const char *text)
{
	str_fmt_cut(out, CELL_SIZE, "%s", text[0] != '\0' ? text : "-");
	for (char *c = out; *c != '\0'; c++) {
		if ((unsigned char)*c < ' ' || *c == 0x7f) {
			*c = '?';
		}
	}
}

static const char *
trust_word(const struct store_server *server)
{
	if (!server->trust_known) {
		return "unknown";
	}
	return server->trusted ? "yes" : "NO";
}

static void
fill_row(const struct server_item *item, struct row *row)
{
	const struct store_server *server = &item->server;
	size_t i = 0;
	put_name(row->cells[i++], server->cluster);
	put_name(row->cells[i++], server->name);
	put_name(row->cells[i++], server_state(server));
	put_time(row->cells[i++],
		server->missing_since > 0 ? server->missing_since : server->since);
	put_name(row->cells[i++], server->version);
	put_name(row->cells[i++], store_resolver_name(server->resolver));
	put_name(row->cells[i++], trust_word(server));
	put_name(row->cells[i++], server->checked ? "yes" : "not yet");
	str_fmt_cut(row->cells[i], CELL_SIZE, "%lld", (long long)item->foreign);
}

static void
widen(const struct row *row, size_t widths[static COLUMNS])
{
	for (size_t i = 0; i < COLUMNS; i++) {
		size_t len = str_utf8_length(row->cells[i], strlen(row->cells[i]));
		widths[i] = len > widths[i] ? len : widths[i];
	}
}

static void
print_row(const struct row *row, const size_t widths[static COLUMNS])
{
	for (size_t i = 0; i < COLUMNS; i++) {
		size_t len = str_utf8_length(row->cells[i], strlen(row->cells[i]));
		int pad = i + 1 < COLUMNS ? (int)(widths[i] - len) + 2 : 0;
		printf("%s%*s", row->cells[i], pad, "");
	}
	printf("\n");
}

static void
print_table(const struct server_list *list)
{
	struct row row;
	size_t widths[COLUMNS] = { 0 };
	widen(&titles, widths);
	for (size_t i = 0; i < list->len; i++) {
		fill_row(&list->items[i], &row);
		widen(&row, widths);
	}
	print_row(&titles, widths);
	for (size_t i = 0; i < list->len; i++) {
		fill_row(&list->items[i], &row);
		print_row(&row, widths);
	}
}

/* The table is what was last seen: that nobody looks is to be told. */
static void
print_standing(const struct server_list *list, bool served)
{
	int64_t newest = 0;
	bool is_watched = false;
	char text[CELL_SIZE];
	for (size_t i = 0; i < list->len; i++) {
		const struct store_server *server = &list->items[i].server;
		newest = server->last_seen > newest ? server->last_seen : newest;
		is_watched = is_watched || server_answers(server, list->now);
	}
	if (!served && newest == 0) {
		printf("\nnatsid is not running.\n");
	} else if (!served) {
		put_time(text, newest);
		printf("\nnatsid is not running. This is what it saw last, at %s or up "
		       "to a minute later.\n",
			text);
	} else if (!list->standing.connected) {
		put_time(text, list->standing.since);
		printf("\nnatsid is not connected to NATS since %s.%s\n", text,
			newest > 0 ? " This is what it saw last." : "");
	} else if (list->standing.words[0] != '\0') {
		put_time(text, list->standing.since);
		printf("\nSince %s: %s.\n", text, list->standing.words);
	} else if (!is_watched && newest > 0) {
		put_time(text, newest);
		printf("\nNo server was heard since %s.\n", text);
	}
}

/* One of them stops all pushing. */
static void
print_untrusting(const struct server_list *list)
{
	for (size_t i = 0; i < list->len; i++) {
		const struct store_server *server = &list->items[i].server;
		char name[CELL_SIZE];
		if (server->missing_since == 0 && server->trust_known &&
			!server->trusted) {
			put_name(name, server->name);
			printf("\n%s does not trust the operator's signing key, so "
			       "nothing is pushed to any server. Start it\nwith the "
			       "configuration of natsid export nats-conf "
			       "--server-name %s.\n",
				name, name);
		}
	}
}

enum exit_code
command_servers_list(const struct options *options)
{
	struct err err = { 0 };
	struct data_dir dir;
	struct server_list list = { 0 };
	enum exit_code code = EXIT_OK;
	if (command_open_data(options, &dir, &code) != 0) {
		return code;
	}
	if (service_servers(dir.service, &console, &list, &err) != 0) {
		code = command_failed(&err);
	} else if (list.len == 0) {
		printf("No server is known yet: natsid serve meets them.\n");
		print_standing(&list, data_dir_is_served(&dir));
	} else {
		print_table(&list);
		print_untrusting(&list);
		print_standing(&list, data_dir_is_served(&dir));
	}
	server_list_release(&list);
	data_dir_close(&dir);
	return code;
}

enum exit_code
command_servers_forget(const struct options *options)
{
	struct err err = { 0 };
	struct data_dir dir;
	enum exit_code code = EXIT_OK;
	if (options->positional_count != 1) {
		err_set(&err, ERR_INVALID,
			"servers forget: name one server; natsid servers list has them");
		return command_failed(&err);
	}
	if (command_open_data(options, &dir, &code) != 0) {
		return code;
	}
	if (service_server_forget(dir.service, &console, options->positional[0],
		    data_dir_is_served(&dir), &err) != 0) {
		code = command_failed(&err);
	} else {
		printf("Forgotten. Nothing waits for it any more; if it is there after "
		       "all, natsid meets it again, as a new one.\n");
	}
	data_dir_close(&dir);
	return code;
}
