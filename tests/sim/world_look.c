/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stories tell the simulated host to be like, and what they look at.
 */
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "reconciler/object.h"
#include "tests/sim/invariants.h"
#include "tests/sim/world_priv.h"

void world_add_image(struct world *w, const char *ref)
{
	char digest[80];

	world_digest_of(digest, ref);
	json_set(w->images, ref, json_text(digest));
}

void world_remove_image(struct world *w, const char *ref)
{
	json_object_del(w->images, ref);
}

void world_replace_image(struct world *w, const char *ref, const char *content)
{
	char digest[80];

	world_digest_of(digest, content);
	json_set(w->images, ref, json_text(digest));
}

void world_fail_builds(struct world *w, const char *name, bool fail)
{
	if (fail)
		json_set(w->failing_builds, name, json_true());
	else
		json_object_del(w->failing_builds, name);
}

void world_fail_checks(struct world *w, const char *what, const char *check, bool fail)
{
	autofree char *key = check ? mem_asprintf("%s/%s", what, check) : mem_strdup(what);

	if (fail)
		json_set(w->failing_checks, key, json_true());
	else
		json_object_del(w->failing_checks, key);
}

unsigned int world_checks(const struct world *w)
{
	return w->n_checks;
}

unsigned int world_builds(const struct world *w)
{
	return w->n_builds;
}

unsigned int world_starts(const struct world *w)
{
	return w->n_starts;
}

/* Containers that serve: those of pods on their way out do not count. */
static unsigned int running_total(const struct world *w)
{
	unsigned int n = 0;
	const char *uid, *name;
	json_t *pod, *c;

	json_object_foreach(w->pods, uid, pod) {
		const json_t *object = store_get_uid(w->store, uid);

		if (!object || object_deleting(object))
			continue;
		json_object_foreach(json_object_get(pod, "containers"), name, c)
			n += json_path_bool(c, "running", false);
	}
	return n;
}

void world_note_low_water(struct world *w)
{
	unsigned int n = running_total(w);

	if (n < w->low_water)
		w->low_water = n;
}

unsigned int world_low_water(struct world *w)
{
	unsigned int low = w->low_water;

	w->low_water = running_total(w);
	return low;
}

void world_exit_container(struct world *w, const char *uid, int code)
{
	const char *name;
	json_t *c;

	json_object_foreach(json_object_get(json_object_get(w->pods, uid), "containers"), name, c) {
		struct answer *a = world_owe(w, ANSWER_EXIT, uid, 1);

		a->name = mem_strdup(name);
		a->attempt = (unsigned int)json_path_int(c, "attempt", 0);
		a->code = code;
		a->by_chance = true;
		return;
	}
}

unsigned int world_running(const struct world *w, const char *ref)
{
	const char *digest = json_string_value(json_object_get(w->images, ref)), *uid, *name;
	unsigned int n = 0;
	json_t *pod, *c;

	json_object_foreach(w->pods, uid, pod) {
		json_object_foreach(json_object_get(pod, "containers"), name, c)
			n += json_path_bool(c, "running", false) &&
			     str_eq(json_path_str(c, "image", ""), digest);
	}
	return n;
}

const char *world_app_phase(struct world *w, const char *app)
{
	return json_path_str(store_get(w->store, KIND_APP, NULL, app), "status.phase", "");
}

const char *world_app_reason(struct world *w, const char *app)
{
	return json_path_str(store_get(w->store, KIND_APP, NULL, app), "status.reason", "");
}

void world_read_config(json_t *d, const char *name)
{
	json_path_set_new(d, "spec.template.spec.volumes",
			  json_pack("[{s:s, s:{s:s}}]", "name", "c", "configMap", "name", name));
	json_path_set_new(d, "spec.template.spec.containers.[0].env",
			  json_pack("[{s:s, s:{s:{s:s, s:s}}}]", "name", WORLD_CONFIG_KEY,
				    "valueFrom", "configMapKeyRef", "name", name, "key",
				    WORLD_CONFIG_KEY));
}

json_t *world_config(const char *name, const char *text)
{
	return json_pack("{s:s, s:s, s:{s:s, s:s}, s:{s:s}}", "apiVersion", "v1", "kind",
			 "ConfigMap", "metadata", "name", name, "namespace", "default", "data",
			 WORLD_CONFIG_KEY, text);
}

unsigned int world_reads(const struct world *w, const char *text)
{
	return (unsigned int)json_path_int(w->reads, text, 0);
}

json_t *world_deployment(const char *name, const char *image, int replicas)
{
	return json_pack(
		"{s:s, s:s, s:{s:s, s:s}, s:{s:i, s:{s:{s:s}}, s:{s:{s:{s:s}}, s:{s:s, s:i, s:[{s:s, s:s}]}}}}",
		"apiVersion", "apps/v1", "kind", "Deployment", "metadata", "name", name,
		"namespace", "default", "spec", "replicas", replicas, "selector", "matchLabels",
		"app", name, "template", "metadata", "labels", "app", name, "spec", "restartPolicy",
		"Always", "terminationGracePeriodSeconds", 30, "containers", "name", "main",
		"image", image);
}

struct store *world_store(struct world *w)
{
	return w->store;
}

const json_t *world_notices(const struct world *w)
{
	return w->notices;
}

int world_act(struct world *w, const char *app, const char *action, json_t *args, struct err *err)
{
	autojson *result = NULL, *owned = args;

	if (str_eq(action, "retry"))
		invariants_retried(w->invariants, app);
	return reconciler_app_action(w->r, app, action, owned, &result, err);
}

json_t *world_history(struct world *w, const char *app)
{
	return reconciler_app_history(w->r, app);
}
