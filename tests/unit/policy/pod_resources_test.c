/* SPDX-License-Identifier: Apache-2.0 */
/* QoS classes and the figures that cgroups take. */
#include "reconciler/controllers/pod_resources.h"

#include "reconciler/controllers/pod_status.h"
#include "tests/unit/policy/lib.h"

#define POD(...) "{'containers': [" __VA_ARGS__ "]}"
#define INIT(...) "{'initContainers': [" __VA_ARGS__ "]"
#define POD_(...) "'containers': [" __VA_ARGS__ "]}"
#define CPU(n) "'resources': {'requests': {'cpu': '" n "'}}"
#define BOTH(list) "'" list "': {'cpu': '500m', 'memory': '1Gi'}"

/* clang-format off */
static const struct { const char *name, *spec, *sandbox; int oom; } cases[] = {
	{ "nothing set", POD("{}"), "{'qos': 'BestEffort', 'cpuShares': 2}", 1000 },
	{ "limits alone stand in for requests", POD("{'resources': {" BOTH("limits") "}}"),
	  "{'qos': 'Guaranteed', 'cpuShares': 512, 'cpuQuotaUs': 50000, 'memoryBytes': 1073741824}", -997 },
	{ "requests alone", POD("{'resources': {" BOTH("requests") "}}"), "{'qos': 'Burstable', 'cpuShares': 512}", 750 },
	{ "one container without limits: none for the pod", POD("{'resources': {" BOTH("limits") "}}, {}"),
	  "{'qos': 'Burstable', 'cpuShares': 512}", 750 },
	{ "a tenth of a processor", POD("{'resources': {'requests': {'cpu': '100m'}}}"),
	  "{'qos': 'Burstable', 'cpuShares': 102}", 999 },
	{ "shares have a ceiling", POD("{'resources': {'requests': {'cpu': '1000'}}}"),
	  "{'qos': 'Burstable', 'cpuShares': 262144}", 999 },
	{ "a quota has a floor", POD("{'resources': {'limits': {'cpu': '1m'}}}"),
	  "{'qos': 'Burstable', 'cpuShares': 2, 'cpuQuotaUs': 1000}", 999 },
	{ "an init container that needs more than all others", INIT("{" CPU("3") "}") ", " POD_("{" CPU("1") "}, {" CPU("1") "}"),
	  "{'qos': 'Burstable', 'cpuShares': 3072}", 999 },
	{ "one that needs less", INIT("{" CPU("1") "}") ", " POD_("{" CPU("1") "}, {" CPU("1") "}"),
	  "{'qos': 'Burstable', 'cpuShares': 2048}", 999 },
	{ "sidecars add to the others", INIT("{'restartPolicy': 'Always', " CPU("1") "}") ", " POD_("{" CPU("2") "}"),
	  "{'qos': 'Burstable', 'cpuShares': 3072}", 999 },
	{ "and to the init containers after them",
	  INIT("{" CPU("3") "}, {'restartPolicy': 'Always', " CPU("1") "}, {" CPU("3") "}") ", " POD_("{" CPU("2") "}"),
	  "{'qos': 'Burstable', 'cpuShares': 4096}", 999 },
	{ "an init container without limits", INIT("{}") ", " POD_("{'resources': {" BOTH("limits") "}}"),
	  "{'qos': 'Burstable', 'cpuShares': 512}", 750 },
	{ "and with them", INIT("{'resources': {" BOTH("limits") "}}") ", " POD_("{'resources': {" BOTH("limits") "}}"),
	  "{'qos': 'Guaranteed', 'cpuShares': 512, 'cpuQuotaUs': 50000, 'memoryBytes': 1073741824}", -997 },
	{ "all of the node's memory", POD("{'resources': {'requests': {'memory': '4Gi'}}}"),
	  "{'qos': 'Burstable', 'cpuShares': 2}", 3 },
};
/* clang-format on */

Test(pod_resources, a_sidecar_is_no_likelier_to_be_killed_than_those_it_serves)
{
	autojson *spec = json_like(INIT("{'restartPolicy': 'Always'}, {}") ", " POD_(
		"{'resources': {'requests': {'memory': '1Gi'}}}, {}"));
	json_t *init = json_object_get(spec, "initContainers");

	cr_expect_eq(pod_resources_oom_score_adj(spec, json_array_get(init, 0), INT64_C(4) << 30),
		     750);
	cr_expect_eq(pod_resources_oom_score_adj(spec, json_array_get(init, 1), INT64_C(4) << 30),
		     999);
}

Test(pod_resources, figures_of_a_pod)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autojson *spec = json_like(cases[i].spec);
		autojson *got = pod_resources_sandbox(spec);
		const json_t *first = json_array_get(json_object_get(spec, "containers"), 0);
		int oom = pod_resources_oom_score_adj(spec, first, INT64_C(4) << 30);

		expect_json(cases[i].name, got, cases[i].sandbox);
		cr_expect(oom == cases[i].oom, "%s (%s)\n got oom_score_adj %d\nwant %d",
			  cases[i].name, cases[i].spec, oom, cases[i].oom);
	}
}
