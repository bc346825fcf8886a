/* SPDX-License-Identifier: Apache-2.0 */
/* kubectl's words for how far a Deployment is, in the order of its checks. */
#include "cmd/rollout_view.h"

#include <criterion/criterion.h>

#include "base/json.h"
#include "base/str.h"

#define STATUS(updated, replicas, available)                                                       \
	"'status': {'observedGeneration': 2, 'updatedReplicas': " updated                          \
	", 'replicas': " replicas ", 'availableReplicas': " available "}"
#define FINISH "Waiting for deployment \"web\" rollout to finish: "

/* clang-format off */
static const struct {
	const char *sentence, *rest;
	enum rollout_state state;
	const char *text;
} cases[] = {
	{ "not seen yet", "'status': {'observedGeneration': 1}", ROLLOUT_WAITING, "Waiting for deployment spec update to be observed..." },
	{ "no status at all", "'status': {}", ROLLOUT_WAITING, "Waiting for deployment spec update to be observed..." },
	{ "the deadline is over", "'status': {'observedGeneration': 2, 'conditions': [{'type': 'Progressing', 'status': 'False', 'reason': 'ProgressDeadlineExceeded'}]}",
	  ROLLOUT_FAILED, "deployment \"web\" exceeded its progress deadline" },
	{ "some are new", STATUS("1", "4", "3"), ROLLOUT_WAITING, FINISH "1 out of 3 new replicas have been updated..." },
	{ "all are new, old ones are left", STATUS("3", "4", "3"), ROLLOUT_WAITING, FINISH "1 old replicas are pending termination..." },
	{ "all are new, not all available", STATUS("3", "3", "2"), ROLLOUT_WAITING, FINISH "2 of 3 updated replicas are available..." },
	{ "done", STATUS("3", "3", "3"), ROLLOUT_DONE, "deployment \"web\" successfully rolled out" },
};
/* clang-format on */

Test(rollout_view, words)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autofree char *text = mem_asprintf(
			"{'metadata': {'name': 'web', 'generation': 2}, 'spec': {'replicas': 3}, %s}",
			cases[i].rest);
		autostrbuf out = STRBUF_INIT;
		autojson *deployment = NULL;
		enum rollout_state state;

		for (char *p = text; *p; p++)
			*p = *p == '\'' ? '"' : *p;
		deployment = json_loads(text, 0, NULL);
		cr_assert(deployment, "%s", text);
		state = rollout_view_add(&out, deployment);
		cr_expect_eq(state, cases[i].state, "%s", cases[i].sentence);
		cr_expect_str_eq(strbuf_str(&out), cases[i].text, "%s: got %s", cases[i].sentence,
				 strbuf_str(&out));
	}
}
