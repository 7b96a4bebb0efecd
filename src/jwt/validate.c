/* SPDX-License-Identifier: Apache-2.0 */
#include "jwt/validate.h"

#include "base/nkey_text.h"
#include "base/str.h"
#include "jwt/decode.h"
#include "jwt/mapping.h"
#include "jwt/roles.h"
#include "model/subject.h"
#include "model/template.h"
#include "model/url.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Older servers cut these limits to 32 bits. */
static const int64_t limit_max = INT32_MAX;

enum { INFO_MAX = 8192, SAMPLING_MAX = 100, TIER_MAX = 5 };

/* ---- issues ---- */

enum severity { WARNING, BLOCKING, TIME };

static void report(struct jwt_issues *out, enum severity severity, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

static void
report(struct jwt_issues *out, enum severity severity, const char *fmt, ...)
{
	switch (severity) {
	case WARNING:
		out->warnings++;
		break;
	case BLOCKING:
		out->blocking++;
		break;
	case TIME:
		out->time++;
		break;
	}
	if (out->len == JWT_ISSUES_MAX) {
		return;
	}
	struct jwt_issue *issue = &out->items[out->len++];
	issue->blocking = severity != WARNING;
	issue->time = severity == TIME;
	va_list args;
	va_start(args, fmt);
	str_vfmt_cut(issue->text, sizeof(issue->text), fmt, args);
	va_end(args);
}

#define block(out, ...) report((out), BLOCKING, __VA_ARGS__)

const char *
jwt_issues_find_blocking(const struct jwt_issues *issues, bool include_time)
{
	for (size_t i = 0; i < issues->len; i++) {
		const struct jwt_issue *issue = &issues->items[i];
		if (issue->blocking && (include_time || !issue->time)) {
			return issue->text;
		}
	}
	/* It may be among those that were only counted. */
	if (issues->blocking > 0 || (include_time && issues->time > 0)) {
		return "the claims have more faults than are listed";
	}
	return NULL;
}

/* ---- small checks ---- */

static bool
is_set(const char *text)
{
	return text != NULL && text[0] != '\0';
}

static const char *
shown(const char *text)
{
	return text != NULL ? text : "";
}

static bool
is_key(enum nkey_role role, const char *text)
{
	struct nkey_public key;
	return text != NULL &&
		nkey_text_decode(role, text, strlen(text), &key, NULL) == 0;
}

static void
check_key(struct jwt_issues *out, const char *what, enum nkey_role role, const char *text)
{
	if (!is_key(role, text)) {
		block(out, "%s: \"%s\" is not the public key of role %s", what,
			shown(text), nkey_role_name(role));
	}
}

static void
check_opt_key(
	struct jwt_issues *out, const char *what, enum nkey_role role, const char *text)
{
	if (is_set(text)) {
		check_key(out, what, role, text);
	}
}

static bool
check_subject(struct jwt_issues *out, const char *what, const char *subject)
{
	struct err err = { 0 };
	if (subject_check(shown(subject), &err) != 0) {
		block(out, "%s: subject \"%s\": %s", what, shown(subject), err.msg);
		return false;
	}
	return true;
}

static void
check_limit(struct jwt_issues *out, const char *what, int64_t value)
{
	if (value > limit_max) {
		block(out, "%s: over %lld, which older servers cut off", what,
			(long long)limit_max);
	}
}

/* ---- URLs ---- */

struct url {
	size_t scheme_len;
	const char *host; /* after "://", NULL without one */
	size_t host_len;
	const char *rest; /* path, query and fragment */
	bool has_user;
};

static bool
is_scheme_char(char c, bool first)
{
	c = str_lower(c);
	return (c >= 'a' && c <= 'z') ||
		(!first && ((c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.'));
}

/* As much of a URL as the rules need; -1 when it has no scheme or blanks in it, or is
 * malformed. */
static int
split_url(const char *text, struct url *out)
{
	struct url url = { 0 };
	for (const char *p = text; *p != '\0'; p++) {
		if ((unsigned char)*p <= ' ' || *p == 0x7f) {
			return -1;
		}
	}
	while (is_scheme_char(text[url.scheme_len], url.scheme_len == 0)) {
		url.scheme_len++;
	}
	if (url.scheme_len == 0 || text[url.scheme_len] != ':' ||
		!url_is_well_formed(text)) {
		return -1;
	}
	url.rest = text + url.scheme_len + 1;
	if (str_starts_with(url.rest, "//")) {
		const char *authority = url.rest + 2;
		size_t len = strcspn(authority, "/?#");
		const char *at = memchr(authority, '@', len);
		url.has_user = at != NULL;
		url.host = at != NULL ? at + 1 : authority;
		url.host_len = len - (size_t)(url.host - authority);
		url.rest = authority + len;
		if (url.host_len > 0 && url.host[0] == ':') {
			url.host_len = 0; /* a port alone */
		}
	}
	*out = url;
	return 0;
}

static bool
scheme_is(const char *text, const struct url *url, const char *scheme)
{
	for (size_t i = 0; i < url->scheme_len; i++) {
		if (str_lower(text[i]) != scheme[i]) {
			return false;
		}
	}
	return scheme[url->scheme_len] == '\0';
}

static void
check_service_url(struct jwt_issues *out, const char *text)
{
	struct url url;
	if (!is_set(text)) {
		return;
	}
	if (split_url(text, &url) != 0 || url.host_len == 0) {
		block(out, "operator_service_urls: \"%s\" is not a URL", text);
		return;
	}
	if (!scheme_is(text, &url, "nats") && !scheme_is(text, &url, "tls") &&
		!scheme_is(text, &url, "ws") && !scheme_is(text, &url, "wss")) {
		block(out, "operator_service_urls: \"%s\" is not of nats, tls, ws or wss",
			text);
	}
	if (url.has_user) {
		/* Not repeated: there may be a password in it. */
		block(out,
			"operator_service_urls: credentials in a URL are not supported");
	} else if (url.rest[0] != '\0') {
		block(out, "operator_service_urls: \"%s\" has a path", text);
	}
}

static void
check_info(struct jwt_issues *out, const char *what, const char *description,
	const char *info_url)
{
	struct url url;
	if (strlen(shown(description)) > INFO_MAX) {
		block(out, "%s: the description is over %d bytes", what, INFO_MAX);
	}
	if (!is_set(info_url)) {
		return;
	}
	if (strlen(info_url) > INFO_MAX) {
		block(out, "%s: the info_url is over %d bytes", what, INFO_MAX);
	} else if (split_url(info_url, &url) != 0 || url.host_len == 0) {
		block(out, "%s: the info_url has no scheme or no host", what);
	}
}

/* ---- permissions ---- */

static void
check_entry(struct jwt_issues *out, const char *what, const char *entry, bool queues)
{
	struct err err = { 0 };
	int rc = queues ? subject_check_queue(entry, &err) : subject_check(entry, &err);
	if (rc != 0) {
		block(out, "%s: \"%s\": %s", what, entry, err.msg);
	}
}

/* Servers fill in templates for the users of scopes only; elsewhere a deny with one would
 * deny nothing that anyone uses. */
static void
check_plain_list(
	struct jwt_issues *out, const char *what, const struct strlist *list, bool queues)
{
	for (size_t i = 0; i < list->len; i++) {
		check_entry(out, what, list->items[i], queues);
		if (template_is_in(list->items[i])) {
			block(out, "%s: \"%s\": templates work in scopes only", what,
				list->items[i]);
		}
	}
}

static void
check_template_entry(
	struct jwt_issues *out, const char *what, const char *entry, bool queues)
{
	struct err err = { 0 };
	int rc = template_check(entry, &err);
	if (rc == 0 && !queues) {
		rc = subject_check(entry, &err);
	}
	if (rc != 0) {
		block(out, "%s: \"%s\": %s", what, entry, err.msg);
	}
}

static void
check_template_list(
	struct jwt_issues *out, const char *what, const struct strlist *list, bool queues)
{
	struct err err = { 0 };
	for (size_t i = 0; i < list->len; i++) {
		check_template_entry(out, what, list->items[i], queues);
	}
	if (queues && template_check_list(list, &err) != 0) {
		block(out, "%s: %s", what, err.msg);
	}
}

typedef void check_list(struct jwt_issues *out, const char *what,
	const struct strlist *list, bool queues);

static void
check_lists(struct jwt_issues *out, const struct jwt_permissions *permissions,
	check_list *check)
{
	check(out, "pub.allow", &permissions->pub.allow, false);
	check(out, "pub.deny", &permissions->pub.deny, false);
	check(out, "sub.allow", &permissions->sub.allow, true);
	check(out, "sub.deny", &permissions->sub.deny, true);
}

/* ---- limits of users ---- */

static bool
is_network(const char *text)
{
	char host[INET6_ADDRSTRLEN];
	uint8_t bytes[16];
	int64_t bits = 0;
	const char *slash = strchr(text, '/');
	if (slash == NULL || (size_t)(slash - text) >= sizeof(host)) {
		return false;
	}
	memcpy(host, text, (size_t)(slash - text));
	host[slash - text] = '\0';
	bool v6 = strchr(host, ':') != NULL;
	return inet_pton(v6 ? AF_INET6 : AF_INET, host, bytes) == 1 && slash[1] != '-' &&
		strlen(slash + 1) <= 3 &&
		str_to_int(slash + 1, 0, v6 ? 128 : 32, &bits) == 0;
}

static bool
is_time_of_day(const char *text)
{
	static const char form[] = "29:59:59";
	if (text == NULL || strlen(text) != sizeof(form) - 1) {
		return false;
	}
	for (size_t i = 0; i < sizeof(form) - 1; i++) {
		if (form[i] == ':' ? text[i] != ':'
				   : text[i] < '0' || text[i] > form[i]) {
			return false;
		}
	}
	return text[0] != '2' || text[1] <= '3';
}

int
jwt_validate_time_range(const struct jwt_time_range *range, struct err *err)
{
	const char *bad = !is_time_of_day(range->start) ? "start"
		: !is_time_of_day(range->end)           ? "end"
							: NULL;
	if (bad != NULL) {
		return err_set(err, ERR_INVALID,
			"\"%s\" is not a time of day such as 08:00:00", bad);
	}
	if (str_equal(range->start, range->end)) {
		return err_set(err, ERR_INVALID,
			"start and end are equal, and servers would let nobody in; "
			"for the whole day leave the time windows out");
	}
	return 0;
}

/* There are folders, and files of other kinds, beside the zones. */
static bool
is_zone_file(const char *path)
{
	static const char magic[] = { 'T', 'Z', 'i', 'f' };
	char start[sizeof(magic)];
	FILE *file = fopen(path, "re");
	if (file == NULL) {
		return false;
	}
	size_t n = fread(start, 1, sizeof(start), file);
	fclose(file);
	return n == sizeof(start) && memcmp(start, magic, sizeof(magic)) == 0;
}

/* A name of the time zone database. Where the host has that, it says whether the zone
 * exists: of a wrong one servers refuse each connection. */
static bool
is_time_zone(const char *name)
{
	static const char folder[] = "/usr/share/zoneinfo";
	char path[128];
	for (const char *p = name; *p != '\0'; p++) {
		char c = str_lower(*p);
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
			    strchr("_+-/", c) != NULL)) {
			return false;
		}
	}
	if (name[0] == '/' || str_fmt(path, sizeof(path), "%s/%s", folder, name) != 0) {
		return false;
	}
	return access(folder, R_OK) != 0 || is_zone_file(path);
}

static void
check_connection_types(struct jwt_issues *out, const struct strlist *types)
{
	static const char *const known[] = { "STANDARD", "WEBSOCKET", "LEAFNODE",
		"LEAFNODE_WS", "MQTT", "MQTT_WS", "IN_PROCESS" };
	size_t unknown = 0;
	for (size_t i = 0; i < types->len; i++) {
		bool found = false;
		for (size_t j = 0; j < sizeof(known) / sizeof(known[0]); j++) {
			found = found || str_equal_nocase(types->items[i], known[j]);
		}
		if (!found) {
			unknown++;
			report(out, WARNING,
				"allowed_connection_types: \"%s\" is not known",
				types->items[i]);
		}
	}
	if (unknown > 0 && unknown == types->len) {
		block(out,
			"allowed_connection_types: none is known, and servers would "
			"let nobody in");
	}
}

static void
check_user_limits(struct jwt_issues *out, const struct jwt_user_limits *limits)
{
	for (size_t i = 0; i < limits->src.len; i++) {
		if (!is_network(limits->src.items[i])) {
			block(out, "src: \"%s\" is not a network such as 10.0.0.0/8",
				limits->src.items[i]);
		}
	}
	for (size_t i = 0; i < limits->times_len; i++) {
		struct err err = { 0 };
		if (jwt_validate_time_range(&limits->times[i], &err) != 0) {
			block(out, "times: range %zu: %s", i + 1, err.msg);
		}
	}
	if (is_set(limits->times_location) && !is_time_zone(limits->times_location)) {
		block(out, "times_location: \"%s\" is not a time zone",
			limits->times_location);
	}
	check_limit(out, "subs", limits->subs);
	check_limit(out, "payload", limits->payload);
	check_connection_types(out, &limits->allowed_connection_types);
}

/* ---- imports ---- */

static bool
ends_in_rest(const char *subject)
{
	size_t len = strlen(subject);
	return str_equal(subject, ">") || (len > 2 && str_equal(subject + len - 2, ".>"));
}

/* The local subject may reorder the stars of the imported one ("$2.$1"), and must use
 * them all. */
static void
check_local_subject(
	struct jwt_issues *out, const char *what, const char *local, const char *subject)
{
	if (!check_subject(out, what, local)) {
		return;
	}
	if (ends_in_rest(local) != ends_in_rest(subject)) {
		block(out, "%s: both of subject and local_subject end in \">\", or none",
			what);
	}
	int64_t stars = (int64_t)subject_count_stars(subject);
	int64_t used = 0;
	for (const char *token = local; token != NULL;) {
		size_t len = strcspn(token, ".");
		int64_t n = 0;
		bool reference = jwt_mapping_is_reference(token, len, &n);
		if (reference && (n < 1 || n > stars)) {
			block(out, "%s: %.*s, but the subject has %lld wildcards", what,
				len > 20 ? 20 : (int)len, token, (long long)stars);
		}
		used += reference || (len == 1 && token[0] == '*') ? 1 : 0;
		token = token[len] == '.' ? token + len + 1 : NULL;
	}
	if (used != stars) {
		block(out, "%s: local_subject uses %lld of %lld wildcards of the subject",
			what, (long long)used, (long long)stars);
	}
}

static void
check_activation_claims(struct jwt_issues *out, const char *what,
	const struct jwt_import *import, const struct jwt_claims *claims,
	const char *account)
{
	const struct jwt_activation *activation = &claims->as.activation;
	const char *subject = shown(import->subject);
	if (!str_equal(shown(claims->iss), shown(import->account)) &&
		!str_equal(shown(activation->issuer_account), shown(import->account))) {
		block(out, "%s: the activation is of another account", what);
	}
	if (!str_equal(shown(claims->sub), shown(account))) {
		block(out, "%s: the activation is for another account", what);
	}
	if (activation->kind != import->type) {
		block(out, "%s: the activation is of another type", what);
	}
	check_opt_key(out, "issuer_account of the activation", NKEY_ACCOUNT,
		activation->issuer_account);
	if (import->type == JWT_EXPORT_SERVICE && is_set(import->to)) {
		subject = import->to;
	}
	if (!subject_is_valid(shown(activation->subject)) || !subject_is_valid(subject) ||
		!subject_contains(activation->subject, subject)) {
		block(out, "%s: the activation does not cover the subject", what);
	}
}

static void
check_token(struct jwt_issues *out, const char *what, const struct jwt_import *import,
	const char *account)
{
	struct jwt_claims claims = { 0 };
	struct err err = { 0 };
	if (jwt_decode(import->token, strlen(import->token), &claims, &err) != 0) {
		block(out, "%s: the activation token is invalid: %s", what, err.msg);
	} else if (claims.type != JWT_ACTIVATION) {
		block(out, "%s: the token is not an activation", what);
	} else {
		check_activation_claims(out, what, import, &claims, account);
	}
	jwt_claims_release(&claims);
}

static void
check_import(struct jwt_issues *out, const char *what, const struct jwt_import *import,
	const char *account)
{
	if (import->type == JWT_EXPORT_UNKNOWN) {
		block(out, "%s: neither stream nor service", what);
	}
	if (!is_set(import->account)) {
		block(out, "%s: no account to import from", what);
	} else {
		check_key(out, what, NKEY_ACCOUNT, import->account);
	}
	if (import->share && import->type != JWT_EXPORT_SERVICE) {
		block(out, "%s: share is for services only", what);
	}
	if (import->allow_trace && import->type != JWT_EXPORT_STREAM) {
		block(out, "%s: allow_trace is for streams only", what);
	}
	bool valid = check_subject(out, what, import->subject);
	if (is_set(import->to)) {
		report(out, WARNING, "%s: \"to\" is deprecated, use local_subject", what);
		check_subject(out, what, import->to);
		if (is_set(import->local_subject)) {
			block(out, "%s: both of to and local_subject", what);
		}
	}
	if (is_set(import->local_subject) && valid) {
		check_local_subject(out, what, import->local_subject, import->subject);
	}
	if (is_set(import->token)) {
		check_token(out, what, import, account);
	}
}

/* Where the service is called in the importing account; "$n" stands for a star. */
static char *
local_pattern(const struct jwt_import *import)
{
	const char *from = is_set(import->to)   ? import->to
		: is_set(import->local_subject) ? import->local_subject
						: shown(import->subject);
	return jwt_mapping_pattern(from);
}

/* Newer servers allow overlaps between exporting accounts, older ones refuse the whole
 * account. */
static void
check_service_overlaps(struct jwt_issues *out, const struct jwt_account *account)
{
	char **patterns = calloc(account->imports_len + 1, sizeof(*patterns));
	size_t n = 0;
	if (patterns == NULL) {
		block(out, "imports: out of memory");
		return;
	}
	for (size_t i = 0; i < account->imports_len; i++) {
		if (account->imports[i].type != JWT_EXPORT_SERVICE) {
			continue;
		}
		char *pattern = local_pattern(&account->imports[i]);
		if (pattern == NULL || !subject_is_valid(pattern)) {
			free(pattern);
			continue;
		}
		for (size_t j = 0; j < n; j++) {
			if (subject_contains(pattern, patterns[j]) ||
				subject_contains(patterns[j], pattern)) {
				block(out,
					"imports: services at \"%s\" and \"%s\" overlap",
					patterns[j], pattern);
			}
		}
		patterns[n++] = pattern;
	}
	for (size_t i = 0; i < n; i++) {
		free(patterns[i]);
	}
	free(patterns);
}

static void
check_imports(struct jwt_issues *out, const struct jwt_account *account, const char *sub)
{
	char what[96];
	for (size_t i = 0; i < account->imports_len; i++) {
		str_fmt_cut(what, sizeof(what), "import \"%.64s\"",
			shown(account->imports[i].subject));
		check_import(out, what, &account->imports[i], sub);
	}
	check_service_overlaps(out, account);
}

/* ---- exports ---- */

static void
check_latency(struct jwt_issues *out, const char *what, const struct jwt_export *export)
{
	if (export->type != JWT_EXPORT_SERVICE) {
		block(out, "%s: service_latency is for services only", what);
	}
	if (export->latency_sampling < 0 || export->latency_sampling > SAMPLING_MAX) {
		block(out, "%s: the sampling of service_latency is not within 1-%d", what,
			SAMPLING_MAX);
	}
	if (check_subject(out, what, export->latency_results) &&
		subject_has_wildcard(export->latency_results)) {
		block(out, "%s: the results of service_latency have a wildcard", what);
	}
}

static void
check_token_position(
	struct jwt_issues *out, const char *what, const struct jwt_export *export)
{
	const char *token = export->subject;
	for (int64_t i = 1; i < export->account_token_position && token != NULL; i++) {
		token = strchr(token, '.');
		token = token != NULL ? token + 1 : NULL;
	}
	if (token == NULL || token[0] != '*' || (token[1] != '.' && token[1] != '\0')) {
		block(out, "%s: no token \"*\" at account_token_position %lld", what,
			(long long)export->account_token_position);
	}
}

static void
check_export(struct jwt_issues *out, const char *what, const struct jwt_export *export)
{
	bool service = export->type == JWT_EXPORT_SERVICE;
	const char *response = shown(export->response_type);
	if (export->type == JWT_EXPORT_UNKNOWN) {
		block(out, "%s: neither stream nor service", what);
	}
	if (is_set(response) &&
		(!service ||
			(!str_equal(response, "Singleton") &&
				!str_equal(response, "Stream") &&
				!str_equal(response, "Chunked")))) {
		block(out, "%s: the response_type is not valid here", what);
	}
	if (export->response_threshold_ns < 0 ||
		(export->response_threshold_ns > 0 && !service)) {
		block(out, "%s: the response_threshold is not valid here", what);
	}
	if (export->allow_trace && !service) {
		block(out, "%s: allow_trace is for services only", what);
	}
	if (export->has_latency) {
		check_latency(out, what, export);
	}
	bool valid = check_subject(out, what, export->subject);
	if (export->account_token_position < 0) {
		block(out, "%s: account_token_position is negative", what);
	} else if (export->account_token_position > 0 && valid) {
		check_token_position(out, what, export);
	}
	check_info(out, what, export->description, export->info_url);
}

static void
check_export_overlaps(struct jwt_issues *out, const struct jwt_account *account)
{
	for (size_t i = 0; i < account->exports_len; i++) {
		const struct jwt_export *a = &account->exports[i];
		if (!subject_is_valid(shown(a->subject))) {
			continue;
		}
		for (size_t j = 0; j < i; j++) {
			const struct jwt_export *b = &account->exports[j];
			if (a->type != b->type || !subject_is_valid(shown(b->subject))) {
				continue;
			}
			if (subject_contains(a->subject, b->subject) ||
				subject_contains(b->subject, a->subject)) {
				block(out, "exports: \"%s\" and \"%s\" overlap",
					b->subject, a->subject);
			}
		}
	}
}

static void
check_exports(struct jwt_issues *out, const struct jwt_account *account)
{
	char what[96];
	for (size_t i = 0; i < account->exports_len; i++) {
		str_fmt_cut(what, sizeof(what), "export \"%.64s\"",
			shown(account->exports[i].subject));
		check_export(out, what, &account->exports[i]);
	}
	check_export_overlaps(out, account);
}

/* ---- account ---- */

static bool
jetstream_is_empty(const struct jwt_jetstream_limits *limits)
{
	return limits->mem_storage == 0 && limits->disk_storage == 0 &&
		limits->streams == 0 && limits->consumer == 0 &&
		limits->max_ack_pending == 0 && limits->mem_max_stream_bytes == 0 &&
		limits->disk_max_stream_bytes == 0 && !limits->max_bytes_required;
}

int
jwt_validate_tier(const char *name, struct err *err)
{
	if (!is_set(name)) {
		return err_set(err, ERR_INVALID, "a tier without a name");
	}
	bool known = name[0] == 'R' && name[1] >= '1' && name[1] <= '0' + TIER_MAX &&
		name[2] == '\0';
	return known ? 0
		     : err_set(err, ERR_INVALID,
			       "tier \"%.40s\": servers know R1 to R%d, by the number of "
			       "replicas",
			       name, TIER_MAX);
}

static void
check_account_limits(struct jwt_issues *out, const struct jwt_account *account)
{
	const struct jwt_account_limits *limits = &account->limits;
	check_limit(out, "limits.subs", limits->subs);
	check_limit(out, "limits.payload", limits->payload);
	check_limit(out, "limits.conn", limits->conn);
	check_limit(out, "limits.leaf", limits->leaf);
	if (limits->tiers_len > 0 && !jetstream_is_empty(&limits->jetstream)) {
		block(out, "limits: both of flat and tiered JetStream limits");
	}
	for (size_t i = 0; i < limits->tiers_len; i++) {
		struct err err = { 0 };
		if (jwt_validate_tier(limits->tiers[i].name, &err) != 0) {
			block(out, "limits: %s", err.msg);
		}
	}
	if (limits->imports != JWT_UNLIMITED &&
		(int64_t)account->imports_len > limits->imports) {
		block(out, "imports: %zu are over the limit of %lld",
			account->imports_len, (long long)limits->imports);
	}
	if (limits->exports == JWT_UNLIMITED) {
		return;
	}
	if ((int64_t)account->exports_len > limits->exports) {
		block(out, "exports: %zu are over the limit of %lld",
			account->exports_len, (long long)limits->exports);
	}
	for (size_t i = 0; i < account->exports_len && !limits->wildcards; i++) {
		const char *subject = shown(account->exports[i].subject);
		if (subject_has_wildcard(subject)) {
			block(out, "export \"%s\": wildcards are not allowed", subject);
		}
	}
}

static void
check_mappings(struct jwt_issues *out, const struct jwt_account *account)
{
	struct err err = { 0 };
	for (size_t i = 0; i < account->mappings_len; i++) {
		if (jwt_mapping_check(&account->mappings[i], &err) != 0) {
			block(out, "mapping %s", err.msg);
		}
	}
	if (jwt_mapping_check_sources(account->mappings, account->mappings_len, &err) !=
		0) {
		block(out, "mappings: %s", err.msg);
	}
}

static void
check_authorization(struct jwt_issues *out, const struct jwt_authorization *authorization)
{
	const struct strlist *accounts = &authorization->allowed_accounts;
	if (accounts->len > 0 && authorization->auth_users.len == 0) {
		block(out, "authorization: allowed_accounts without auth_users");
	}
	for (size_t i = 0; i < authorization->auth_users.len; i++) {
		check_key(out, "authorization.auth_users", NKEY_USER,
			authorization->auth_users.items[i]);
	}
	for (size_t i = 0; i < accounts->len; i++) {
		if (!str_equal(accounts->items[i], "*")) {
			check_key(out, "authorization.allowed_accounts", NKEY_ACCOUNT,
				accounts->items[i]);
		} else if (accounts->len > 1) {
			block(out, "authorization.allowed_accounts: \"*\" stands alone");
		}
	}
	check_opt_key(out, "authorization.xkey", NKEY_CURVE, authorization->xkey);
}

static void
check_signing_key(struct jwt_issues *out, const struct jwt_signing_key *key)
{
	check_key(out, "signing_keys", NKEY_ACCOUNT, key->key);
	if (key->scoped) {
		check_lists(out, &key->template_.permissions, check_template_list);
		check_user_limits(out, &key->template_);
	}
}

static void
check_trace(struct jwt_issues *out, const struct jwt_account *account)
{
	if (check_subject(out, "trace.dest", account->trace_dest) &&
		subject_has_wildcard(account->trace_dest)) {
		block(out, "trace.dest: \"%s\" has a wildcard", account->trace_dest);
	}
	if (account->trace_sampling < 0 || account->trace_sampling > SAMPLING_MAX) {
		block(out, "trace.sampling: not within 1-%d", SAMPLING_MAX);
	}
}

static void
check_account(struct jwt_issues *out, const struct jwt_claims *claims)
{
	const struct jwt_account *account = &claims->as.account;
	const char *traffic = shown(account->cluster_traffic);
	check_imports(out, account, claims->sub);
	check_exports(out, account);
	check_account_limits(out, account);
	check_lists(out, &account->default_permissions, check_plain_list);
	check_mappings(out, account);
	check_authorization(out, &account->authorization);
	if (account->has_trace) {
		check_trace(out, account);
	}
	if (is_set(traffic) && !str_equal(traffic, "system") &&
		!str_equal(traffic, "owner")) {
		block(out, "cluster_traffic: \"%s\" is neither system nor owner",
			traffic);
	}
	for (size_t i = 0; i < account->signing_keys_len; i++) {
		check_signing_key(out, &account->signing_keys[i]);
	}
	check_info(out, "account", account->description, account->info_url);
	if (is_key(NKEY_ACCOUNT, claims->iss)) {
		report(out, WARNING, "a self-signed account sets its own limits");
	}
}

/* ---- the others ---- */

static bool
is_version(const char *text)
{
	for (int part = 0; part < 3; part++) {
		char digits[12];
		int64_t n = 0;
		size_t len = strcspn(text, ".");
		if (len >= sizeof(digits) || (text[len] == '.') != (part < 2)) {
			return false;
		}
		memcpy(digits, text, len);
		digits[len] = '\0';
		if (str_to_int(digits, 0, INT32_MAX, &n) != 0) {
			return false;
		}
		text += len + (part < 2 ? 1 : 0);
	}
	return true;
}

static void
check_operator(struct jwt_issues *out, const struct jwt_operator *operator_)
{
	struct url url;
	if (is_set(operator_->account_server_url) &&
		split_url(operator_->account_server_url, &url) != 0) {
		block(out, "account_server_url: no scheme, such as https://");
	}
	for (size_t i = 0; i < operator_->operator_service_urls.len; i++) {
		check_service_url(out, operator_->operator_service_urls.items[i]);
	}
	for (size_t i = 0; i < operator_->signing_keys.len; i++) {
		check_key(out, "signing_keys", NKEY_OPERATOR,
			operator_->signing_keys.items[i]);
	}
	check_opt_key(out, "system_account", NKEY_ACCOUNT, operator_->system_account);
	if (is_set(operator_->assert_server_version) &&
		!is_version(operator_->assert_server_version)) {
		block(out, "assert_server_version: \"%s\" is not of the form 2.10.0",
			operator_->assert_server_version);
	}
}

static void
check_user(struct jwt_issues *out, const struct jwt_user *user)
{
	check_lists(out, &user->limits.permissions, check_plain_list);
	check_user_limits(out, &user->limits);
	check_opt_key(out, "issuer_account", NKEY_ACCOUNT, user->issuer_account);
}

static void
check_activation(struct jwt_issues *out, const struct jwt_activation *activation)
{
	if (activation->kind == JWT_EXPORT_UNKNOWN) {
		block(out, "activation: neither stream nor service");
	}
	check_subject(out, "activation", activation->subject);
	check_opt_key(out, "issuer_account", NKEY_ACCOUNT, activation->issuer_account);
}

static void
check_auth_response(struct jwt_issues *out, const struct jwt_claims *claims)
{
	const struct jwt_auth_response *response = &claims->as.auth_response;
	check_key(out, "aud", NKEY_SERVER, claims->aud);
	if (is_set(response->jwt) == is_set(response->error)) {
		block(out, "authorization_response: one of jwt and error, not both");
	}
	check_opt_key(out, "issuer_account", NKEY_ACCOUNT, response->issuer_account);
}

static void
check_times(struct jwt_issues *out, const struct jwt_claims *claims, int64_t now_s)
{
	if (claims->exp > 0 && now_s > claims->exp) {
		report(out, TIME, "the claims have expired");
	}
	if (claims->nbf > 0 && claims->nbf > now_s) {
		report(out, TIME, "the claims are not valid yet");
	}
}

void
jwt_validate(const struct jwt_claims *claims, int64_t now_s, struct jwt_issues *out)
{
	enum nkey_role role = NKEY_ACCOUNT;
	memset(out, 0, sizeof(*out));
	check_times(out, claims, now_s);
	if (jwt_roles_of_subject(claims->type, &role)) {
		check_key(out, "sub", role, claims->sub);
	}
	switch (claims->type) {
	case JWT_OPERATOR:
		check_operator(out, &claims->as.operator_);
		break;
	case JWT_ACCOUNT:
		check_account(out, claims);
		break;
	case JWT_USER:
		check_user(out, &claims->as.user);
		break;
	case JWT_ACTIVATION:
		check_activation(out, &claims->as.activation);
		break;
	case JWT_AUTH_REQUEST:
		check_key(out, "user_nkey", NKEY_USER, claims->as.auth_request.user_nkey);
		break;
	case JWT_AUTH_RESPONSE:
		check_auth_response(out, claims);
		break;
	case JWT_GENERIC:
		break;
	}
}
