/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One record per source, configured or not, and its object derived from that each time. A source
 * that is configured no more keeps its object as long as apps are left that came from it.
 */
#include "reconciler/sources.h"

#include <assert.h>
#include <string.h>

#include "base/log.h"
#include "base/strbuf.h"
#include "reconciler/events.h"
#include "reconciler/sync.h"

#define SLUG_MAX 40

struct record {
	char *name;
	char *location; /* NULL: not configured */
	json_t *spec;
	char *revision;
	struct err problem; /* code 0: none */
};

struct sources {
	struct record *items;
	size_t n, cap;
	bool known; /* the configuration has been told */
	struct err configuration;
};

struct sources *sources_new(void)
{
	return NEW(struct sources);
}

static void record_clear(struct record *rec)
{
	free(rec->name);
	free(rec->location);
	free(rec->revision);
	json_decref(rec->spec);
	*rec = (struct record){};
}

struct sources *sources_free(struct sources *s)
{
	if (!s)
		return NULL;
	for (size_t i = 0; i < s->n; i++)
		record_clear(&s->items[i]);
	free(s->items);
	free(s);
	return NULL;
}

static struct record *find(struct sources *s, const char *name)
{
	for (size_t i = 0; i < s->n; i++) {
		if (str_eq(s->items[i].name, name))
			return &s->items[i];
	}
	return NULL;
}

/* Borrowed until the next one is added or removed. */
static struct record *ensure(struct sources *s, const char *name)
{
	struct record *rec = find(s, name);

	if (rec)
		return rec;
	GROW(s->items, s->cap, s->n + 1);
	rec = &s->items[s->n++];
	*rec = (struct record){.name = mem_strdup(name)};
	return rec;
}

static void replace_string(char **target, const char *value)
{
	char *copy = mem_strdup(value);

	free(*target);
	*target = copy;
}

char *sources_object_name(const char *source)
{
	const char *base = strrchr(source, '/');
	autostrbuf out = STRBUF_INIT;
	uint32_t hash;

	if (*source != '/')
		return mem_strdup(source);
	for (const char *p = base + 1; *p && out.len < SLUG_MAX; p++) {
		char c = *p >= 'A' && *p <= 'Z' ? (char)(*p - 'A' + 'a') : *p;
		bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');

		if (plain || (out.len > 0 && out.data[out.len - 1] != '-'))
			strbuf_addc(&out, plain ? c : '-');
	}
	if (out.len > 0 && out.data[out.len - 1] != '-')
		strbuf_addc(&out, '-');
	hash = str_fnv32(STR_FNV32_INIT, source, strlen(source));
	strbuf_addf(&out, "%08x", hash);
	return strbuf_take(&out);
}

/* ---- what the store remembers ---- */

static void load_object(const json_t *o, void *data)
{
	struct sources *s = data;
	const char *name = json_path_str(o, "status.source", "");
	struct record *rec;

	if (!*name)
		return;
	rec = ensure(s, name);
	replace_string(&rec->revision, json_path_str(o, "status.revision", ""));
}

static void load_app(const json_t *o, void *data)
{
	const char *name = json_path_str(o, "spec.source", "");

	if (*name)
		(void)ensure(data, name);
}

void sources_load(struct reconciler *r)
{
	store_each(r->store, KIND_SOURCE, NULL, load_object, r->sources);
	store_each(r->store, KIND_APP, NULL, load_app, r->sources);
}

/* ---- what is told ---- */

void sources_queue_all(struct reconciler *r)
{
	for (size_t i = 0; i < r->sources->n; i++)
		reconciler_queue(r, WORK_SOURCE, r->sources->items[i].name);
}

void reconciler_sources(struct reconciler *r, const json_t *sources)
{
	const char *name;
	const json_t *source;

	assert(json_is_object(sources));
	for (size_t i = 0; i < r->sources->n; i++) {
		struct record *rec = &r->sources->items[i];

		if (!rec->location || json_object_get(sources, rec->name))
			continue;
		log_warn("source is configured no more; what runs goes on",
			 LOG_KV("source", rec->name));
		free(rec->location);
		rec->location = NULL;
		rec->problem = (struct err){0};
		sync_source_gone(r, rec->name);
	}
	json_object_foreach((json_t *)sources, name, source) {
		struct record *rec = ensure(r->sources, name);

		if (rec->location && !str_eq(rec->location, json_path_str(source, "location", "")))
			rec->problem = (struct err){0};
		replace_string(&rec->location, json_path_str(source, "location", ""));
		json_decref(rec->spec);
		rec->spec = json_clone(json_object_get(source, "spec"));
	}
	r->sources->known = true;
	sources_queue_all(r);
}

void reconciler_configuration_problem(struct reconciler *r, const struct err *err)
{
	r->sources->configuration = err ? *err : (struct err){0};
	sources_queue_all(r);
}

void reconciler_source_problem(struct reconciler *r, const char *source, const struct err *err)
{
	struct record *rec = find(r->sources, source);

	if (!rec)
		return;
	rec->problem = err ? *err : (struct err){0};
	reconciler_queue(r, WORK_SOURCE, source);
}

void sources_revision(struct reconciler *r, const char *source, const char *revision)
{
	struct record *rec = ensure(r->sources, source);

	replace_string(&rec->revision, revision);
	rec->problem = (struct err){0};
	sources_queue_all(r); /* one may have lost an app to this one */
}

void reconciler_source_warning(struct reconciler *r, const char *source, const char *reason,
			       const char *message)
{
	autofree char *name = sources_object_name(source);
	const json_t *o = store_get(r->store, KIND_SOURCE, NULL, name);

	if (!o)
		return;
	events_warning(r, o, "recond", reason, "%s", message);
	reconciler_queue(r, WORK_SOURCE, source); /* a pass, for the event */
}

