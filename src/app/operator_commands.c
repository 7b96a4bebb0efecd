/* SPDX-License-Identifier: Apache-2.0 */
#include "app/commands.h"

#include "app/data_dir.h"
#include "app/nats_options.h"
#include "app/seed_file.h"
#include "app/trust.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "service/operator_keys.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

enum {
	SEEDS_MAX = 64 * 1024,
	WAIT_MAX_S = 7 * 24 * 60 * 60,
	POLL_MS = 500,
	UNPROVEN_SHOWN = 10
};

static const struct actor console = { .kind = ACTOR_CONSOLE };

/* With --identity -: the text on standard input; else *out_text is NULL. */
static int
read_identity(const struct options *options, struct buf *text,
	const struct buf **out_text, struct err *err)
{
	const char *value = options->values[OPTION_IDENTITY];
	*out_text = NULL;
	if (value == NULL) {
		return 0;
	}
	if (!str_equal(value, "-")) {
		return err_set(err, ERR_INVALID,
			"--identity takes -, for the seed on standard input: a command "
			"line is no place for it");
	}
	if (seed_file_read_stdin(text, err) != 0) {
		return -1;
	}
	*out_text = text;
	return 0;
}

/* ---- export ---- */

/* What is deleted may live on in old pages: worth a warning, but the deed is done. */
static void
scrub(struct data_dir *dir, bool rewrite)
{
	struct err err = { 0 };
	if (service_operator_scrub(dir->service, rewrite, &err) != 0) {
		fprintf(stderr,
			"natsid: warning: old pages of the database may still hold the "
			"seed that was destroyed, sealed: %s\n",
			err.msg);
	}
}

static int
forget_identity(struct data_dir *dir, const char *path, struct err *err)
{
	struct buf written;
	buf_init_secret(&written, SEEDS_MAX);
	/* From the file, not from memory: what counts is what is kept. */
	int rc = seed_file_read(path, &written, err);
	if (rc == 0) {
		rc = service_operator_forget(dir->service, &console, &written, err);
	}
	buf_release(&written);
	if (rc == 0) {
		scrub(dir, true);
	}
	return rc;
}

static int
export_seeds(const struct options *options, struct data_dir *dir, struct err *err)
{
	const char *path = options->values[OPTION_OUTPUT];
	struct buf seeds;
	bool forget = options->values[OPTION_FORGET_IDENTITY] != NULL;
	buf_init_secret(&seeds, SEEDS_MAX);
	int rc = service_operator_seeds(dir->service, &console, &seeds, err);
	if (rc == 0) {
		rc = path != NULL ? seed_file_write(path, &seeds, err)
				  : seed_file_write_stdout(&seeds, err);
	}
	buf_release(&seeds);
	if (rc == 0 && path != NULL) {
		printf("Wrote the seeds of the operator to %s. Who has them owns the "
		       "whole system: keep the file offline.\n",
			path);
	}
	if (rc == 0 && forget) {
		rc = forget_identity(dir, path, err);
	}
	if (rc == 0 && forget) {
		printf("The identity's seed is no longer in %s. That file is the only "
		       "copy: without it the operator's JWT can never change again.\n",
			dir->path);
	}
	return rc;
}

static int
check_export(const struct options *options, struct err *err)
{
	const char *path = options->values[OPTION_OUTPUT];
	if (options->values[OPTION_SEEDS] == NULL) {
		return err_set(err, ERR_INVALID,
			"operator export writes seeds: say so with --seeds (the public "
			"JWT is natsid export operator-jwt)");
	}
	if (options->values[OPTION_FORGET_IDENTITY] != NULL && path == NULL) {
		return err_set(err, ERR_INVALID,
			"--forget-identity needs --output FILE: the seed is destroyed "
			"only when it is safely written");
	}
	return path != NULL ? seed_file_check(path, err) : seed_file_check_stdout(err);
}

