/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the policy costs as it grows: the same acts on a small and on a large host, on a store in
 * memory and ports that answer at once, in processor time, with ratios. Two layouts: each
 * Deployment in an app of its own, and all of them in one app. Two pods each.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/json.h"
#include "base/log.h"
#include "base/str.h"
#include "reconciler/object.h"
#include "reconciler/reconciler.h"

#define SMALL 10
#define LARGE 500
#define REPLICAS 2
#define ROUNDS 3 /* the median counts */
#define IDLE_RUNS 100000

enum answer_type { SANDBOX, START, EXIT, GONE, DECODED, CHECK };

struct answer {
	enum answer_type type;
	char *id, *name;
	unsigned int attempt;
};

struct host {
	uint64_t now_ms, wake_ms, random;
	struct answer *answers; /* first in, first out from `first` on */
	size_t first, n, cap;
	json_t *apps; /* name -> array of objects */
	unsigned int revision;
	bool probed; /* readiness and liveness of every container, every ten seconds */
	struct store *store;
	struct reconciler *r;
};

/* ---- ports that answer at once ---- */

static uint64_t port_now(void *data)
{
	return ((struct host *)data)->now_ms;
}

static int64_t port_realtime(void *data)
{
	return 1800000000000000000 + (int64_t)((struct host *)data)->now_ms * 1000000;
}

static void port_random(void *data, void *buf, size_t n)
{
	struct host *h = data;

	for (size_t i = 0; i < n; i++) {
		h->random = h->random * 6364136223846793005u + 1442695040888963407u;
		((unsigned char *)buf)[i] = (unsigned char)(h->random >> 56);
	}
}

static void port_wake(void *data, uint64_t at_ms)
{
	((struct host *)data)->wake_ms = at_ms;
}

static void owe(struct host *h, enum answer_type type, const char *id, const char *name,
		unsigned int attempt)
{
	GROW(h->answers, h->cap, h->n + 1);
	h->answers[h->n++] = (struct answer){type, mem_strdup(id), mem_strdup(name), attempt};
}

static int port_image_resolve(void *data UNUSED, char *ret, const char *ref)
{
	(void)snprintf(ret, 80, "sha256:%-64.60s", ref);
	return 1;
}

static void port_decode(void *data, const char *source, const char *revision)
{
	owe(data, DECODED, source, revision, 0);
}

static void port_sandbox_up(void *data, const json_t *request)
{
	owe(data, SANDBOX, json_path_str(request, "uid", ""), NULL, 0);
}

static void port_container_start(void *data, const json_t *request)
{
	owe(data, START, json_path_str(request, "podUid", ""), json_path_str(request, "name", ""),
	    (unsigned int)json_path_int(request, "attempt", 0));
}

static void port_container_signal(void *data, const char *uid, const char *name,
				  unsigned int attempt, int signo UNUSED)
{
	owe(data, EXIT, uid, name, attempt);
}

static void port_pod_down(void *data, const char *uid)
{
	owe(data, GONE, uid, NULL, 0);
}

static bool port_container_lives(void *data UNUSED, const char *uid UNUSED, const char *name UNUSED,
				 unsigned int attempt UNUSED)
{
	return true;
}

static void port_check(void *data, const char *id, const json_t *request UNUSED)
{
	owe(data, CHECK, id, NULL, 0);
}

static void port_check_cancel(void *data UNUSED, const char *id UNUSED)
{
}

static void port_notify(void *data UNUSED, const char *source UNUSED, const json_t *event UNUSED)
{
}

static const struct ports ports = {
	.now_ms = port_now,
	.realtime_ns = port_realtime,
	.random = port_random,
	.wake_at = port_wake,
	.image_resolve = port_image_resolve,
	.decode = port_decode,
	.sandbox_up = port_sandbox_up,
	.container_start = port_container_start,
	.container_signal = port_container_signal,
	.pod_down = port_pod_down,
	.container_lives = port_container_lives,
	.check = port_check,
	.check_cancel = port_check_cancel,
	.notify = port_notify,
};

/* ---- the host ---- */

static json_t *decoded(const json_t *apps)
{
	json_t *list = json_array(), *objects, *o;
	const char *name;
	size_t i;

	json_object_foreach((json_t *)(uintptr_t)apps, name, objects) {
		json_t *entries = json_array();

		json_array_foreach(objects, i, o)
			json_array_append_new(entries, json_pack("{s:s, s:i, s:O}", "file",
								 "a.yaml", "line", 1, "object", o));
		json_array_append_new(list, json_pack("{s:s, s:o, s:[], s:[]}", "name", name,
						      "objects", entries, "errors", "notes"));
	}
	return json_pack("{s:o}", "apps", list);
}

