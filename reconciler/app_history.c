/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The history of an app: each set that was rolled out, with how that ended, so that any of them can
 * be looked at or brought back; and the quarantine: which inputs failed. Both are bounded.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "reconciler/sync_priv.h"

#define BUCKET "history"
#define MAX_ENTRIES 20
#define MAX_QUARANTINE 32

static char *entry_key(const char *app, int64_t n)
{
	return mem_asprintf("%s/%010lld", app, (long long)n);
}

static int64_t number_of(const json_t *entry)
{
	return json_path_int(entry, "n", 0);
}

static void write_entry(struct reconciler *r, const struct app *app, const json_t *entry)
{
	autofree char *key = entry_key(app->name, number_of(entry));

	store_doc_put(r->store, BUCKET, key, entry);
}

static void drop_entry(struct reconciler *r, const char *app, int64_t n)
{
	autofree char *key = entry_key(app, n);

	store_doc_delete(r->store, BUCKET, key);
}

/* The oldest goes first, except what a rollback would need: the effective set and the last good one
 * before it. */
static void trim(struct reconciler *r, struct app *app)
{
	int64_t effective = json_path_int(app->doc, "effective.n", 0);
	const json_t *good = history_last_good(app, json_path_str(app->doc, "effective.id", ""));

	for (size_t i = 0;
	     i < json_array_size(app->history) && json_array_size(app->history) > MAX_ENTRIES;) {
		const json_t *entry = json_array_get(app->history, i);

		if (entry == good || number_of(entry) == effective) {
			i++;
			continue;
		}
		drop_entry(r, app->name, number_of(entry));
		json_array_remove(app->history, i);
	}
}

void history_begin(struct reconciler *r, struct app *app, json_t *set)
{
	int64_t n = json_path_int(app->doc, "next", 1);
	json_t *entry;

	json_set(set, "n", json_integer(n));
	json_set(app->doc, "next", json_integer(n + 1));
	entry = json_copy(set); /* its members are shared, and never changed in place */
	json_object_del(entry, "stage");
	json_object_del(entry, "done");
	json_set(entry, "result", json_text("Progressing"));
	json_array_append_new(app->history, entry);
	write_entry(r, app, entry);
	trim(r, app);
}

static json_t *entry_of(const struct app *app, int64_t n)
{
	json_t *entry;
	size_t i;

	json_array_foreach(app->history, i, entry) {
		if (number_of(entry) == n)
			return entry;
	}
	return NULL;
}

void history_end(struct reconciler *r, struct app *app, int64_t n, const char *result,
		 const struct err *err)
{
	json_t *entry = entry_of(app, n);
	char now[CLOCK_RFC3339_SIZE];

	if (!entry)
		return; /* trimmed meanwhile */
	reconciler_rfc3339(r, now);
	json_set(entry, "result", json_text(result));
	json_set(entry, "reason", json_text(err ? err->reason : ""));
	json_set(entry, "message", json_text(err ? err->message : ""));
	json_set(entry, "end", json_text(now));
	write_entry(r, app, entry);
}

const json_t *history_get(const struct app *app, int64_t n)
{
	return entry_of(app, n);
}

const json_t *history_last_good(const struct app *app, const char *but)
{
	for (size_t i = json_array_size(app->history); i > 0; i--) {
		const json_t *entry = json_array_get(app->history, i - 1);

		if (str_eq(json_path_str(entry, "result", ""), "Verified") &&
		    !str_eq(json_path_str(entry, "id", ""), but))
			return entry;
	}
	return NULL;
}

struct loading {
	const char *app;
	size_t len;
	json_t *entries;
};

static void load_entry(const char *key, const json_t *doc, void *data)
{
	struct loading *l = data;

	if (strncmp(key, l->app, l->len) != 0 || key[l->len] != '/')
		return;
	json_array_append_new(l->entries, json_clone(doc));
}

static int compare_number(const void *a, const void *b)
{
	int64_t x = number_of(*(json_t *const *)a), y = number_of(*(json_t *const *)b);

	return x < y ? -1 : x > y;
}

static json_t *read_entries(struct reconciler *r, const char *app)
{
	autojson *found = json_array();
	struct loading l = {.app = app, .len = strlen(app), .entries = found};
	autofree json_t **sorted = NULL;
	json_t *out = json_array();
	size_t n;

	store_doc_each(r->store, BUCKET, load_entry, &l);
	n = json_array_size(found);
	sorted = mem_calloc(n + 1, sizeof(*sorted));
	for (size_t i = 0; i < n; i++)
		sorted[i] = json_array_get(found, i);
	qsort(sorted, n, sizeof(*sorted), compare_number);
	for (size_t i = 0; i < n; i++)
		json_array_append(out, sorted[i]);
	return out;
}

void history_load(struct reconciler *r, struct app *app)
{
	json_decref(app->history);
	app->history = read_entries(r, app->name);
}

void history_drop(struct reconciler *r, const char *app)
{
	autojson *entries = read_entries(r, app);
	json_t *entry;
	size_t i;

	json_array_foreach(entries, i, entry)
		drop_entry(r, app, number_of(entry));
}

/* ---- quarantine ---- */

static json_t *quarantine(const struct app *app)
{
	json_t *list = json_object_get(app->doc, "quarantine");

	if (!list) {
		list = json_array();
		json_set(app->doc, "quarantine", list);
	}
	return list;
}

const json_t *quarantine_get(const struct app *app, const char *key)
{
	json_t *entry;
	size_t i;

	json_array_foreach(json_object_get(app->doc, "quarantine"), i, entry) {
		if (str_eq(json_path_str(entry, "key", ""), key))
			return entry;
	}
	return NULL;
}

void quarantine_drop(struct reconciler *r, struct app *app, const char *key)
{
	json_t *list = quarantine(app);

	for (size_t i = json_array_size(list); i > 0; i--) {
		if (str_eq(json_path_str(json_array_get(list, i - 1), "key", ""), key))
			json_array_remove(list, i - 1);
	}
	app_save(r, app);
}

void quarantine_add(struct reconciler *r, struct app *app, const char *key, const struct err *err)
{
	json_t *list = quarantine(app);
	char now[CLOCK_RFC3339_SIZE];

	assert(*key);
	quarantine_drop(r, app, key);
	reconciler_rfc3339(r, now);
	json_array_append_new(list, json_pack("{s:s, s:s, s:o, s:s}", "key", key, "reason",
					      *err->reason ? err->reason : "Failed", "message",
					      json_text(err->message), "since", now));
	while (json_array_size(list) > MAX_QUARANTINE)
		json_array_remove(list, 0);
	app_save(r, app);
}