enum exit_code
command_operator_export(const struct options *options)
{
	struct err err = { 0 };
	struct data_dir dir;
	enum exit_code code = EXIT_OK;
	if (check_export(options, &err) != 0) {
		return command_failed(&err);
	}
	if (command_open_data(options, &dir, &code) != 0) {
		return code;
	}
	if (export_seeds(options, &dir, &err) != 0) {
		code = command_failed(&err);
	}
	data_dir_close(&dir);
	return code;
}

/* ---- rotate-signing-key ---- */

struct rotate {
	const struct options *options;
	struct nats_options nats;
	struct data_dir dir;
	struct probe *probe; /* NULL until somebody asks the servers */
	struct buf text;
	const struct buf *identity; /* NULL, or text */
	struct strlist without;
	int64_t deadline; /* on the monotonic clock */
	bool waits; /* --wait was given */
	bool progress; /* this run completed a step */
	char said[1024]; /* what it waits for, as said last */
};

static void
say_wait(struct rotate *rotate, const char *text)
{
	if (!str_equal(rotate->said, text)) {
		str_fmt_cut(rotate->said, sizeof(rotate->said), "%s", text);
		fputs(text, stdout);
		fflush(stdout);
	}
}

/* One step is done: from here on the person at the console may have something to do. */
static void
say_done(struct rotate *rotate)
{
	rotate->progress = true;
	rotate->said[0] = '\0';
	fflush(stdout);
}

/* Asks all servers for the key; 1 they trust it, 0 not yet, and that was said. */
static int
check_trust(struct rotate *rotate, const char *key, const char *what, size_t *out_servers,
	struct err *err)
{
	struct trust_result result = { 0 };
	struct err why = { 0 };
	char text[sizeof(rotate->said)];
	struct trust_params params = {
		.service = rotate->dir.service,
		.key = key,
		.without = &rotate->without,
	};
	if (rotate->probe == NULL &&
		probe_open(rotate->dir.service, &rotate->nats, &rotate->probe, err) !=
			0) {
		return -1;
	}
	params.probe = rotate->probe;
	int rc = trust_ask(&params, &result, &why);
	if (rc != 0 && why.code != ERR_UNAVAILABLE) {
		*err = why;
	} else if (rc != 0) {
		str_fmt_cut(text, sizeof(text),
			"Whether the servers trust %s cannot be told: %s\n", key,
			why.msg);
		say_wait(rotate, text);
		rc = 0;
	} else if (!result.all) {
		str_fmt_cut(text, sizeof(text), "%s waits for servers to trust %s:\n%s",
			what, key, result.why.data);
		say_wait(rotate, text);
	} else {
		*out_servers = result.servers;
		rc = 1;
	}
	trust_result_release(&result);
	return rc;
}

static int
add_key(struct rotate *rotate, struct err *err)
{
	struct rotation state;
	if (service_rotation_add(rotate->dir.service, &console, rotate->identity, err) !=
			0 ||
		service_rotation(rotate->dir.service, &console, &state, err) != 0) {
		return -1;
	}
	printf("Added the signing key %s to the operator's JWT. It does not sign yet.\n"
	       "Next: export the JWT again (natsid export operator-jwt, or nats-conf) to "
	       "every server,\nrestart the servers one by one, and run this command "
	       "again.\n",
		state.next_key);
	say_done(rotate);
	return 1;
}

static int
switch_key(struct rotate *rotate, const struct rotation *state, struct err *err)
{
	size_t servers = 0;
	int rc = check_trust(rotate, state->next_key, "The switch", &servers, err);
	if (rc <= 0) {
		return rc;
	}
	if (service_rotation_switch(rotate->dir.service, &console, err) != 0) {
		return -1;
	}
	printf("%zu server%s trust %s: it signs from now on.\n"
	       "natsid serve mints all accounts anew and pushes them; nobody is cut.\n",
		servers, servers == 1 ? "" : "s", state->next_key);
	say_done(rotate);
	return 1;
}

static int
put_unproven(void *ctx, const struct store_unproven *account, struct err *err)
{
	struct buf *text = ctx;
	(void)err;
	buf_put_str(text, "  ");
	buf_put_str(text, account->name);
	buf_put_str(text, ": ");
	buf_put_str(text, account->state);
	if (account->message[0] != '\0') {
		buf_put_str(text, ": ");
		buf_put_str(text, account->message);
	}
	buf_put_char(text, '\n');
	return 0;
}

