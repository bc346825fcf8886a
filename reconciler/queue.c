/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Work queue: a binary heap ordered by due time and insertion, with a map from key to entry for
 * deduplication. An entry that was overtaken by an earlier one stays in the heap and is skipped
 * when its turn comes.
 */
#include "reconciler/queue.h"

#include <assert.h>
#include <jansson.h>
#include <string.h>

#include "base/json.h"

struct entry {
	uint64_t at_ms;
	uint64_t order;
	unsigned int class;
	char *key; /* map key: a letter for the class, and the key */
};

struct queue {
	struct entry *heap;
	size_t n, cap;
	uint64_t order;
	json_t *due; /* map key -> integer: the due time that counts */
};

static char *map_key(unsigned int class, const char *key)
{
	size_t n = strlen(key) + 1;
	char *out = mem_alloc(n + 1);

	assert(class <= 'z' - 'a');
	out[0] = (char)('a' + class);
	memcpy(out + 1, key, n);
	return out;
}

struct queue *queue_new(void)
{
	struct queue *q = NEW(struct queue);

	q->due = json_object();
	return q;
}

struct queue *queue_free(struct queue *q)
{
	if (!q)
		return NULL;
	for (size_t i = 0; i < q->n; i++)
		free(q->heap[i].key);
	free(q->heap);
	json_decref(q->due);
	free(q);
	return NULL;
}

static bool entry_before(const struct entry *a, const struct entry *b)
{
	return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

static void swap_entries(struct queue *q, size_t i, size_t j)
{
	struct entry e = q->heap[i];

	q->heap[i] = q->heap[j];
	q->heap[j] = e;
}

static void sift_up(struct queue *q, size_t i)
{
	while (i > 0 && entry_before(&q->heap[i], &q->heap[(i - 1) / 2])) {
		swap_entries(q, i, (i - 1) / 2);
		i = (i - 1) / 2;
	}
}

static void sift_down(struct queue *q, size_t i)
{
	for (;;) {
		size_t least = i, left = 2 * i + 1, right = left + 1;

		if (left < q->n && entry_before(&q->heap[left], &q->heap[least]))
			least = left;
		if (right < q->n && entry_before(&q->heap[right], &q->heap[least]))
			least = right;
		if (least == i)
			return;
		swap_entries(q, i, least);
		i = least;
	}
}

void queue_add(struct queue *q, unsigned int class, const char *key, uint64_t at_ms)
{
	autofree char *k = map_key(class, key);
	const json_t *due = json_object_get(q->due, k);

	if (due && (uint64_t)json_integer_value(due) <= at_ms)
		return;
	json_set(q->due, k, json_integer((json_int_t)at_ms));
	GROW(q->heap, q->cap, q->n + 1);
	q->heap[q->n++] = (struct entry){at_ms, q->order++, class, TAKE_PTR(k)};
	sift_up(q, q->n - 1);
}

/* Does the heap's first entry still count, or was its key removed or moved to an earlier time? */
static bool top_is_current(const struct queue *q)
{
	const json_t *due = json_object_get(q->due, q->heap[0].key);

	return due && (uint64_t)json_integer_value(due) == q->heap[0].at_ms;
}

static struct entry pop(struct queue *q)
{
	struct entry e = q->heap[0];

	q->heap[0] = q->heap[--q->n];
	sift_down(q, 0);
	return e;
}

static void drop_stale(struct queue *q)
{
	while (q->n > 0 && !top_is_current(q))
		free(pop(q).key);
}

int queue_take(struct queue *q, unsigned int *ret_class, char **ret_key, uint64_t now_ms)
{
	autofree char *k = NULL;
	struct entry e;

	drop_stale(q);
	if (q->n == 0 || q->heap[0].at_ms > now_ms)
		return 0;
	e = pop(q);
	k = e.key;
	json_object_del(q->due, k);
	*ret_class = e.class;
	*ret_key = mem_strdup(k + 1);
	return 1;
}

uint64_t queue_next_ms(const struct queue *q)
{
	drop_stale((struct queue *)(uintptr_t)q);
	return q->n > 0 ? q->heap[0].at_ms : UINT64_MAX;
}

void queue_remove(struct queue *q, unsigned int class, const char *key)
{
	autofree char *k = map_key(class, key);

	json_object_del(q->due, k);
}

size_t queue_length(const struct queue *q)
{
	return json_object_size(q->due);
}
