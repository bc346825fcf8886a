/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The App object: what people and tools read about an app. Derived from the records of sync each
 * time; written only when something changed.
 */
#include <string.h>

#include "reconciler/events.h"
#include "reconciler/sync_priv.h"

static json_t *brief(const json_t *set)
{
	json_t *out = json_object();
	static const char *const members[] = {"n", "revision", "inputs", "since"};

	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		json_t *value = json_object_get(set, members[i]);

		if (value)
			json_set(out, members[i], json_incref(value));
	}
	return out;
}

/* The array KEY of J, or an empty one. Owned by the caller. */
static json_t *list_member(const json_t *j, const char *key)
{
	json_t *list = json_object_get(j, key);

	return list ? json_incref(list) : json_array();
}

static void ensure_object(struct reconciler *r, const struct app *app)
{
	autojson *o = NULL;

	if (store_get(r->store, KIND_APP, NULL, app->name))
		return;
	o = json_pack("{s:s, s:s, s:{s:s}, s:{s:s}}", "apiVersion",
		      kind_info(KIND_APP)->api_version, "kind", "App", "metadata", "name",
		      app->name, "spec", "source",
		      json_path_str(app->doc, "source", app->source ? app->source : ""));
	(void)store_create(r->store, o, NULL);
}

static void event_of_phase(struct reconciler *r, const json_t *o, const char *phase,
			   const char *reason, const char *message)
{
	if (str_eq(phase, "Held") || str_eq(phase, "Invalid"))
		events_warning(r, o, "recond", *reason ? reason : phase, "%s", message);
}

/* What people may ask next depends on these. */
static void add_record(json_t *status, const struct app *app)
{
	const json_t *rollout = rollout_of(app), *held = json_object_get(app->doc, "held");
	const char *paused = json_path_str(app->doc, "paused", "");

	if (rollout)
		json_set(status, "rollout", brief(rollout));
	if (held)
		json_set(status, "held",
			 json_pack("{s:s, s:s, s:s, s:s}", "kind", json_path_str(held, "kind", ""),
				   "revision", json_path_str(held, "revision", ""), "since",
				   json_path_str(held, "since", ""), "restored",
				   json_path_str(held, "restored", "")));
	if (*paused)
		json_set(status, "pausedSince", json_text(paused));
}

void app_status_write(struct reconciler *r, const struct app *app, const char *phase,
		      const char *reason, const char *message)
{
	autojson *copy = NULL;
	const json_t *live, *before;
	char now[CLOCK_RFC3339_SIZE];
	bool changed;
	json_t *status;

	ensure_object(r, app);
	live = store_get(r->store, KIND_APP, NULL, app->name);
	before = json_path(live, "status.conditions");
	copy = json_copy((json_t *)(uintptr_t)live);
	json_set(copy, "spec", json_clone(json_object_get(live, "spec")));
	changed = !str_eq(json_path_str(live, "status.phase", ""), phase) ||
		  !str_eq(json_path_str(live, "status.reason", ""), reason);
	if (app->source) /* it may have been taken over */
		json_path_set_new(copy, "spec.source", json_text(app->source));
	status = json_object();
	json_set(status, "phase", json_text(phase));
	json_set(status, "reason", json_text(reason));
	json_set(status, "message", json_text(message));
	json_set(status, "desired",
		 json_pack("{s:s, s:s}", "revision", app->revision ? app->revision : "", "inputs",
			   app->inputs ? app->inputs : ""));
	json_set(status, "effective", brief(json_object_get(app->doc, "effective")));
	add_record(status, app);
	json_set(status, "errors", list_member(app->decoded, "errors"));
	json_set(status, "notes", list_member(app->decoded, "notes"));
	if (before) /* keeps the transition time of what did not change */
		json_set(status, "conditions", json_clone(before));
	json_set(copy, "status", status);
	reconciler_rfc3339(r, now);
	object_set_condition(copy, "Held", str_eq(phase, "Held") ? "True" : "False", reason,
			     message,
			     before ? now : json_path_str(live, "metadata.creationTimestamp", ""));
	(void)store_update_status(r->store, copy);
	if (changed)
		event_of_phase(r, copy, phase, reason, message);
}
