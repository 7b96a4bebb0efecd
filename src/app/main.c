/* SPDX-License-Identifier: Apache-2.0
 * natsid: the identity control plane for NATS. */
#include "app/commands.h"

#include "base/str.h"
#include "json/json.h"

#include <malloc.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

static const struct command commands[] = {
	{ { "init", NULL }, "",
		"make a data directory with an operator and its system account",
		COMMAND_DATA_OPTIONS | OPTION_BIT(OPTION_OPERATOR), 0, command_init },
	{ { "serve", NULL }, "", "serve the API and keep the NATS servers up to date",
		COMMAND_SERVE_OPTIONS, 0, command_serve },
	{ { "superuser", "upsert" }, "EMAIL (PASSWORD | -)",
		"make a superuser or set its password; - reads it from standard input",
		COMMAND_DATA_OPTIONS, 2, command_superuser_upsert },
	{ { "export", "operator-jwt" }, "", "print the operator's JWT",
		COMMAND_DATA_OPTIONS | OPTION_BIT(OPTION_OUTPUT), 0,
		command_export_operator_jwt },
	{ { "export", "nats-conf" }, "",
		"print a complete configuration for a nats-server",
		COMMAND_DATA_OPTIONS | OPTION_BIT(OPTION_OUTPUT) |
			OPTION_BIT(OPTION_SERVER_NAME) | OPTION_BIT(OPTION_PORT) |
			OPTION_BIT(OPTION_JETSTREAM),
		0, command_export_nats_conf },
	{ { "operator", "export" }, "",
		"write the operator's seeds to a file that is to be kept offline",
		COMMAND_DATA_OPTIONS | OPTION_BIT(OPTION_OUTPUT) |
			OPTION_BIT(OPTION_SEEDS) | OPTION_BIT(OPTION_FORGET_IDENTITY),
		0, command_operator_export },
	{ { "operator", "rotate-signing-key" }, "",
		"begin a rotation of the operator's signing key, or take it further",
		COMMAND_DATA_OPTIONS | COMMAND_NATS_OPTIONS |
			OPTION_BIT(OPTION_IDENTITY) | OPTION_BIT(OPTION_WAIT) |
			OPTION_BIT(OPTION_WITHOUT) | OPTION_BIT(OPTION_ABORT),
		0, command_operator_rotate },
	{ { "operator", "set" }, "", "change what the operator's JWT says",
		COMMAND_DATA_OPTIONS | OPTION_BIT(OPTION_IDENTITY) |
			OPTION_BIT(OPTION_SERVICE_URLS) |
			OPTION_BIT(OPTION_ACCOUNT_SERVER_URL) |
			OPTION_BIT(OPTION_ASSERT_SERVER_VERSION) |
			OPTION_BIT(OPTION_STRICT_SIGNING_KEYS) | OPTION_BIT(OPTION_TAGS),
		0, command_operator_set },
	{ { "account", "quarantine" }, "",
		"list the accounts of which a server holds what natsid must not "
		"overwrite",
		COMMAND_DATA_OPTIONS, 0, command_account_quarantine },
	{ { "account", "adopt" }, "NAME|ID... | --all",
		"take revocations, a suspension and removals of signing keys over from "
		"the server's JWT, and push",
		COMMAND_DATA_OPTIONS | OPTION_BIT(OPTION_ALL), OPTION_POSITIONAL_MAX,
		command_account_adopt },
	{ { "account", "override" }, "NAME|ID... | --all",
		"push the account as it is here, and take nothing over",
		COMMAND_DATA_OPTIONS | OPTION_BIT(OPTION_ALL), OPTION_POSITIONAL_MAX,
		command_account_override },
	{ { "servers", "list" }, "", "list the NATS servers that are known",
		COMMAND_DATA_OPTIONS, 0, command_servers_list },
	{ { "servers", "forget" }, "(NAME | CLUSTER/NAME)",
		"forget a server that has gone for good", COMMAND_DATA_OPTIONS, 1,
		command_servers_forget },
	{ { "version", NULL }, "", "print the versions of natsid and its libraries", 0, 0,
		command_version },
};

enum { COMMAND_COUNT = sizeof(commands) / sizeof(commands[0]) };

