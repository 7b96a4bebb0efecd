/* SPDX-License-Identifier: Apache-2.0 */
#include "model/check.h"

#include "base/nkey_text.h"
#include "base/str.h"
#include "model/network.h"
#include "model/subject.h"
#include "model/template.h"
#include "model/url.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static int
refuse_template(const char *text, struct err *err)
{
	return template_is_in(text)
		? err_set(err, ERR_INVALID,
			  "templates ({{...}}) belong into the lists of roles")
		: 0;
}

int
check_publish_entry(const char *text, struct err *err)
{
	return refuse_template(text, err) != 0 ? -1 : subject_check(text, err);
}

int
check_subscribe_entry(const char *text, struct err *err)
{
	return refuse_template(text, err) != 0 ? -1 : subject_check_queue(text, err);
}

int
check_subject(const char *text, struct err *err)
{
	return check_publish_entry(text, err);
}

int
check_literal_subject(const char *text, struct err *err)
{
	if (check_subject(text, err) != 0) {
		return -1;
	}
	return subject_has_wildcard(text)
		? err_set(err, ERR_INVALID, "it must not have wildcards")
		: 0;
}

int
check_publish_template(const char *text, struct err *err)
{
	/* first, as template_check would speak of queues where none may be */
	if (!template_is_in(text) && subject_check(text, err) != 0) {
		return -1;
	}
	return template_check(text, err);
}

int
check_subscribe_template(const char *text, struct err *err)
{
	return template_check(text, err);
}

int
check_network(const char *text, struct err *err)
{
	struct network network;
	return network_parse(text, &network) == 0
		? 0
		: err_set(err, ERR_INVALID, "\"%.64s\" is not a network like 10.0.0.0/8",
			  text);
}

static int
check_one_of(
	const char *text, const char *const *names, const char *list, struct err *err)
{
	for (; *names != NULL; names++) {
		if (str_equal(text, *names)) {
			return 0;
		}
	}
	return err_set(err, ERR_INVALID, "\"%.40s\" is none of %s", text, list);
}

int
check_connection_type(const char *text, struct err *err)
{
	static const char *const names[] = { "STANDARD", "WEBSOCKET", "LEAFNODE",
		"LEAFNODE_WS", "MQTT", "MQTT_WS", "IN_PROCESS", NULL };
	return check_one_of(text, names,
		"STANDARD, WEBSOCKET, LEAFNODE, LEAFNODE_WS, MQTT, MQTT_WS, IN_PROCESS",
		err);
}

/* "Local" is whatever the server's host is set to, and ".." leaves its directory. */
int
check_location(const char *text, struct err *err)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	static const char rest[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-/";
	size_t len = strlen(text);
	bool good = len <= 64 && text[strspn(text, rest)] == '\0' &&
		strchr(letters, text[0]) != NULL && text[len - 1] != '/' &&
		strstr(text, "//") == NULL && !str_equal_nocase(text, "local");
	return good ? 0
		    : err_set(err, ERR_INVALID,
			      "\"%.64s\" is not the name of a time zone like "
			      "Europe/Berlin",
			      text);
}

int
check_url(const char *text, struct err *err)
{
	static const char scheme[] = "abcdefghijklmnopqrstuvwxyz0123456789+-.";
	size_t len = strspn(text, scheme);
	const char *host = text + len + 3;
	bool good = len > 0 && text[0] >= 'a' && text[0] <= 'z' &&
		str_starts_with(text + len, "://") && *host != '\0' &&
		strchr("/?#:@", *host) == NULL &&
		text[strcspn(text, " \t\"<>\\^`{|}")] == '\0';
	if (!good) {
		return err_set(err, ERR_INVALID,
			"\"%.64s\" is not a URL with a scheme and a host", text);
	}
	return url_is_well_formed(text)
		? 0
		: err_set(err, ERR_INVALID,
			  "\"%.64s\": the host, the port or a %% is malformed", text);
}

static int
check_key(enum nkey_role role, const char *text, struct err *err)
{
	struct nkey_public key;
	return nkey_text_decode(role, text, strlen(text), &key, err);
}

int
check_user_key(const char *text, struct err *err)
{
	return check_key(NKEY_USER, text, err);
}

int
check_account_key_or_star(const char *text, struct err *err)
{
	return str_equal(text, "*") ? 0 : check_key(NKEY_ACCOUNT, text, err);
}

int
check_xkey(const char *text, struct err *err)
{
	return check_key(NKEY_CURVE, text, err);
}

int
check_cluster_traffic(const char *text, struct err *err)
{
	static const char *const names[] = { "system", "owner", NULL };
	return check_one_of(text, names, "system, owner", err);
}

int
check_export_type(const char *text, struct err *err)
{
	static const char *const names[] = { "stream", "service", NULL };
	return check_one_of(text, names, "stream, service", err);
}

int
check_response_type(const char *text, struct err *err)
{
	static const char *const names[] = { "Singleton", "Stream", "Chunked", NULL };
	return check_one_of(text, names, "Singleton, Stream, Chunked", err);
}
