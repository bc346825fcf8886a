/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a story knows: what its source holds, from which revisions are made.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tests/sim/world.h"

#define STORY_APPS 3
#define STORY_DEPLOYMENTS 4

struct story_deployment {
	int home; /* the app it is of; -1: none */
	const char *image;
	bool bad;             /* that one cannot come up */
	unsigned int version; /* shows in the template */
	int replicas, surge, unavailable, min_ready_s, deadline_s;
	bool percent, recreate, reads_config;
	bool probed; /* has a readiness probe */
	bool built;  /* runs the image that its app builds */
};

struct story_app {
	bool invalid;
	unsigned int config; /* content of its ConfigMap; 0: has none */
	unsigned int job;    /* version of its pre-deploy Job; 0: has none */
	unsigned int build;  /* version of its Image; 0: has none */
	bool job_fails, build_fails;
};

struct story {
	struct world *w;
	uint64_t chance;
	unsigned int version, n_foreign;
	struct story_app apps[STORY_APPS];
	struct story_deployment deployments[STORY_DEPLOYMENTS];
};

/* One of 0 to N-1. */
unsigned int story_pick(struct story *s, unsigned int n);
/* The name of app I. */
const char *story_app_name(int i);
/* Does the source hold app I? */
bool story_has_app(const struct story *s, int i);
/* A revision of what the source holds now. */
void story_push(struct story *s);

/* ---- story_acts.c ---- */
/* One act, by chance. */
void story_act(struct story *s);
/* Ask for an ACTION on app I, as people do. */
void story_ask(struct story *s, int i, const char *action);
/* One act of people on an object of a source. */
void story_interfere(struct story *s);
/* Another image and version for the Deployment I. BAD: one that cannot come up. */
void story_change(struct story *s, int i, bool bad);
