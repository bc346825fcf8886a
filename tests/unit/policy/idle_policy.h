/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A policy on a host that never answers, for tests of one controller: its work is called by hand,
 * nothing else runs, and what it writes is looked at in the store.
 */
#pragma once

#include "reconciler/reconciler_priv.h"
#include "tests/unit/policy/lib.h"

struct idle_policy {
	struct still_world world;
	uint64_t random;
	struct store *store;
	struct reconciler *r;
};

static inline uint64_t idle_now_ms(void *data)
{
	return (uint64_t)((struct idle_policy *)data)->world.now_ns / 1000000;
}

/* Uids have to differ over a whole story, which the counting bytes of still_random do not. */
static inline void idle_random(void *data, void *buf, size_t n)
{
	struct idle_policy *p = data;

	for (size_t i = 0; i < n; i++) {
		p->random = p->random * 6364136223846793005u + 1442695040888963407u;
		((unsigned char *)buf)[i] = (unsigned char)(p->random >> 56);
	}
}

static inline int64_t idle_realtime(void *data)
{
	return ((struct idle_policy *)data)->world.now_ns;
}

static inline void idle_wake(void *data UNUSED, uint64_t at_ms UNUSED)
{
}

/* A policy over an empty store in memory, at 2026-01-01T00:00:00Z. */
static inline void idle_policy_init(struct idle_policy *p)
{
	struct ports ports = {.data = p,
			      .now_ms = idle_now_ms,
			      .realtime_ns = idle_realtime,
			      .random = idle_random,
			      .wake_at = idle_wake};
	struct store_env env = {idle_realtime, idle_random, p};
	struct reconciler_config config = {.node_name = "node"};
	struct err err = {0};

	p->world.now_ns = 1767225600000000000;
	cr_assert(store_open(&p->store, NULL, &env, &err) == 0);
	p->r = reconciler_new(p->store, &ports, &config);
}

static inline void idle_policy_deinit(struct idle_policy *p)
{
	p->r = reconciler_free(p->r);
	p->store = store_free(p->store);
}

static inline UNUSED void idle_wait(struct idle_policy *p, int64_t seconds)
{
	p->world.now_ns += seconds * 1000000000;
}

/* Set PATH of the object to VALUE (taken) as a user does / as a controller does. */
static inline UNUSED void idle_edit(struct idle_policy *p, const json_t *object, const char *path,
				    json_t *value)
{
	autojson *copy = json_deep_copy(object);

	json_path_set_new(copy, path, value);
	cr_assert(store_update(p->store, copy) == 0);
}

static inline UNUSED void idle_set_status(struct idle_policy *p, const json_t *object,
					  const char *status)
{
	autojson *copy = json_deep_copy(object);

	json_set(copy, "status", json_like(status));
	cr_assert(store_update_status(p->store, copy) == 0);
}

/* The messages of all events with REASON, joined by "; ". Owned by the caller. */
static inline UNUSED char *idle_events(struct idle_policy *p, const char *reason)
{
	autojson *events = store_list(p->store, KIND_EVENT, NULL);
	char *text = mem_strdup("");
	json_t *e;
	size_t i;

	json_array_foreach(events, i, e) {
		autofree char *before = text;

		if (!str_eq(json_path_str(e, "reason", ""), reason)) {
			before = NULL;
			continue;
		}
		text = mem_asprintf("%s%s%s", before, *before ? "; " : "",
				    json_path_str(e, "message", ""));
	}
	return text;
}
