/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many seeds of one rough story: pushes, bad images and crashes of the policy at random steps.
 * However it went, it comes to rest in the state that the last revision asks for.
 */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/str.h"
#include "tests/sim/world.h"

#define SEEDS 60

static json_t *shop(const char *image, int replicas)
{
	return json_pack("{s:{s:[o]}}", "shop", "objects",
			 world_deployment("web", image, replicas));
}

/* Steps with a crash after every tenth, about, chosen by the seed. */
static void rough_steps(struct world *w, unsigned int *chance, int n)
{
	for (int i = 0; i < n && world_step(w); i++) {
		*chance = *chance * 1103515245 + 12345;
		if ((*chance >> 16) % 10 == 0)
			world_crash(w);
	}
}

static void one_seed(unsigned int seed)
{
	struct world *w = world_new(seed);
	unsigned int chance = seed;

	world_add_image(w, "web:1");
	world_add_image(w, "web:2");
	world_add_image(w, "web:broken");
	world_push(w, shop("web:1", 5));
	rough_steps(w, &chance, 60);
	world_push(w, shop("web:2", 5));
	rough_steps(w, &chance, 40);
	world_push(w, shop(seed % 2 ? "web:broken" : "web:nope", 5));
	rough_steps(w, &chance, 60);
	world_push(w, shop("web:2", 4));
	rough_steps(w, &chance, 60);
	world_run(w, 1200000);
	cr_assert_str_eq(world_app_phase(w, "shop"), "Verified", "seed %u: %s %s", seed,
			 world_app_phase(w, "shop"),
			 json_path_str(store_get(world_store(w), KIND_APP, NULL, "shop"),
				       "status.message", ""));
	cr_assert_eq(world_running(w, "web:2"), 4, "seed %u: %u run", seed,
		     world_running(w, "web:2"));
	cr_assert_eq(world_running(w, "web:1") + world_running(w, "web:broken"), 0, "seed %u",
		     seed);
	world_free(w);
}

Test(seeds, every_rough_story_comes_to_rest_where_the_last_revision_wants_it)
{
	const char *only = getenv("RECOND_SIM_SEED");

	for (unsigned int seed = 1; seed <= SEEDS; seed++) {
		if (!only || (unsigned int)strtoul(only, NULL, 10) == seed)
			one_seed(seed);
	}
}