static int
say_unproven(struct rotate *rotate, const struct rotation *state, struct err *err)
{
	struct buf text;
	buf_init(&text, SEEDS_MAX);
	buf_put_str(&text,
		"The old key stays until these accounts are proven with the "
		"new one (natsid serve does that), of which there are ");
	buf_put_int(&text, state->unproven);
	buf_put_str(&text, ":\n");
	int rc = service_rotation_unproven(
		rotate->dir.service, &console, UNPROVEN_SHOWN, put_unproven, &text, err);
	if (rc == 0) {
		rc = buf_finish(&text, err);
	}
	if (rc == 0) {
		say_wait(rotate, text.data);
	}
	buf_release(&text);
	return rc;
}

/* The old key is destroyed for good, so the servers are asked once more: one that came
 * back with an old JWT does not trust what signs now. */
static int
remove_key(struct rotate *rotate, const struct rotation *state, struct err *err)
{
	size_t servers = 0;
	if (state->unproven > 0) {
		return say_unproven(rotate, state, err);
	}
	int rc = check_trust(rotate, state->signing_key, "The end", &servers, err);
	if (rc <= 0) {
		return rc;
	}
	if (service_rotation_remove(
		    rotate->dir.service, &console, rotate->identity, err) != 0) {
		return -1;
	}
	scrub(&rotate->dir, false);
	printf("The rotation is finished: every account is proven with %s, and the seed "
	       "of the old key %s is destroyed.\n"
	       "Next: export the operator's JWT again to every server; the restarts have "
	       "time. Until then the servers trust the old key as well, which nobody has "
	       "any more.\n",
		state->signing_key, state->old_key);
	say_done(rotate);
	return 1;
}

/* One step, as far as it can be made now: 1 made, 0 it waits. *out_end: that was the
 * last. */
static int
next_step(struct rotate *rotate, bool *out_end, struct err *err)
{
	struct rotation state;
	int rc = -1;
	if (service_rotation(rotate->dir.service, &console, &state, err) != 0) {
		return -1;
	}
	switch (state.phase) {
	case ROTATION_NONE:
		return add_key(rotate, err);
	case ROTATION_ADDED:
		return switch_key(rotate, &state, err);
	case ROTATION_SWITCHED:
		rc = remove_key(rotate, &state, err);
		*out_end = rc == 1;
		break;
	}
	return rc;
}

static enum exit_code
run_rotation(struct rotate *rotate)
{
	struct err err = { 0 };
	bool end = false;
	while (!end) {
		int rc = next_step(rotate, &end, &err);
		if (rc < 0) {
			return command_failed(&err);
		}
		if (rc == 0 && clock_mono_ms(&clock_system) >= rotate->deadline) {
			/* Who waits wants the end; who does not has made a step. */
			return rotate->progress && !rotate->waits ? EXIT_OK : EXIT_WAITS;
		}
		if (rc == 0) {
			poll(NULL, 0, POLL_MS);
		}
	}
	return EXIT_OK;
}

static enum exit_code
run_abort(struct rotate *rotate)
{
	struct err err = { 0 };
	if (service_rotation_abort(
		    rotate->dir.service, &console, rotate->identity, &err) != 0) {
		return command_failed(&err);
	}
	scrub(&rotate->dir, false);
	printf("The rotation is aborted and the new key's seed destroyed.\n"
	       "Next: export the operator's JWT again to servers that got the new one; "
	       "the restarts have time.\n");
	return EXIT_OK;
}

