/* SPDX-License-Identifier: Apache-2.0
 * A set of row numbers: a bit each, as they are dense. */
#ifndef PUBLISH_SEQ_SET_H
#define PUBLISH_SEQ_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct seq_set {
	uint64_t *words; /* owned */
	size_t len;
};

bool seq_set_has(const struct seq_set *set, int64_t seq);

/* Out of memory it stays out. */
void seq_set_add(struct seq_set *set, int64_t seq);
void seq_set_remove(struct seq_set *set, int64_t seq);

/* Empty from now on; frees what it owns. */
void seq_set_clear(struct seq_set *set);

#endif
