/* SPDX-License-Identifier: Apache-2.0
 * The open requests: found by the token of their reply subject, by the caller's number,
 * and by deadline. */
#ifndef BUS_REQUESTS_H
#define BUS_REQUESTS_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Fixed capacity (BUS_REQUESTS_MAX). Not thread-safe. */
struct bus_requests;

/* ERR_NOMEM. */
int bus_requests_new(struct bus_requests **out_requests, struct err *err) MUST_CHECK;
void bus_requests_free(struct bus_requests *requests);

/* How many are open. */
size_t bus_requests_count(const struct bus_requests *requests);

/* The token is random. ERR_LIMITED when full, ERR_CONFLICT when the number is there. */
int bus_requests_add(struct bus_requests *requests, uint64_t number, int64_t deadline_ms,
	uint64_t *out_token, struct err *err) MUST_CHECK;

/* The number that the token belongs to; false when it is not open (any more). */
bool bus_requests_find(
	const struct bus_requests *requests, uint64_t token, uint64_t *out_number);

/* False when it is not there (any more). */
bool bus_requests_remove(struct bus_requests *requests, uint64_t number);
bool bus_requests_remove_token(struct bus_requests *requests, uint64_t token);

/* False when there is none. */
bool
bus_requests_next_deadline(const struct bus_requests *requests, int64_t *out_deadline_ms);

/* Removes up to max requests with a deadline up to now, earliest first; how many. */
size_t bus_requests_take_due(
	struct bus_requests *requests, int64_t now_ms, uint64_t *out_numbers, size_t max);

#endif