static void answer(struct host *h, const struct answer *a)
{
	autojson *started = json_pack("{s:s, s:i, s:s}", "id", a->id, "pid", 42, "started_at",
				      "2027-01-15T08:00:00Z");
	autojson *ended = json_pack("{s:i, s:s, s:s}", "exit_code", 0, "started_at",
				    "2027-01-15T08:00:00Z", "finished_at", "2027-01-15T08:00:01Z");
	autojson *result = NULL;

	switch (a->type) {
	case SANDBOX:
		return reconciler_sandbox_ready(h->r, a->id, "10.0.0.7");
	case START:
		return reconciler_container_started(h->r, a->id, a->name, a->attempt, started);
	case EXIT:
		return reconciler_container_exited(h->r, a->id, a->name, a->attempt, ended);
	case GONE:
		return reconciler_pod_gone(h->r, a->id);
	case DECODED:
		result = decoded(h->apps);
		return reconciler_decoded(h->r, a->id, a->name, result, NULL);
	case CHECK:
		return reconciler_check_done(h->r, a->id, true, "");
	}
}

static void run(struct host *h)
{
	struct err err = {0};

	if (reconciler_run(h->r, &err) == 0)
		return;
	fprintf(stderr, "%s\n", err.message);
	exit(EXIT_FAILURE);
}

/* Until nothing is owed and nothing is due within FOR_MS. */
static void settle(struct host *h, uint64_t for_ms)
{
	uint64_t end = h->now_ms + for_ms;

	run(h);
	for (;;) {
		while (h->first < h->n) {
			struct answer a = h->answers[h->first++];

			answer(h, &a);
			free(a.id);
			free(a.name);
		}
		h->first = h->n = 0;
		run(h);
		if (h->n > 0)
			continue;
		if (h->wake_ms > end)
			break;
		h->now_ms = h->wake_ms > h->now_ms ? h->wake_ms : h->now_ms;
	}
	h->now_ms = end;
}

static struct host *host_new(void)
{
	struct host *h = NEW(struct host);
	struct store_env env = {.realtime_ns = port_realtime, .random = port_random, .data = h};
	struct reconciler_config config = {.node_name = "node", .host_ip = "192.0.2.1"};
	struct ports p = ports;
	struct err err = {0};

	p.data = h;
	h->apps = json_object();
	if (store_open(&h->store, NULL, &env, &err) < 0)
		exit(EXIT_FAILURE);
	h->r = reconciler_new(h->store, &p, &config);
	reconciler_recovered(h->r);
	return h;
}

static void host_free(struct host *h)
{
	reconciler_free(h->r);
	store_free(h->store);
	json_decref(h->apps);
	free(h->answers);
	free(h);
}

/* ---- what it is asked to do ---- */

static json_t *deployment(int number, const char *image)
{
	autofree char *name = mem_asprintf("web-%d", number);
	json_t *d = json_pack(
		"{s:s, s:s, s:{s:s, s:s}, s:{s:i, s:{s:{s:s}}, s:{s:{s:{s:s}}, s:{s:s, s:i, s:[{s:s, s:s}]}}}}",
		"apiVersion", "apps/v1", "kind", "Deployment", "metadata", "name", name,
		"namespace", "default", "spec", "replicas", REPLICAS, "selector", "matchLabels",
		"app", name, "template", "metadata", "labels", "app", name, "spec", "restartPolicy",
		"Always", "terminationGracePeriodSeconds", 30, "containers", "name", "main",
		"image", image);

	/* As if the manifest left it out: it may be scaled through the API. */
	json_set(d, "defaulted", json_pack("{s:{s:b}}", "spec", "replicas", 1));
	return d;
}

static json_t *probed_deployment(int number, const char *image)
{
	json_t *d = deployment(number, image);
	json_t *c = json_path(d, "spec.template.spec.containers.[0]");

	json_set(c, "readinessProbe", json_pack("{s:{s:i}}", "httpGet", "port", 80));
	json_set(c, "livenessProbe", json_pack("{s:{s:[s]}}", "exec", "command", "true"));
	return d;
}

static void push(struct host *h)
{
	autofree char *revision = mem_asprintf("rev-%u", ++h->revision);
	autojson *apps = json_object();
	const char *name;
	json_t *objects;

	json_object_foreach(h->apps, name, objects) {
		char inputs[80];

		json_digest(inputs, objects);
		json_set(apps, name, json_pack("{s:s}", "inputs", inputs));
	}
	reconciler_revision(h->r, "source", revision, apps);
}

static void set_image(struct host *h, int number, bool one_app, const char *image)
{
	autofree char *name = one_app ? mem_strdup("all") : mem_asprintf("app-%d", number);
	json_t *objects = json_object_get(h->apps, name);
	json_t *d = h->probed ? probed_deployment(number, image) : deployment(number, image);
	size_t at = one_app ? (size_t)number : 0;

	if (!objects) {
		objects = json_array();
		json_set(h->apps, name, objects);
	}
	if (at < json_array_size(objects))
		json_array_set_new(objects, at, d);
	else
		json_array_append_new(objects, d);
}

