/* SPDX-License-Identifier: Apache-2.0 */
#include "service/turn.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

struct turn {
	pthread_mutex_t lock;
	pthread_cond_t free;
	bool taken;
};

int
turn_new(struct turn **out, struct err *err)
{
	struct turn *turn = calloc(1, sizeof(*turn));
	if (turn == NULL) {
		return err_nomem(err);
	}
	pthread_mutex_init(&turn->lock, NULL);
	pthread_cond_init(&turn->free, NULL);
	*out = turn;
	return 0;
}

void
turn_free(struct turn *turn)
{
	if (turn != NULL) {
		pthread_cond_destroy(&turn->free);
		pthread_mutex_destroy(&turn->lock);
		free(turn);
	}
}

void
turn_wait(struct turn *turn, int race)
{
	if (race != 1) {
		return;
	}
	pthread_mutex_lock(&turn->lock);
	while (turn->taken) {
		pthread_cond_wait(&turn->free, &turn->lock);
	}
	turn->taken = true;
	pthread_mutex_unlock(&turn->lock);
}

void
turn_leave(struct turn *turn, int race)
{
	if (race < 1) {
		return;
	}
	pthread_mutex_lock(&turn->lock);
	turn->taken = false;
	pthread_cond_signal(&turn->free);
	pthread_mutex_unlock(&turn->lock);
}
