/* SPDX-License-Identifier: Apache-2.0
 * What others than natsid do to the servers of a stage, and what a person says of it. */
#ifndef SUPPORT_OTHER_HANDS_H
#define SUPPORT_OTHER_HANDS_H

#include "support/publish_stage.h"

/* A JWT of the account that another hand signed, dated in the future; ours: its tag is
 * one of our database. free() is the caller's. */
char *other_hands_jwt(struct stage *s, const char *account, bool ours) MUST_CHECK;

/* The server's file of the account becomes another, goes, or is cut in half. */
void other_hands_store(struct stage *s, int server, const char *jwt);
void other_hands_lose(struct stage *s, int server, const char *account);
void other_hands_damage(struct stage *s, int server, const char *account);

/* Another client pushes this to the server, and natsid hears of it. */
void other_hands_push(struct stage *s, int server, const char *jwt);

/* Another client asks the servers to remove the account, and natsid hears of it. None has
 * done it yet: see other_hands_lose. */
void other_hands_ask_removal(struct stage *s, const char *account);

/* An account that natsid does not know. */
void other_hands_put_stranger(struct stage *s, int server);

/* A person says that the account in quarantine may be overwritten. */
void other_hands_lift(struct stage *s, const char *account);

#endif
