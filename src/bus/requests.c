/* SPDX-License-Identifier: Apache-2.0 */
#include "bus/requests.h"

#include "bus/bus.h"

#include "base/rand.h"

#include <stdlib.h>

/* The low bits of a token say which slot it is; the others are random and tell the
 * requests apart that use that slot one after the other. */
enum { SLOT_BITS = 12, SLOT_COUNT = 1 << SLOT_BITS, SLOT_NONE = SLOT_COUNT };
_Static_assert((int)SLOT_COUNT == (int)BUS_REQUESTS_MAX, "a slot for each request");

struct slot {
	uint64_t token; /* 0: free */
	uint64_t number;
	int64_t deadline_ms;
	uint16_t next; /* in its bucket, or in the list of free slots */
	uint16_t heap_at;
};

struct bus_requests {
	struct slot slots[SLOT_COUNT];
	uint16_t buckets[SLOT_COUNT]; /* first slot of the numbers with that hash */
	uint16_t heap[SLOT_COUNT]; /* slots, the earliest deadline first */
	uint16_t count;
	uint16_t free_first;
};

static uint16_t
bucket_of(uint64_t number)
{
	return (uint16_t)((number * UINT64_C(0x9e3779b97f4a7c15)) >> (64 - SLOT_BITS));
}

int
bus_requests_new(struct bus_requests **out_requests, struct err *err)
{
	struct bus_requests *requests = calloc(1, sizeof(*requests));
	if (requests == NULL)
		return err_nomem(err);
	for (unsigned i = 0; i < SLOT_COUNT; i++) {
		requests->buckets[i] = SLOT_NONE;
		requests->slots[i].next = (uint16_t)(i + 1);
	}
	*out_requests = requests;
	return 0;
}

void
bus_requests_free(struct bus_requests *requests)
{
	free(requests);
}

size_t
bus_requests_count(const struct bus_requests *requests)
{
	return requests->count;
}

static void
heap_put(struct bus_requests *requests, uint16_t at, uint16_t slot)
{
	requests->heap[at] = slot;
	requests->slots[slot].heap_at = at;
}

static int64_t
heap_deadline(const struct bus_requests *requests, unsigned at)
{
	return requests->slots[requests->heap[at]].deadline_ms;
}

/* Moves the slot from the free place `at` towards the root, and then away from it. */
static void
heap_settle(struct bus_requests *requests, uint16_t at, uint16_t slot)
{
	int64_t deadline = requests->slots[slot].deadline_ms;

	while (at > 0) {
		uint16_t parent = (uint16_t)((at - 1) / 2);
		if (heap_deadline(requests, parent) <= deadline)
			break;
		heap_put(requests, at, requests->heap[parent]);
		at = parent;
	}
	for (;;) {
		unsigned child = 2U * at + 1;
		if (child + 1 < requests->count &&
			heap_deadline(requests, child + 1) <
				heap_deadline(requests, child))
			child++;
		if (child >= requests->count ||
			heap_deadline(requests, child) >= deadline)
			break;
		heap_put(requests, at, requests->heap[child]);
		at = (uint16_t)child;
	}
	heap_put(requests, at, slot);
}

static void
heap_remove(struct bus_requests *requests, uint16_t at)
{
	uint16_t last = requests->heap[--requests->count];
	if (at < requests->count)
		heap_settle(requests, at, last);
}

static uint16_t
slot_of_number(const struct bus_requests *requests, uint64_t number)
{
	uint16_t slot = requests->buckets[bucket_of(number)];
	while (slot != SLOT_NONE && requests->slots[slot].number != number)
		slot = requests->slots[slot].next;
	return slot;
}

static uint16_t
slot_of_token(const struct bus_requests *requests, uint64_t token)
{
	uint16_t slot = token & (SLOT_COUNT - 1);
	return token != 0 && requests->slots[slot].token == token ? slot : SLOT_NONE;
}

static void
slot_release(struct bus_requests *requests, uint16_t slot)
{
	struct slot *s = &requests->slots[slot];
	uint16_t *link = &requests->buckets[bucket_of(s->number)];

	while (*link != slot)
		link = &requests->slots[*link].next;
	*link = s->next;
	heap_remove(requests, s->heap_at);
	s->token = 0;
	s->next = requests->free_first;
	requests->free_first = slot;
}

int
bus_requests_add(struct bus_requests *requests, uint64_t number, int64_t deadline_ms,
	uint64_t *out_token, struct err *err)
{
	uint16_t slot = requests->free_first;
	uint16_t *bucket = &requests->buckets[bucket_of(number)];
	uint64_t random = 0;

	if (slot == SLOT_NONE)
		return err_set(err, ERR_LIMITED, "too many requests to NATS are open");
	if (slot_of_number(requests, number) != SLOT_NONE)
		return err_set(err, ERR_CONFLICT, "a request of that number is open");
	do
		rand_bytes(&random, sizeof(random));
	while (random >> SLOT_BITS == 0);

	struct slot *s = &requests->slots[slot];
	requests->free_first = s->next;
	*s = (struct slot){
		.token = (random & ~(uint64_t)(SLOT_COUNT - 1)) | slot,
		.number = number,
		.deadline_ms = deadline_ms,
		.next = *bucket,
	};
	*bucket = slot;
	requests->count++;
	heap_settle(requests, (uint16_t)(requests->count - 1), slot);
	*out_token = s->token;
	return 0;
}

bool
bus_requests_find(
	const struct bus_requests *requests, uint64_t token, uint64_t *out_number)
{
	uint16_t slot = slot_of_token(requests, token);
	if (slot == SLOT_NONE)
		return false;
	*out_number = requests->slots[slot].number;
	return true;
}

bool
bus_requests_remove(struct bus_requests *requests, uint64_t number)
{
	uint16_t slot = slot_of_number(requests, number);
	if (slot == SLOT_NONE)
		return false;
	slot_release(requests, slot);
	return true;
}

bool
bus_requests_remove_token(struct bus_requests *requests, uint64_t token)
{
	uint16_t slot = slot_of_token(requests, token);
	if (slot == SLOT_NONE)
		return false;
	slot_release(requests, slot);
	return true;
}

bool
bus_requests_next_deadline(const struct bus_requests *requests, int64_t *out_deadline_ms)
{
	if (requests->count == 0)
		return false;
	*out_deadline_ms = heap_deadline(requests, 0);
	return true;
}

size_t
bus_requests_take_due(
	struct bus_requests *requests, int64_t now_ms, uint64_t *out_numbers, size_t max)
{
	size_t n = 0;
	while (n < max && requests->count > 0 && heap_deadline(requests, 0) <= now_ms) {
		uint16_t slot = requests->heap[0];
		out_numbers[n++] = requests->slots[slot].number;
		slot_release(requests, slot);
	}
	return n;
}
