/* SPDX-License-Identifier: Apache-2.0 */
#include "publish/seq_set.h"

#include <stdlib.h>
#include <string.h>

enum { WORD_BITS = 64 };

static size_t
word_of(int64_t seq)
{
	return (size_t)seq / WORD_BITS;
}

static uint64_t
bit_of(int64_t seq)
{
	return UINT64_C(1) << ((size_t)seq % WORD_BITS);
}

bool
seq_set_has(const struct seq_set *set, int64_t seq)
{
	size_t word = word_of(seq);
	return word < set->len && (set->words[word] & bit_of(seq)) != 0;
}

void
seq_set_add(struct seq_set *set, int64_t seq)
{
	size_t word = word_of(seq);
	if (word >= set->len) {
		size_t len = (word + 1) * 2;
		uint64_t *words = realloc(set->words, len * sizeof(*words));
		if (words == NULL) {
			return;
		}
		memset(words + set->len, 0, (len - set->len) * sizeof(*words));
		set->words = words;
		set->len = len;
	}
	set->words[word] |= bit_of(seq);
}

void
seq_set_remove(struct seq_set *set, int64_t seq)
{
	size_t word = word_of(seq);
	if (word < set->len) {
		set->words[word] &= ~bit_of(seq);
	}
}

void
seq_set_clear(struct seq_set *set)
{
	free(set->words);
	*set = (struct seq_set){ 0 };
}
