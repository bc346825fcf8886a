/* SPDX-License-Identifier: Apache-2.0 */
/* Probes of a container: what answers mean, which probe runs when, what a restart of recond keeps.
 */
#include "reconciler/controllers/probe.h"

#include "tests/unit/policy/lib.h"

#define START_MS 50000
#define ALL                                                                                        \
	"{'startupProbe': {'periodSeconds': 2, 'failureThreshold': 3},"                            \
	" 'readinessProbe': {'periodSeconds': 5},"                                                 \
	" 'livenessProbe': {'periodSeconds': 7, 'initialDelaySeconds': 1}}"

/* clang-format off */
/* Answers as letters (o: well, x: not); after each: '.' nothing, '!' changed, 'K' kill. */
static const struct { const char *name, *spec; enum probe_type type; const char *answers, *verdicts; bool ready; } runs[] = {
	{ "one success is enough", "{'readinessProbe': {}}", PROBE_READINESS, "o", "!", true },
	{ "more of it change nothing", "{'readinessProbe': {}}", PROBE_READINESS, "ooo", "!..", true },
	{ "not ready from the start: failures change nothing", "{'readinessProbe': {}}", PROBE_READINESS, "xxxx", "....", false },
	{ "three failures in a row take it away", "{'readinessProbe': {}}", PROBE_READINESS, "oxxx", "!..!", false },
	{ "two do not", "{'readinessProbe': {}}", PROBE_READINESS, "oxxoxxo", "!......", true },
	{ "it comes back with one success", "{'readinessProbe': {}}", PROBE_READINESS, "oxxxxo", "!..!.!", true },
	{ "a threshold of successes", "{'readinessProbe': {'successThreshold': 3}}", PROBE_READINESS, "ooxooo", ".....!", true },
	{ "a threshold of one failure", "{'readinessProbe': {'failureThreshold': 1}}", PROBE_READINESS, "oxo", "!!!", true },
	{ "liveness is taken for granted", "{'livenessProbe': {}}", PROBE_LIVENESS, "oo", "..", true },
	{ "three failures kill", "{'livenessProbe': {}}", PROBE_LIVENESS, "oxxx", "...K", true },
	{ "a success in between forgives", "{'livenessProbe': {}}", PROBE_LIVENESS, "xxoxxx", ".....K", true },
	{ "startup succeeds once", "{'startupProbe': {}}", PROBE_STARTUP, "xxo", "..!", true },
	{ "or kills", "{'startupProbe': {'failureThreshold': 2}}", PROBE_STARTUP, "xx", ".K", false },
};
/* clang-format on */

Test(probe, verdicts)
{
	for (size_t i = 0; i < ARRAY_SIZE(runs); i++) {
		autojson *spec = json_like(runs[i].spec);
		struct probe probes[PROBE_N_];
		char got[16] = "";

		probes_begin(probes, spec, START_MS);
		for (size_t k = 0; runs[i].answers[k]; k++) {
			cr_assert(probes_run(probes, runs[i].type, false), "%s: rests",
				  runs[i].name);
			probe_ask(&probes[runs[i].type], START_MS);
			got[k] = ".!K"[probes_answer(probes, runs[i].type,
						     runs[i].answers[k] == 'o', START_MS)];
		}
		cr_expect_str_eq(got, runs[i].verdicts, "%s (%s)\n got %s\nwant %s", runs[i].name,
				 runs[i].answers, got, runs[i].verdicts);
		cr_expect(probes_ready(probes) == runs[i].ready, "%s: ready", runs[i].name);
	}
}

static void answer(struct probe *probes, enum probe_type type, bool ok, uint64_t at_ms)
{
	probe_ask(&probes[type], at_ms);
	(void)probes_answer(probes, type, ok, at_ms);
}