/* Those whose first word is `group`; NULL: all. */
static void
print_commands(FILE *out, const char *group)
{
	fprintf(out, "natsid: the identity control plane for NATS\n\nusage:\n");
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		const struct command *c = &commands[i];
		char usage[64];
		if (group != NULL && !str_equal(group, c->words[0])) {
			continue;
		}
		str_fmt_cut(usage, sizeof(usage), "natsid %s%s%s%s%s", c->words[0],
			c->words[1] != NULL ? " " : "",
			c->words[1] != NULL ? c->words[1] : "",
			c->arguments[0] != '\0' ? " " : "", c->arguments);
		fprintf(out, "  %-44s %s\n", usage, c->help);
	}
	fprintf(out,
		"\nnatsid COMMAND --help tells its options. Exit codes: 0 done, 1 "
		"failed, "
		"2 wrong usage or\nconfiguration, 3 data directory or port in use, 4 "
		"database "
		"or master key unusable,\n5 waits for servers or accounts.\n");
}

static void
print_command(const struct command *c)
{
	printf("usage: natsid %s%s%s%s%s [OPTIONS]\n\n%s\n", c->words[0],
		c->words[1] != NULL ? " " : "", c->words[1] != NULL ? c->words[1] : "",
		c->arguments[0] != '\0' ? " " : "", c->arguments, c->help);
	if (c->options != 0) {
		printf("\noptions:\n");
		options_print(c->options);
	}
}

static const struct command *
find_command(int argc, char **argv, int *out_words)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		const struct command *c = &commands[i];
		bool first = argc > 1 && str_equal(argv[1], c->words[0]);
		bool second = c->words[1] == NULL ||
			(argc > 2 && str_equal(argv[2], c->words[1]));
		if (first && second) {
			*out_words = c->words[1] != NULL ? 2 : 1;
			return c;
		}
	}
	return NULL;
}

static bool
is_help(const char *word)
{
	return str_equal(word, "--help") || str_equal(word, "-h");
}

/* "superuser", "export": a first word that needs a second. */
static bool
is_group(const char *word)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		if (commands[i].words[1] != NULL &&
			str_equal(commands[i].words[0], word)) {
			return true;
		}
	}
	return false;
}

/* What there is, when that was asked for; else what is wrong with what was. */
static enum exit_code
no_command(int argc, char **argv)
{
	const char *first = argc > 1 ? argv[1] : "";
	const char *second = argc > 2 ? argv[2] : "";
	if (is_help(first) || str_equal(first, "help")) {
		print_commands(stdout, NULL);
		return EXIT_OK;
	}
	bool group = is_group(first);
	if (group && is_help(second)) {
		print_commands(stdout, first);
		return EXIT_OK;
	}
	if (group && second[0] != '\0') {
		fprintf(stderr, "natsid: unknown command \"%s %s\"\n\n", first, second);
	} else if (argc > 1 && !group) {
		fprintf(stderr, "natsid: unknown command \"%s\"\n\n", first);
	}
	print_commands(stderr, group ? first : NULL);
	return EXIT_USAGE;
}

/* Before anything else runs: what is written is the owner's alone, memory is never
 * dumped, threads share two arenas, a closed socket is an error code, and parsed
 * passwords do not stay in freed memory. */
static void
harden(void)
{
	struct rlimit no_core = { 0, 0 };
	umask(077);
	setrlimit(RLIMIT_CORE, &no_core);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	mallopt(M_ARENA_MAX, 2);
	signal(SIGPIPE, SIG_IGN);
	json_wipe_on_free();
}

int
main(int argc, char **argv)
{
	struct err err = { 0 };
	struct options options = { 0 };
	int words = 0;

	harden();
	const struct command *command = find_command(argc, argv, &words);
	if (command == NULL) {
		return (int)no_command(argc, argv);
	}
	if (sodium_init() < 0) {
		err_set(&err, ERR_INTERNAL, "libsodium cannot start");
		return (int)command_failed(&err);
	}
	enum exit_code code = EXIT_OK;
	if (options_read(argc - 1 - words, argv + 1 + words, command->options,
		    command->positionals, &options, &err) != 0) {
		command_failed(&err);
		fprintf(stderr, "Try: natsid %s%s%s --help\n", command->words[0],
			command->words[1] != NULL ? " " : "",
			command->words[1] != NULL ? command->words[1] : "");
		code = EXIT_USAGE;
	} else if (options.help) {
		print_command(command);
	} else {
		code = command->run(&options);
	}
	options_release(&options);
	return (int)code;
}
