/* SPDX-License-Identifier: Apache-2.0
 * Checks of single texts, for the field tables: 0, or ERR_INVALID with what is wrong. */
#ifndef MODEL_CHECK_H
#define MODEL_CHECK_H

#include "base/err.h"

/* An entry of a list of permissions, without templates: a subject, and where one may
 * subscribe, also "subject queue". */
int check_publish_entry(const char *text, struct err *err) MUST_CHECK;
int check_subscribe_entry(const char *text, struct err *err) MUST_CHECK;

/* The same of a role, where templates are filled in. What a list must be as a whole is
 * template_check_list's. */
int check_publish_template(const char *text, struct err *err) MUST_CHECK;
int check_subscribe_template(const char *text, struct err *err) MUST_CHECK;

/* A subject that may have wildcards, and one that must not. */
int check_subject(const char *text, struct err *err) MUST_CHECK;
int check_literal_subject(const char *text, struct err *err) MUST_CHECK;

/* "10.0.0.0/8", "fd00::/8": what the JWT's src takes; an address alone is none. */
int check_network(const char *text, struct err *err) MUST_CHECK;

/* STANDARD, WEBSOCKET, LEAFNODE, LEAFNODE_WS, MQTT, MQTT_WS, IN_PROCESS. */
int check_connection_type(const char *text, struct err *err) MUST_CHECK;

/* The name of a time zone in the form of the IANA data base; whether a server knows it,
 * only the server can tell. */
int check_location(const char *text, struct err *err) MUST_CHECK;

/* With a scheme and a host. */
int check_url(const char *text, struct err *err) MUST_CHECK;

int check_user_key(const char *text, struct err *err) MUST_CHECK; /* U... */
int check_account_key_or_star(const char *text, struct err *err) MUST_CHECK; /* A..., * */
int check_xkey(const char *text, struct err *err) MUST_CHECK; /* X... */

int check_cluster_traffic(const char *text, struct err *err) MUST_CHECK;
int check_export_type(const char *text, struct err *err) MUST_CHECK;
int check_response_type(const char *text, struct err *err) MUST_CHECK;

#endif
