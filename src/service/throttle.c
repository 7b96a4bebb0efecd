/* SPDX-License-Identifier: Apache-2.0 */
#include "service/throttle.h"

#include "base/str.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SLOTS = 1024, ADDRESS_SIZE = 48 };

/* Each waits on a thread of the HTTP server: well below their number, so that strangers
 * who log in cannot take them all. */
enum { HASHES_WAITING_MAX = 16 };

struct slot {
	char address[ADDRESS_SIZE];
	int64_t window_start; /* monotonic ms */
	int64_t failures;
};

struct throttle {
	pthread_mutex_t lock;
	const struct clock *clock;
	struct slot slots[SLOTS];
};

int
throttle_new(const struct clock *clock, struct throttle **out, struct err *err)
{
	struct throttle *throttle = calloc(1, sizeof(*throttle));
	if (throttle == NULL) {
		return err_nomem(err);
	}
	pthread_mutex_init(&throttle->lock, NULL);
	throttle->clock = clock;
	*out = throttle;
	return 0;
}

void
throttle_free(struct throttle *throttle)
{
	if (throttle != NULL) {
		pthread_mutex_destroy(&throttle->lock);
		free(throttle);
	}
}

/* What a slot keeps of an address: over-long ones that begin alike share a slot. */
struct key {
	char text[ADDRESS_SIZE];
};

static struct key
key_of(const char *address)
{
	struct key key;
	str_fmt_cut(key.text, sizeof(key.text), "%s", address);
	return key;
}

/* The slot of the address, else the one whose window began first. */
static struct slot *
find_slot_locked(struct throttle *throttle, const char *address)
{
	struct slot *oldest = &throttle->slots[0];
	for (size_t i = 0; i < SLOTS; i++) {
		struct slot *slot = &throttle->slots[i];
		if (str_equal(slot->address, address)) {
			return slot;
		}
		if (slot->failures == 0 && oldest->failures != 0) {
			oldest = slot;
		} else if ((slot->failures == 0) == (oldest->failures == 0) &&
			slot->window_start < oldest->window_start) {
			oldest = slot;
		}
	}
	return oldest;
}

int
throttle_enter(struct throttle *throttle, const char *address, struct err *err)
{
	int rc = 0;
	int64_t now = clock_mono_ms(throttle->clock);
	struct key key = key_of(address);
	pthread_mutex_lock(&throttle->lock);
	struct slot *slot = find_slot_locked(throttle, key.text);
	if (!str_equal(slot->address, key.text) ||
		now - slot->window_start >= THROTTLE_WINDOW_MS) {
		memcpy(slot->address, key.text, sizeof(slot->address));
		slot->window_start = now;
		slot->failures = 0;
	}
	if (slot->failures >= THROTTLE_FAILURES) {
		rc = err_set(err, ERR_LIMITED,
			"Too many failed logins from this address. Try again in a "
			"minute.");
	} else {
		slot->failures++;
	}
	pthread_mutex_unlock(&throttle->lock);
	return rc;
}

void
throttle_succeeded(struct throttle *throttle, const char *address)
{
	struct key key = key_of(address);
	pthread_mutex_lock(&throttle->lock);
	struct slot *slot = find_slot_locked(throttle, key.text);
	if (str_equal(slot->address, key.text) && slot->failures > 0) {
		slot->failures--;
	}
	pthread_mutex_unlock(&throttle->lock);
}

struct hashing {
	pthread_mutex_t lock;
	pthread_cond_t free_place;
	long places;
	long running;
	long waiting;
};

int
hashing_new(struct hashing **out, struct err *err)
{
	struct hashing *hashing = calloc(1, sizeof(*hashing));
	if (hashing == NULL) {
		return err_nomem(err);
	}
	pthread_mutex_init(&hashing->lock, NULL);
	pthread_cond_init(&hashing->free_place, NULL);
	hashing->places = sysconf(_SC_NPROCESSORS_ONLN);
	if (hashing->places < 1) {
		hashing->places = 1;
	}
	*out = hashing;
	return 0;
}

void
hashing_free(struct hashing *hashing)
{
	if (hashing != NULL) {
		pthread_cond_destroy(&hashing->free_place);
		pthread_mutex_destroy(&hashing->lock);
		free(hashing);
	}
}

int
hashing_enter(struct hashing *hashing, struct err *err)
{
	int rc = 0;
	pthread_mutex_lock(&hashing->lock);
	if (hashing->running == hashing->places &&
		hashing->waiting == HASHES_WAITING_MAX) {
		rc = err_set(err, ERR_BUSY,
			"Too many passwords at once. Try again in a moment.");
	} else {
		hashing->waiting++;
		while (hashing->running == hashing->places) {
			pthread_cond_wait(&hashing->free_place, &hashing->lock);
		}
		hashing->waiting--;
		hashing->running++;
	}
	pthread_mutex_unlock(&hashing->lock);
	return rc;
}

void
hashing_leave(struct hashing *hashing)
{
	pthread_mutex_lock(&hashing->lock);
	hashing->running--;
	pthread_cond_signal(&hashing->free_place);
	pthread_mutex_unlock(&hashing->lock);
}