static double cpu_us(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

/* Every Deployment complete, and every app verified? */
static void expect_rest(struct host *h, int n, const char *when)
{
	autojson *pods = store_list(h->store, KIND_POD, NULL);
	autojson *apps = store_list(h->store, KIND_APP, NULL);
	json_t *app;
	size_t i;

	json_array_foreach(apps, i, app) {
		if (str_eq(json_path_str(app, "status.phase", ""), "Verified"))
			continue;
		fprintf(stderr, "%s: app %s is %s\n", when, object_name(app),
			json_path_str(app, "status.phase", ""));
		exit(EXIT_FAILURE);
	}
	if (json_array_size(pods) == (size_t)n * REPLICAS)
		return;
	fprintf(stderr, "%s: %zu pods, want %d\n", when, json_array_size(pods), n * REPLICAS);
	exit(EXIT_FAILURE);
}

enum row { CREATE, ROLLOUT, SCALE, CRASH, HOUR, NOTHING, PROBES, ROWS };

/* clang-format off */
static const char *const rows[ROWS] = {
	[CREATE]  = "create, per Deployment of 2 pods (us)",
	[ROLLOUT] = "push that changes one image, to verified (us)",
	[SCALE]   = "one scaled to 3 and back through the API (us)",
	[CRASH]   = "one container ends and is started again (us)",
	[HOUR]    = "an hour in which nothing happens (us)",
	[NOTHING] = "a look at an empty queue (ns)",
	[PROBES]  = "a second of two probes per pod every ten (us)",
};
/* clang-format on */

static void scale(struct host *h, int replicas)
{
	autojson *d = json_deep_copy(store_get(h->store, KIND_DEPLOYMENT, "default", "web-3"));

	json_path_set_new(d, "spec.replicas", json_integer(replicas));
	(void)store_update(h->store, d);
	settle(h, 1000);
}

static void crash(struct host *h)
{
	autojson *pods = store_list(h->store, KIND_POD, NULL);

	owe(h, EXIT, object_uid(json_array_get(pods, 4)), "main", 0);
}

/* Per second, when all probes go well. */
static double probes(int n, bool one_app)
{
	struct host *h = host_new();
	double t;

	h->probed = true;
	for (int i = 0; i < n; i++)
		set_image(h, i, one_app, "web:1");
	push(h);
	settle(h, 300000);
	expect_rest(h, n, "with probes");
	t = cpu_us();
	settle(h, 100000);
	t = (cpu_us() - t) / 100;
	host_free(h);
	return t;
}

/* One round on N Deployments: figures into RET. */
static void one_round(double ret[ROWS], int n, bool one_app)
{
	struct host *h = host_new();
	double t = cpu_us();

	for (int i = 0; i < n; i++)
		set_image(h, i, one_app, "web:1");
	push(h);
	settle(h, 100000);
	ret[CREATE] = (cpu_us() - t) / n;
	expect_rest(h, n, "after creation");

	set_image(h, 3, one_app, "web:2");
	t = cpu_us();
	push(h);
	settle(h, 100000);
	ret[ROLLOUT] = cpu_us() - t;
	expect_rest(h, n, "after a rollout");

	t = cpu_us();
	scale(h, 3);
	scale(h, REPLICAS);
	settle(h, 50000);
	ret[SCALE] = cpu_us() - t;

	crash(h);
	t = cpu_us();
	settle(h, 20000);
	ret[CRASH] = cpu_us() - t;

	settle(h, 2 * 3600000); /* events are forgotten, deadlines run out */
	expect_rest(h, n, "after two hours");
	t = cpu_us();
	settle(h, 3600000);
	ret[HOUR] = cpu_us() - t;

	t = cpu_us();
	for (int i = 0; i < IDLE_RUNS; i++)
		run(h);
	ret[NOTHING] = (cpu_us() - t) * 1000 / IDLE_RUNS;
	host_free(h);
	ret[PROBES] = probes(n, one_app);
}

static int compare_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* Medians of ROUNDS rounds. */
static void measure(double ret[ROWS], int n, bool one_app)
{
	double figures[ROUNDS][ROWS];

	for (int round = 0; round < ROUNDS; round++)
		one_round(figures[round], n, one_app);
	for (int row = 0; row < ROWS; row++) {
		double column[ROUNDS];

		for (int round = 0; round < ROUNDS; round++)
			column[round] = figures[round][row];
		qsort(column, ROUNDS, sizeof(column[0]), compare_double);
		ret[row] = column[ROUNDS / 2];
	}
}

/* [LARGE]: how many Deployments the large host has. */
int main(int argc, char **argv)
{
	int64_t n = LARGE;

	if (argc > 1 && str_parse_i64(&n, argv[1], 1, 100000) < 0)
		return EXIT_FAILURE;
	log_set_level(LOG_LEVEL_ERROR);
	for (int one_app = 0; one_app < 2; one_app++) {
		double small[ROWS], large[ROWS];

		measure(small, SMALL, one_app);
		measure(large, (int)n, one_app);
		printf("%s\n%-50s %10d %10d %8s\n",
		       one_app ? "\nall Deployments in one app"
			       : "each Deployment in an app of its own",
		       "", SMALL, (int)n, "ratio");
		for (int row = 0; row < ROWS; row++)
			printf("%-50s %10.0f %10.0f %8.1f\n", rows[row], small[row], large[row],
			       large[row] / (small[row] > 0 ? small[row] : 1));
	}
	return EXIT_SUCCESS;
}