Test(probe, nothing_else_runs_before_startup_succeeded)
{
	autojson *spec = json_like(ALL);
	struct probe probes[PROBE_N_];

	probes_begin(probes, spec, START_MS);
	cr_expect(probes_run(probes, PROBE_STARTUP, false));
	cr_expect_not(probes_run(probes, PROBE_READINESS, false));
	cr_expect_not(probes_run(probes, PROBE_LIVENESS, false));
	cr_expect_not(probes_started(probes));
	cr_expect_eq(probes_next_ms(probes, false), START_MS);
	answer(probes, PROBE_STARTUP, true, START_MS + 9500);
	cr_expect(probes_started(probes));
	cr_expect_not(probes_ready(probes));
	cr_expect_not(probes_run(probes, PROBE_STARTUP, false), "it has given its verdict");
	cr_expect_eq(probes[PROBE_READINESS].due_ms, START_MS + 9500, "readiness at once");
	cr_expect_eq(probes[PROBE_LIVENESS].due_ms, START_MS + 15000, "liveness on its beat");
}

Test(probe, a_run_follows_the_last_one_after_its_period)
{
	autojson *spec =
		json_like("{'readinessProbe': {'periodSeconds': 5, 'initialDelaySeconds': 3}}");
	struct probe probes[PROBE_N_];
	struct probe *p = &probes[PROBE_READINESS];

	probes_begin(probes, spec, START_MS);
	cr_expect_eq(probes_next_ms(probes, false), START_MS + 3000);
	probe_ask(p, START_MS + 3000);
	(void)probes_answer(probes, PROBE_READINESS, true, START_MS + 4000);
	cr_expect_eq(p->due_ms, START_MS + 8000, "counted from the beginning of the run");
	probe_ask(p, START_MS + 8000);
	(void)probes_answer(probes, PROBE_READINESS, true, START_MS + 14000);
	cr_expect_eq(p->due_ms, START_MS + 14000, "one that took longer is followed at once");
}

Test(probe, an_answer_that_never_comes_is_overdue)
{
	autojson *spec = json_like("{'readinessProbe': {'timeoutSeconds': 2}}");
	struct probe probes[PROBE_N_];
	struct probe *p = &probes[PROBE_READINESS];

	probes_begin(probes, spec, START_MS);
	cr_expect_not(probe_overdue(p, START_MS + 1000000), "nobody asked");
	probe_ask(p, START_MS);
	cr_expect_not(probe_overdue(p, START_MS + 2000));
	cr_expect(probe_overdue(p, probes_next_ms(probes, false)));
	cr_expect_leq(probes_next_ms(probes, false), START_MS + 20000);
}

Test(probe, of_an_ending_pod_only_readiness_goes_on)
{
	autojson *spec = json_like("{'readinessProbe': {}, 'livenessProbe': {}}");
	struct probe probes[PROBE_N_];

	probes_begin(probes, spec, START_MS);
	cr_expect(probes_run(probes, PROBE_LIVENESS, false));
	cr_expect_not(probes_run(probes, PROBE_LIVENESS, true));
	cr_expect(probes_run(probes, PROBE_READINESS, true));
}

Test(probe, a_restart_of_recond_keeps_what_held)
{
	autojson *spec = json_like(ALL);
	struct probe probes[PROBE_N_];

	probes_begin(probes, spec, START_MS);
	probes_resume(probes, true, true, START_MS + 100000, 12345);
	cr_expect(probes_started(probes));
	cr_expect(probes_ready(probes));
	cr_expect_not(probes_run(probes, PROBE_STARTUP, false));
	cr_expect_eq(probes[PROBE_READINESS].due_ms, START_MS + 100000 + 2345,
		     "spread over its period");
	cr_expect_eq(probes[PROBE_LIVENESS].due_ms, START_MS + 100000 + 5345);
	answer(probes, PROBE_READINESS, false, START_MS + 102345);
	cr_expect(probes_ready(probes), "one failure is below the threshold");
}

Test(probe, without_probes_a_container_is_ready_once_it_runs)
{
	struct probe probes[PROBE_N_];

	probes_begin(probes, NULL, START_MS);
	cr_expect(probes_started(probes));
	cr_expect(probes_ready(probes));
	cr_expect_eq(probes_next_ms(probes, false), UINT64_MAX);
}

Test(probe, names_are_read_back)
{
	for (int type = 0; type < PROBE_N_; type++) {
		enum probe_type got;

		cr_assert(probe_type_parse(&got, probe_name((enum probe_type)type)));
		cr_expect_eq((int)got, type);
	}
	cr_expect_not(probe_type_parse(&(enum probe_type){0}, "preStop"));
}