static int
read_rotate(struct rotate *rotate, struct err *err)
{
	int64_t seconds = 0;
	const char *wait = rotate->options->values[OPTION_WAIT];
	const char *without = rotate->options->values[OPTION_WITHOUT];
	if (wait != NULL && str_to_int(wait, 0, WAIT_MAX_S, &seconds) != 0) {
		return err_set(err, ERR_INVALID,
			"--wait \"%s\": not a number of seconds (0 to %d)", wait,
			WAIT_MAX_S);
	}
	/* What goes wrong with the connection is told in the command's own words. */
	if (log_set_level("error") != 0) {
		return err_set(err, ERR_INTERNAL, "the log has no such level");
	}
	rotate->waits = wait != NULL;
	rotate->deadline = clock_mono_ms(&clock_system) + seconds * 1000;
	if (options_split_list(without != NULL ? without : "", &rotate->without, err) !=
		0) {
		return err_prefix(err, "--without");
	}
	return read_identity(rotate->options, &rotate->text, &rotate->identity, err);
}

enum exit_code
command_operator_rotate(const struct options *options)
{
	struct err err = { 0 };
	struct rotate rotate = { .options = options };
	enum exit_code code = EXIT_OK;
	buf_init_secret(&rotate.text, SEEDS_MAX);
	if (read_rotate(&rotate, &err) != 0 ||
		nats_options_read(options, &rotate.nats, &err) != 0) {
		code = command_failed(&err);
	} else if (command_open_data(options, &rotate.dir, &code) == 0) {
		code = options->values[OPTION_ABORT] != NULL ? run_abort(&rotate)
							     : run_rotation(&rotate);
		probe_close(rotate.probe);
		data_dir_close(&rotate.dir);
	}
	nats_options_release(&rotate.nats);
	strlist_release(&rotate.without);
	buf_release(&rotate.text);
	return code;
}

/* ---- set ---- */

struct set {
	struct operator_change change;
	struct strlist urls;
	struct strlist tags;
	bool strict;
	struct buf text;
	const struct buf *identity;
};

static int
read_list(const struct options *options, enum option_id id, struct strlist *list,
	const struct strlist **out, struct err *err)
{
	const char *text = options->values[id];
	if (text == NULL) {
		return 0;
	}
	*out = list;
	return options_split_list(text, list, err);
}

static int
read_strict(const char *text, struct set *set, struct err *err)
{
	if (text == NULL) {
		return 0;
	}
	set->strict = str_equal(text, "on");
	set->change.strict_signing_key_usage = &set->strict;
	return set->strict || str_equal(text, "off")
		? 0
		: err_set(err, ERR_INVALID, "--strict-signing-keys \"%s\": on or off",
			  text);
}

static int
read_set(const struct options *options, struct set *set, struct err *err)
{
	struct operator_change *change = &set->change;
	change->account_server_url = options->values[OPTION_ACCOUNT_SERVER_URL];
	change->assert_server_version = options->values[OPTION_ASSERT_SERVER_VERSION];
	if (read_list(options, OPTION_SERVICE_URLS, &set->urls, &change->service_urls,
		    err) != 0 ||
		read_list(options, OPTION_TAGS, &set->tags, &change->tags, err) != 0 ||
		read_strict(options->values[OPTION_STRICT_SIGNING_KEYS], set, err) != 0) {
		return -1;
	}
	if (change->service_urls == NULL && change->tags == NULL &&
		change->account_server_url == NULL &&
		change->assert_server_version == NULL &&
		change->strict_signing_key_usage == NULL) {
		return err_set(err, ERR_INVALID,
			"operator set: say what; natsid operator set --help lists it");
	}
	return read_identity(options, &set->text, &set->identity, err);
}

enum exit_code
command_operator_set(const struct options *options)
{
	struct err err = { 0 };
	struct data_dir dir;
	struct set set = { 0 };
	enum exit_code code = EXIT_OK;
	buf_init_secret(&set.text, SEEDS_MAX);
	if (read_set(options, &set, &err) != 0) {
		code = command_failed(&err);
	} else if (command_open_data(options, &dir, &code) == 0) {
		if (service_operator_set(dir.service, &console, &set.change, set.identity,
			    &err) != 0) {
			code = command_failed(&err);
		} else {
			printf("The operator has a new JWT.\n"
			       "Next: export it again to every server; the restarts have "
			       "time.\n");
		}
		data_dir_close(&dir);
	}
	strlist_release(&set.urls);
	strlist_release(&set.tags);
	buf_release(&set.text);
	return code;
}
