/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of what people ask of an app whose source was not read since the start: only its record is
 * there.
 */
#include "reconciler/sync_priv.h"
#include "tests/unit/policy/idle_policy.h"

static struct idle_policy p;
static struct app *app;

static void setup(void)
{
	idle_policy_init(&p);
	app = app_add(p.r->apps, "shop");
	json_decref(app->doc);
	app->doc = json_like("{'source': 'src', 'effective': {'n': 2, 'id': 'b', 'inputs': 'y'}}");
	json_decref(app->history);
	app->history = json_like(
		"[{'n': 1, 'id': 'a', 'revision': 'rev-1', 'inputs': 'x', 'result': 'Verified'},"
		" {'n': 2, 'id': 'b', 'revision': 'rev-2', 'inputs': 'y', 'result': 'Verified'}]");
}

static void teardown(void)
{
	idle_policy_deinit(&p);
}

TestSuite(app_action, .init = setup, .fini = teardown);

static const char *member(const char *path)
{
	return json_path_str(app->doc, path, "");
}

static int act(const char *action, struct err *err)
{
	autojson *result = NULL;

	return reconciler_app_action(p.r, "shop", action, NULL, &result, err);
}

Test(app_action, what_depends_on_the_newest_revision_is_refused)
{
	static const struct {
		const char *action, *held;
	} cases[] = {{"approve", "prune"}, {"retry", "rollout"}, {"retry", "image"}};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err err = {0};

		json_set(app->doc, "held", json_pack("{s:s}", "kind", cases[i].held));
		cr_expect_lt(act(cases[i].action, &err), 0, "%s of %s", cases[i].action,
			     cases[i].held);
		cr_expect_str_eq(err.reason, "SourceUnread", "%s of %s: got %s", cases[i].action,
				 cases[i].held, err.reason);
		cr_expect_str_eq(member("held.kind"), cases[i].held);
		cr_expect_str_eq(member("approved"), "");
	}
}

Test(app_action, undo_is_held_on_the_newest_files_that_are_known)
{
	struct err err = {0};

	cr_assert_eq(act("undo", &err), 0, "%s", err.message);
	cr_expect_str_eq(member("effective.id"), "a");
	cr_expect_str_eq(member("held.kind"), "undo");
	cr_expect_str_eq(member("held.inputs"), "y", "got %s", member("held.inputs"));
	cr_expect_str_eq(member("held.revision"), "rev-2");
	cr_expect_str_eq(member("held.key"), "");
}
