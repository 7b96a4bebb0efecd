/* SPDX-License-Identifier: Apache-2.0 */
#include "app/commands.h"

#include "app/data_dir.h"
#include "base/array.h"
#include "base/clock.h"
#include "base/str.h"
#include "service/quarantine.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct actor console = { .kind = ACTOR_CONSOLE };

/* ---- listing ---- */

static void
print_date(const char *before, int64_t ms, const char *after)
{
	char text[CLOCK_TEXT_MAX];
	clock_format(ms, text);
	printf("%s%s%s", before, text, after);
}

static const char *
what_is_there(enum store_quarantine_cause cause)
{
	return cause == STORE_QUARANTINE_NEWER
		? "a JWT of this natsid that this database does not know: was it "
		  "restored?"
		: "a JWT that another hand made";
}

static int
print_account(void *ctx, const struct quarantined *account, struct err *err)
{
	size_t *count = ctx;
	(void)err; /* printing cannot fail */
	printf("%s%s%s\n", *count > 0 ? "\n" : "", account->name,
		account->deleted ? " (deleted here)" : "");
	printf("  id %s, key %s\n", account->id, account->key);
	printf("  %s: server %s has %s\n", store_quarantine_cause_name(account->cause),
		account->server[0] != '\0' ? account->server : "(one of several)",
		what_is_there(account->cause));
	if (account->iat != 0) {
		print_date("  dated ", account->iat * 1000, "");
		if (account->generation != 0) {
			printf(", generation %" PRId64 " (here: %" PRId64 ")",
				account->generation, account->generation_here);
		}
		printf("\n");
	}
	print_date("  found ", account->found_at, "\n");
	for (size_t i = 0; i < account->differences->len; i++) {
		printf("  - %s\n", account->differences->items[i]);
	}
	if (account->differences->len == 0) {
		printf("  - it says the same as ours\n");
	}
	(*count)++;
	return 0;
}

enum exit_code
command_account_quarantine(const struct options *options)
{
	struct err err = { 0 };
	struct data_dir dir;
	size_t count = 0;
	enum exit_code code = EXIT_OK;
	if (command_open_data(options, &dir, &code) != 0) {
		return code;
	}
	if (service_quarantine_list(dir.service, &console, print_account, &count, &err) !=
		0) {
		code = command_failed(&err);
	} else if (count == 0) {
		printf("No account is in quarantine.\n");
	} else {
		printf("\nnatsid account adopt NAME takes revocations and a suspension "
		       "over from the server's JWT,\nretires the signing keys that are "
		       "\"only here\" (all, where it lets nobody in; none, where\n"
		       "the cause is foreign), and pushes the account; all else is as "
		       "it is here.\n"
		       "natsid account override NAME pushes the account as it is here, "
		       "and takes nothing over: what\nthe keys \"only here\" signed is "
		       "good again.\n"
		       "Of several servers that hold different JWTs one is shown at a "
		       "time: choose for each.\n");
	}
	data_dir_close(&dir);
	return code;
}

/* ---- choosing ---- */

typedef int choose_fn(struct service *service, const struct actor *actor, const char *id,
	struct quarantine_choice *out, struct err *err);

static void
print_lost_keys(const struct quarantine_choice *choice)
{
	if (choice->keys_lost > 0) {
		printf("; %zu signing key%s that only the server's JWT had %s gone: who "
		       "got creds from %s needs new ones",
			choice->keys_lost, choice->keys_lost == 1 ? "" : "s",
			choice->keys_lost == 1 ? "is" : "are",
			choice->keys_lost == 1 ? "it" : "them");
	}
}

static void
print_retired_keys(const struct quarantine_choice *choice)
{
	size_t len = choice->retired.len;
	if (len > 0) {
		printf("; %zu signing key%s that the server's JWT does not have %s "
		       "retired: %" PRId64 " user%s new creds",
			len, len == 1 ? "" : "s", len == 1 ? "is" : "are",
			choice->retired_users,
			choice->retired_users == 1 ? " needs" : "s need");
	}
	print_lost_keys(choice);
	printf(".\n");
	for (size_t i = 0; i < len; i++) {
		printf("  retired: %s\n", choice->retired.items[i]);
	}
}

