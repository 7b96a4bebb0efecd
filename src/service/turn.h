/* SPDX-License-Identifier: Apache-2.0
 * Those who lost a race try again one after the other. Of many who write the same row at
 * once one wins each round of the store, so that most would lose as often as they may
 * try. */
#ifndef SERVICE_TURN_H
#define SERVICE_TURN_H

#include "base/err.h"

struct turn;
int turn_new(struct turn **out, struct err *err) MUST_CHECK;
void turn_free(struct turn *turn);

/* race: how many were lost. The first loss waits for the turn, the others have it. */
void turn_wait(struct turn *turn, int race);

/* After the last try; race as in the last turn_wait. */
void turn_leave(struct turn *turn, int race);

#endif
