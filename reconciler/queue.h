/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The work queue: keys with a due time. A key is queued once however often it is added (the
 * earliest time wins), and carries no event: whoever works on it looks at the level of things.
 * Failures back off exponentially per key.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"

struct queue;

/* An empty queue. / Free it with all it holds; NULL is fine, returns NULL. */
struct queue *queue_new(void);
struct queue *queue_free(struct queue *q);
DEFINE_FREEP(struct queue, queue_free)

/* Queue KEY (copied) of class CLASS for time AT_MS; an earlier time already queued stays. */
void queue_add(struct queue *q, unsigned int class, const char *key, uint64_t at_ms);

/*
 * Take the key that is due first, if it is due at NOW_MS. 1 with *ret_class and *ret_key (owned by
 * the caller), 0 when nothing is due. Equal times come in the order of insertion.
 */
int queue_take(struct queue *q, unsigned int *ret_class, char **ret_key, uint64_t now_ms);

/* When the next key is due; UINT64_MAX when the queue is empty. */
uint64_t queue_next_ms(const struct queue *q);

/* Remove KEY if queued. */
void queue_remove(struct queue *q, unsigned int class, const char *key);

/* How many keys are queued. */
size_t queue_length(const struct queue *q);