static void
print_choice(const char *name, const char *done, const struct quarantine_choice *choice)
{
	printf("%s %s", done, name);
	if (choice->suspended) {
		printf("; it is suspended now");
	}
	if (choice->revocations > 0) {
		printf("; %zu revocation%s taken over", choice->revocations,
			choice->revocations == 1 ? "" : "s");
	}
	if (choice->revoked_up_to != 0) {
		print_date("; there was no room for them, so all that was issued up to ",
			choice->revoked_up_to * 1000,
			" is refused: its users need new creds");
	}
	if (choice->iat_offset != 0) {
		printf("; its JWTs are dated %" PRId64 " s ahead of the clock",
			choice->iat_offset);
	}
	if (choice->keys_only_here > 0) {
		printf("; %zu signing key%s that the server's JWT does not have %s "
		       "trusted: retire what should not be",
			choice->keys_only_here, choice->keys_only_here == 1 ? "" : "s",
			choice->keys_only_here == 1 ? "is" : "are");
	}
	print_retired_keys(choice);
}

struct run {
	choose_fn *choose;
	const char *done;
	struct data_dir dir;
	size_t chosen; /* accounts */
};

static int
choose_one(struct run *run, const char *text)
{
	struct err err = { 0 };
	struct quarantine_choice choice;
	char id[RAND_ID_SIZE];
	struct service *service = run->dir.service;
	if (service_quarantine_find(service, &console, text, id, &err) != 0 ||
		run->choose(service, &console, id, &choice, &err) != 0) {
		fprintf(stderr, "natsid: %s: %s\n", text, err.msg);
		return -1;
	}
	print_choice(text, run->done, &choice);
	quarantine_choice_release(&choice);
	run->chosen++;
	return 0;
}

struct ids {
	char (*items)[RAND_ID_SIZE];
	size_t len;
};

static int
note_id(void *ctx, const struct quarantined *account, struct err *err)
{
	struct ids *ids = ctx;
	char(*grown)[RAND_ID_SIZE] =
		array_grow(ids->items, ids->len, sizeof(*ids->items), err);
	if (grown == NULL) {
		return -1;
	}
	ids->items = grown;
	memcpy(ids->items[ids->len++], account->id, RAND_ID_SIZE);
	return 0;
}

/* Each for itself: one that fails does not keep the others. */
static enum exit_code
choose_all(struct run *run)
{
	struct err err = { 0 };
	struct ids ids = { 0 };
	enum exit_code code = EXIT_OK;
	if (service_quarantine_list(run->dir.service, &console, note_id, &ids, &err) !=
		0) {
		free(ids.items);
		return command_failed(&err);
	}
	if (ids.len == 0) {
		printf("No account is in quarantine.\n");
	}
	for (size_t i = 0; i < ids.len; i++) {
		if (choose_one(run, ids.items[i]) != 0) {
			code = EXIT_FAILED;
		}
	}
	free(ids.items);
	return code;
}

static enum exit_code
run_choices(const struct options *options, struct run *run)
{
	struct err err = { 0 };
	enum exit_code code = EXIT_OK;
	bool all = options->values[OPTION_ALL] != NULL;
	if (all == (options->positional_count > 0)) {
		err_set(&err, ERR_INVALID,
			"say which accounts, or --all for all that are in quarantine");
		return command_failed(&err);
	}
	if (command_open_data(options, &run->dir, &code) != 0) {
		return code;
	}
	if (all) {
		code = choose_all(run);
	}
	for (size_t i = 0; i < options->positional_count; i++) {
		if (choose_one(run, options->positional[i]) != 0) {
			code = EXIT_FAILED;
		}
	}
	data_dir_close(&run->dir);
	return code;
}

enum exit_code
command_account_adopt(const struct options *options)
{
	struct run run = { .choose = service_account_adopt, .done = "Adopted" };
	return run_choices(options, &run);
}

enum exit_code
command_account_override(const struct options *options)
{
	struct run run = { .choose = service_account_override, .done = "Overrode" };
	enum exit_code code = run_choices(options, &run);
	if (run.chosen > 0) {
		printf("If a server shows yet another JWT that is not to be overwritten "
		       "unasked, the account is\nin quarantine again (natsid account "
		       "quarantine): choose once more.\n");
	}
	return code;
}
