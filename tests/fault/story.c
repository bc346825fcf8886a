/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fault_story DIR [STORE-DIR]: the policy with its store in a file, on a host in a file, through
 * four revisions: first roll-out, update, an update that cannot run (held, rolled back), a smaller
 * one. Started again on the same DIR it goes on where it was. Status 0: every revision came to rest
 * as it should; 1: the store failed; 3: an invariant is broken; a signal: it died. A driver makes
 * it die anywhere.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "base/str.h"
#include "tests/fault/host.h"

#define QUIET_MS 700000 /* beyond a progress deadline */

static const struct revision {
	const char *image;
	int replicas;
	const char *value;  /* of the ConfigMap */
	const char *phase;  /* that it comes to */
	const char *runs;   /* the image that serves then */
	int serving;        /* how many of it */
	const char *serves; /* the value that is in force then */
} revisions[] = {
	{"web:1", 3, "one", "Verified", "web:1", 3, "one"},
	{"web:2", 3, "two", "Verified", "web:2", 3, "two"},
	{"web:broken", 3, "three", "Held", "web:2", 3, "two"},
	{"web:2", 2, "four", "Verified", "web:2", 2, "four"},
};

static json_t *deployment(const char *image, int replicas)
{
	return json_pack(
		"{s:s, s:s, s:{s:s, s:s}, s:{s:i, s:{s:{s:s}}, s:{s:{s:{s:s}}, s:{s:s, s:i, s:[{s:s, s:s, s:[{s:{s:s}}]}]}}}}",
		"apiVersion", "apps/v1", "kind", "Deployment", "metadata", "name", "web",
		"namespace", "default", "spec", "replicas", replicas, "selector", "matchLabels",
		"app", "web", "template", "metadata", "labels", "app", "web", "spec",
		"restartPolicy", "Always", "terminationGracePeriodSeconds", 30, "containers",
		"name", "main", "image", image, "envFrom", "configMapRef", "name", "settings");
}

static json_t *apps_of(const struct revision *v)
{
	json_t *config = json_pack("{s:s, s:s, s:{s:s, s:s}, s:{s:s}}", "apiVersion", "v1", "kind",
				   "ConfigMap", "metadata", "name", "settings", "namespace",
				   "default", "data", "value", v->value);

	return json_pack("{s:{s:[o, o]}}", "shop", "objects", config,
			 deployment(v->image, v->replicas));
}

static const char *value_in_force(struct store *s)
{
	return json_path_str(store_get(s, KIND_CONFIGMAP, "default", "settings"), "data.value", "");
}

static int wrong(int n, const char *what, const char *got, const char *want)
{
	(void)fprintf(stderr, "invariant broken: after revision %d: %s is '%s', not '%s'\n", n,
		      what, got, want);
	return 3;
}

/* Is everything as revision N leaves it? 0, or 3 having said what is not. */
static int verify(struct host *h, struct store *s, int n)
{
	const struct revision *v = &revisions[n - 1];
	const json_t *app = store_get(s, KIND_APP, NULL, "shop");
	char got[16], want[16];

	if (!str_eq(json_path_str(app, "status.phase", ""), v->phase))
		return wrong(n, "the phase", json_path_str(app, "status.phase", ""), v->phase);
	(void)snprintf(got, sizeof(got), "%d", host_running(h, v->runs));
	(void)snprintf(want, sizeof(want), "%d", v->serving);
	if (!str_eq(got, want))
		return wrong(n, "the number of containers that should run", got, want);
	(void)snprintf(got, sizeof(got), "%d", host_running(h, NULL));
	if (!str_eq(got, want))
		return wrong(n, "the number of containers in all", got, want);
	if (!str_eq(value_in_force(s), v->serves))
		return wrong(n, "the value in force", value_in_force(s), v->serves);
	return 0;
}

/* What was acknowledged must be in a store that was just opened. */
static int verify_acked(struct host *h, struct store *s)
{
	int n = host_acked(h);
	bool newer = false;

	if (store_resource_version(s) < host_newest_write(h))
		return wrong(n, "the store", "older", "what was acknowledged");
	for (size_t i = (size_t)n; n > 0 && i < ARRAY_SIZE(revisions); i++)
		newer = newer || str_eq(value_in_force(s), revisions[i].value);
	if (n == 0 || newer || str_eq(value_in_force(s), revisions[n - 1].serves))
		return 0;
	return wrong(n, "what was acknowledged", value_in_force(s), revisions[n - 1].serves);
}

static int tell_story(struct host *h, struct reconciler *r, struct err *err)
{
	int from = host_pushed(h) > 0 ? host_pushed(h) : 1, verdict;

	/* The newest revision is seen again first: if it was through, nothing may move for it. */
	for (int n = from; n <= (int)ARRAY_SIZE(revisions); n++) {
		bool again = n == host_acked(h);
		int starts = host_starts(h);

		host_push(h, r, n, apps_of(&revisions[n - 1]));
		if (host_run(h, r, QUIET_MS, err) < 0)
			return -1;
		verdict = verify(h, reconciler_store(r), n);
		if (verdict)
			return verdict;
		if (again && host_starts(h) != starts)
			return wrong(n, "what happened on a restart", "a start", "nothing");
		host_ack(h, n);
	}
	return 0;
}

static void on_write(const struct store_event *event, void *data)
{
	host_note_write(data, event->resource_version);
}

int main(int argc, char **argv)
{
	struct reconciler_config config = {
		.node_name = "node", .host_ip = "192.0.2.1", .node = {1 << 30, 2}};
	autofree char *path = NULL;
	struct reconciler *r;
	struct store *s = NULL;
	struct store_env env;
	struct ports ports;
	struct err err = {0};
	struct host *h;
	int verdict;

	if (argc != 2 && argc != 3)
		return 2;
	log_set_level(LOG_LEVEL_ERROR);
	h = host_open(argv[1], argv[argc - 1]);
	host_wire(h, &ports, &env);
	path = mem_asprintf("%s/recond.db", argv[argc - 1]);
	if (store_open(&s, path, &env, &err) < 0) {
		(void)fprintf(stderr, "%s\n", err.message);
		return 1;
	}
	verdict = verify_acked(h, s);
	if (verdict)
		return verdict;
	(void)store_watch(s, on_write, h);
	r = reconciler_new(s, &ports, &config);
	host_recover(h, r);
	verdict = tell_story(h, r, &err);
	if (verdict < 0)
		(void)fprintf(stderr, "%s\n", err.message);
	reconciler_abandon(r);
	store_free(s);
	host_close(h);
	return verdict < 0 ? 1 : verdict;
}