/* ---- the object ---- */

/* What can be done about a problem of reading, by its reason. */
static const char *remedy_of(const char *reason)
{
	static const struct {
		const char *reason, *remedy;
	} remedies[] = {
		{"SourceMissing", "make it, or correct where the source is configured to be"},
		{"SourceReplaced", "put its content back"},
		{"BranchNotFound",
		 "push that branch, or correct the branch that the source is configured with"},
		{"UnsupportedRepository",
		 "clone it without borrowed objects, with SHA-1 names and files for refs"},
		{"InvalidTree", "push a commit that git itself would write ('git fsck' names it)"},
		{"SourceTooLarge", "move what is no manifest and no build context out of it"},
		{"SourceUnreadable", "the log of recond says more; it goes on trying"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(remedies); i++)
		if (str_eq(remedies[i].reason, reason))
			return remedies[i].remedy;
	return "";
}

struct verdict {
	const char *phase;
	const char *ready; /* status of the condition */
	const char *reason;
	const char *message;
	const char *remedy;
};

static struct verdict judge(const struct record *rec)
{
	if (!rec->location)
		return (struct verdict){
			"NotConfigured", "False", "NotConfigured",
			"no configuration names it any more: its apps are left running",
			"configure it again, or have another source hold its apps"};
	if (rec->problem.code)
		return (struct verdict){"Failed", "False", rec->problem.reason,
					rec->problem.message, remedy_of(rec->problem.reason)};
	if (!rec->revision || !*rec->revision)
		return (struct verdict){"Waiting", "Unknown", "NotRead", "it was not read yet", ""};
	return (struct verdict){"Ready", "True", "Read", "", ""};
}

/* O is the object as it was. */
static json_t *status_of(struct reconciler *r, const struct record *rec, const json_t *o,
			 const struct verdict *v)
{
	const char *location = rec->location ?: json_path_str(o, "status.location", rec->name);
	json_t *status = json_object();

	json_set(status, "source", json_text(rec->name));
	json_set(status, "location", json_text(location));
	json_set(status, "phase", json_text(v->phase));
	json_set(status, "reason", json_text(str_eq(v->phase, "Ready") ? "" : v->reason));
	json_set(status, "message", json_text(v->message));
	json_set(status, "remedy", json_text(v->remedy));
	json_set(status, "revision", json_text(rec->revision ?: ""));
	json_set(status, "apps", sync_apps_of_source(r, rec->name));
	return status;
}

static void set_conditions(struct reconciler *r, json_t *o, const struct verdict *v)
{
	const struct err *problem = &r->sources->configuration;
	char now[CLOCK_RFC3339_SIZE];

	reconciler_rfc3339(r, now);
	(void)object_set_condition(o, "Ready", v->ready, v->reason, v->message, now);
	if (problem->code)
		(void)object_set_condition(o, "ConfigurationCurrent", "False",
					   "InvalidConfiguration", problem->message, now);
	else
		(void)object_set_condition(o, "ConfigurationCurrent", "True", "Loaded", "", now);
}

static json_t *object_of(struct reconciler *r, const struct record *rec, const char *name)
{
	const json_t *live = store_get(r->store, KIND_SOURCE, NULL, name);
	json_t *o;

	if (live) {
		o = json_clone(live);
		if (rec->spec)
			json_set(o, "spec", json_clone(rec->spec));
		return o;
	}
	return json_pack("{s:s, s:s, s:{s:s}, s:o}", "apiVersion",
			 kind_info(KIND_SOURCE)->api_version, "kind", "Source", "metadata", "name",
			 name, "spec", rec->spec ? json_clone(rec->spec) : json_object());
}

static void event_of_phase(struct reconciler *r, const json_t *o, const struct verdict *v)
{
	if (str_eq(v->phase, "Ready"))
		events_normal(r, o, "recond", "Read", "revision %s",
			      json_path_str(o, "status.revision", ""));
	else if (!str_eq(v->phase, "Waiting"))
		events_warning(r, o, "recond", v->reason, "%s", v->message);
}

static void write_object(struct reconciler *r, const struct record *rec, const char *name)
{
	struct verdict v = judge(rec);
	autojson *o = object_of(r, rec, name);
	json_t *status = status_of(r, rec, o, &v), *conditions = json_path(o, "status.conditions");
	bool moved = !str_eq(json_path_str(o, "status.phase", ""), v.phase);

	if (conditions)
		json_set(status, "conditions", json_incref(conditions));
	json_set(o, "status", status);
	set_conditions(r, o, &v);
	if (store_update(r->store, o) == 0)
		(void)store_update_status(r->store, o);
	else
		(void)store_create(r->store, o, NULL);
	if (moved)
		event_of_phase(r, store_get(r->store, KIND_SOURCE, NULL, name), &v);
}

static void forget(struct reconciler *r, struct record *rec, const char *name)
{
	struct sources *s = r->sources;

	(void)store_delete(r->store, KIND_SOURCE, NULL, name);
	record_clear(rec);
	*rec = s->items[--s->n];
}

void sources_reconcile(struct reconciler *r, const char *key)
{
	struct record *rec = find(r->sources, key);
	autofree char *name = sources_object_name(key);
	autojson *apps = NULL;

	if (!rec || !r->sources->known)
		return;
	apps = sync_apps_of_source(r, key);
	if (!rec->location && json_array_size(apps) == 0)
		forget(r, rec, name);
	else
		write_object(r, rec, name);
}
