/* SPDX-License-Identifier: Apache-2.0 */
/* The store: what it gives out, what a write changes, and what is left after a restart. */
#include "reconciler/store.h"

#include <sqlite3.h>
#include <stdio.h>
#include <unistd.h>

#include "reconciler/object.h"
#include "tests/unit/policy/lib.h"

#define HEAD(k)                                                                                    \
	"'apiVersion': 'apps/v1', 'kind': '" k "', 'metadata': {'name': 'x', 'namespace': 'n'"
#define CORE(k) "'apiVersion': 'v1', 'kind': '" k "', 'metadata': {'name': 'x', 'namespace': 'n'"

/* clang-format off */
static const struct {
	const char *name, *before, *after;
	bool status;    /* written through store_update_status */
	int generation; /* after the write; 0: the kind has none */
	bool written;   /* has a new resourceVersion */
} writes[] = {
	{ "a Deployment's spec", "{" HEAD("Deployment") "}, 'spec': {'replicas': 1}}",
	  "{" HEAD("Deployment") "}, 'spec': {'replicas': 2}}", false, 2, true },
	{ "a Deployment's annotations", "{" HEAD("Deployment") "}}",
	  "{" HEAD("Deployment") ", 'annotations': {'a': 'b'}}}", false, 2, true },
	{ "a Deployment's annotations by its controller", "{" HEAD("Deployment") "}}",
	  "{" HEAD("Deployment") ", 'annotations': {'a': 'b'}}}", true, 1, true },
	{ "a Deployment's labels", "{" HEAD("Deployment") "}}",
	  "{" HEAD("Deployment") ", 'labels': {'a': 'b'}}}", false, 1, true },
	{ "a ReplicaSet's spec", "{" HEAD("ReplicaSet") "}, 'spec': {'replicas': 1}}",
	  "{" HEAD("ReplicaSet") "}, 'spec': {'replicas': 2}}", false, 2, true },
	{ "a ReplicaSet's annotations", "{" HEAD("ReplicaSet") "}}",
	  "{" HEAD("ReplicaSet") ", 'annotations': {'a': 'b'}}}", false, 1, true },
	{ "a pod's first deletion", "{" CORE("Pod") "}}",
	  "{" CORE("Pod") ", 'deletionTimestamp': '2026-01-01T00:00:00Z'}}", false, 2, true },
	{ "a pod's status", "{" CORE("Pod") "}}", "{" CORE("Pod") "}, 'status': {'phase': 'Running'}}", true, 1, true },
	{ "a status through the main resource is dropped", "{" CORE("Pod") "}}",
	  "{" CORE("Pod") "}, 'status': {'phase': 'Running'}}", false, 1, false },
	{ "a write that changes nothing", "{" CORE("Pod") "}, 'spec': {}}", "{" CORE("Pod") "}, 'spec': {}}", false, 1, false },
	{ "a client's uid and generation are not taken", "{" CORE("Pod") "}}",
	  "{" CORE("Pod") ", 'uid': 'mine', 'generation': 9, 'resourceVersion': '1'}}", false, 1, false },
	{ "a ConfigMap has no generation", "{" CORE("ConfigMap") "}, 'data': {}}",
	  "{" CORE("ConfigMap") "}, 'data': {'k': 'v'}}", false, 0, true },
};
/* clang-format on */

Test(store, what_a_write_changes)
{
	for (size_t i = 0; i < ARRAY_SIZE(writes); i++) {
		struct still_world world = {0};
		_cleanup_(store_freep) struct store *s = store_in(&world, NULL);
		const json_t *old = create(s, writes[i].before), *new;
		autofree char *uid = mem_strdup(json_path_str(old, "metadata.uid", ""));
		uint64_t rv = store_resource_version(s);
		autojson *o = json_like(writes[i].after);
		int generation, r;

		r = writes[i].status ? store_update_status(s, o) : store_update(s, o);
		cr_assert(r == 0, "%s", writes[i].name);
		new = store_get_uid(s, uid);
		cr_assert(new, "%s: not under its uid any more", writes[i].name);
		generation = (int)json_path_int(new, "metadata.generation", 0);
		cr_expect(generation == writes[i].generation,
			  "%s (%s)\n got generation %d\nwant %d", writes[i].name, writes[i].after,
			  generation, writes[i].generation);
		cr_expect((store_resource_version(s) > rv) == writes[i].written,
			  "%s (%s)\n got resourceVersion %llu after %llu", writes[i].name,
			  writes[i].after, (unsigned long long)store_resource_version(s),
			  (unsigned long long)rv);
	}
}

struct place {
	char *dir, *path;
};

static struct place place_make(void)
{
	char dir[] = "/tmp/recond-store-test.XXXXXX";

	cr_assert(mkdtemp(dir));
	return (struct place){mem_strdup(dir), mem_asprintf("%s/recond.db", dir)};
}

static void place_remove(struct place *p)
{
	static const char *const suffixes[] = {"", "-wal", "-shm"};

	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		autofree char *path = mem_asprintf("%s%s", p->path, suffixes[i]);

		(void)unlink(path);
	}
	(void)rmdir(p->dir);
	free(p->dir);
	free(p->path);
}

Test(store, a_reopened_file_gives_the_same_objects_and_goes_on_counting)
{
	struct still_world world = {0};
	struct place place = place_make();
	struct store *s = store_in(&world, place.path);
	autofree char *want = json_dumps(create(s, "{" CORE("Pod") "}}"), JSON_SORT_KEYS);
	uint64_t rv = store_resource_version(s);
	autojson *doc = json_like("{'a': 1}");

	store_doc_put(s, "apps", "shop", doc);
	store_free(s);
	s = store_in(&world, place.path);
	expect_json("the pod again", store_get(s, KIND_POD, "n", "x"), want);
	expect_json("the document again", store_doc_get(s, "apps", "shop"), "{'a': 1}");
	cr_expect(store_resource_version(s) == rv);
	cr_expect(store_delete(s, KIND_POD, "n", "x") == 0);
	cr_expect(store_resource_version(s) > rv);
	store_free(s);
	s = store_in(&world, place.path);
	cr_expect(!store_get(s, KIND_POD, "n", "x"), "it was deleted");
	store_free(s);
	place_remove(&place);
}

Test(store, a_transaction_without_its_commit_is_lost)
{
	struct still_world world = {0};
	struct place place = place_make();
	struct store *s = store_in(&world, place.path);

	(void)create(s, "{" CORE("Pod") "}}");
	store_begin(s);
	(void)create(s, "{" CORE("ConfigMap") "}}");
	store_free(s);
	s = store_in(&world, place.path);
	cr_expect(store_get(s, KIND_POD, "n", "x") != NULL);
	cr_expect(!store_get(s, KIND_CONFIGMAP, "n", "x"));
	store_free(s);
	place_remove(&place);
}

Test(store, a_damaged_file_is_fatal_and_names_the_remedy)
{
	struct still_world world = {0};
	struct store_env env = {still_realtime, still_random, &world};
	struct place place = place_make();
	FILE *f = fopen(place.path, "we");
	struct store *s = NULL;
	struct err err = {0};

	for (int i = 0; i < 4096; i++)
		(void)fputs("damaged ", f);
	(void)fclose(f);
	cr_expect(store_open(&s, place.path, &env, &err) < 0);
	cr_expect(err.kind == ERR_FATAL && strstr(err.message, "move the file away"), "got %s: %s",
		  err_kind_name(err.kind), err.message);
	cr_expect(strstr(err.message, place.path) != NULL, "no path in: %s", err.message);
	place_remove(&place);
}

Test(store, a_file_that_cannot_be_read_any_more_is_noticed)
{
	struct still_world world = {0};
	struct place place = place_make();
	_cleanup_(store_freep) struct store *memory = store_in(&world, NULL);
	struct store *s = store_in(&world, place.path);
	sqlite3 *other = NULL;
	struct err err = {0};

	cr_expect_eq(store_check(memory, &err), 0);
	cr_expect_eq(store_check(s, &err), 0, "%s", err.message);
	cr_assert_eq(sqlite3_open(place.path, &other), SQLITE_OK);
	cr_assert_eq(sqlite3_exec(other, "DROP TABLE meta", NULL, NULL, NULL), SQLITE_OK);
	cr_assert_eq(sqlite3_close(other), SQLITE_OK);
	cr_expect(store_check(s, &err) < 0);
	cr_expect_eq(err.kind, ERR_FATAL);
	store_free(s);
	place_remove(&place);
}

Test(store, a_damaged_row_is_fatal_and_names_the_remedy)
{
	struct still_world world = {0};
	struct store_env env = {still_realtime, still_random, &world};
	struct place place = place_make();
	struct store *s = store_in(&world, place.path);
	struct err err = {0};
	sqlite3 *db = NULL;

	(void)create(s, "{" CORE("Pod") "}}");
	s = store_free(s);
	cr_assert(sqlite3_open(place.path, &db) == SQLITE_OK);
	cr_assert(sqlite3_exec(db, "UPDATE objects SET body = '{'", NULL, NULL, NULL) == SQLITE_OK);
	sqlite3_close(db);
	cr_expect(store_open(&s, place.path, &env, &err) < 0);
	cr_expect(err.kind == ERR_FATAL && strstr(err.message, "move the file away"), "got %s: %s",
		  err_kind_name(err.kind), err.message);
	place_remove(&place);
}

static void count_event(const struct store_event *event UNUSED, void *data)
{
	++*(unsigned int *)data;
}

Test(store, replay_gives_what_came_after_or_says_that_it_is_too_old)
{
	struct still_world world = {0};
	_cleanup_(store_freep) struct store *s = store_in(&world, NULL);
	autojson *pod = json_like("{" CORE("Pod") "}}");
	uint64_t start = store_resource_version(s), later;
	unsigned int n = 0;

	cr_assert(store_create(s, pod, NULL) == 0);
	later = store_resource_version(s);
	(void)create(s, "{" CORE("ConfigMap") "}}");
	cr_assert(store_delete(s, KIND_POD, "n", "x") == 0);
	cr_expect(store_replay(s, KIND_POD, start, count_event, &n) == 1 && n == 2, "got %u", n);
	n = 0;
	cr_expect(store_replay(s, KIND_POD, later, count_event, &n) == 1 && n == 1, "got %u", n);
	for (int i = 0; i < 3000; i++) {
		cr_assert(store_create(s, pod, NULL) == 0);
		cr_assert(store_delete(s, KIND_POD, "n", "x") == 0);
	}
	n = 0;
	cr_expect(store_replay(s, KIND_POD, later, count_event, &n) == 0 && n == 0, "got %u", n);
}

#define OWNED(name, uid)                                                                           \
	"{'apiVersion': 'v1', 'kind': 'Pod', 'metadata': {'name': '" name "', 'namespace': 'n', "  \
	"'ownerReferences': [{'uid': '" uid "', 'controller': true}]}}"

static void expect_names(const char *what, json_t *list_taken, const char *want)
{
	autojson *list = list_taken;
	autofree char *got = mem_strdup("");
	json_t *o;
	size_t i;

	json_array_foreach(list, i, o) {
		char *longer = mem_asprintf("%s%s%s", got, i ? " " : "",
					    json_path_str(o, "metadata.name", ""));

		free(got);
		got = longer;
	}
	cr_expect(str_eq(got, want), "%s\n got '%s'\nwant '%s'", what, got, want);
}

Test(store, what_an_owner_owns_is_found_as_owners_change)
{
	struct still_world world = {0};
	_cleanup_(store_freep) struct store *s = store_in(&world, NULL);
	const json_t *owner = create(s, "{" HEAD("ReplicaSet") "}}");
	autofree char *owned = mem_asprintf(OWNED("b", "%s"), object_uid(owner));
	autofree char *other = mem_asprintf(OWNED("a", "%s"), object_uid(owner));
	autojson *released = NULL;

	(void)create(s, owned);
	(void)create(s, other);
	(void)create(s, OWNED("c", "someone-else"));
	expect_names("by name", store_owned(s, KIND_POD, owner), "a b");
	expect_names("of another kind", store_owned(s, KIND_CONFIGMAP, owner), "");
	expect_names("dependents", store_dependents(s, object_uid(owner)), "a b");
	expect_names("none is an orphan", store_orphans(s, KIND_POD, "n"), "");

	released = json_deep_copy(store_get(s, KIND_POD, "n", "b"));
	json_path_del(released, "metadata.ownerReferences");
	(void)store_update(s, released);
	expect_names("after a release", store_owned(s, KIND_POD, owner), "a");
	expect_names("the released one", store_orphans(s, KIND_POD, "n"), "b");
	expect_names("in another namespace", store_orphans(s, KIND_POD, "m"), "");

	(void)store_delete(s, KIND_POD, "n", "a");
	(void)store_delete(s, KIND_POD, "n", "b");
	expect_names("after deletions", store_owned(s, KIND_POD, owner), "");
	expect_names("no orphan either", store_orphans(s, KIND_POD, "n"), "");
}

static void see_old(const struct store_event *event, void *data)
{
	if (event->type == STORE_MODIFIED)
		*(int64_t *)data = json_path_int(event->old, "spec.replicas", -1) * 10 +
				   json_path_int(event->object, "spec.replicas", -1);
}

Test(store, a_modification_comes_with_what_was_before)
{
	struct still_world world = {0};
	_cleanup_(store_freep) struct store *s = store_in(&world, NULL);
	autojson *d =
		json_deep_copy(create(s, "{" HEAD("Deployment") "}, 'spec': {'replicas': 1}}"));
	int64_t seen = 0;

	(void)store_watch(s, see_old, &seen);
	json_path_set_new(d, "spec.replicas", json_integer(3));
	(void)store_update(s, d);
	cr_expect(seen == 13, "got %lld, want 13 (1 became 3)", (long long)seen);
}

Test(store, versions_share_what_is_the_same_but_nothing_with_the_caller)
{
	struct still_world world = {0};
	_cleanup_(store_freep) struct store *s = store_in(&world, NULL);
	const json_t *old = create(
		s, "{" HEAD("Deployment") "}, 'spec': {'replicas': 1}, 'status': {'replicas': 1}}");
	autofree char *uid = mem_strdup(json_path_str(old, "metadata.uid", ""));
	autojson *first = json_incref((json_t *)(uintptr_t)old), *mine = json_clone(old);
	const json_t *now;

	json_path_set_new(mine, "status.replicas", json_integer(2));
	cr_assert_eq(store_update_status(s, mine), 0);
	json_path_set_new(mine, "spec.replicas", json_integer(3));
	json_path_set_new(mine, "status.replicas", json_integer(3));
	json_path_set_new(mine, "metadata.name", json_text("another"));
	now = store_get_uid(s, uid);
	cr_expect_eq(json_object_get(now, "spec"), json_object_get(first, "spec"));
	cr_expect_eq(json_path_int(now, "spec.replicas", 0), 1);
	cr_expect_eq(json_path_int(now, "status.replicas", 0), 2);
	cr_expect_str_eq(object_name(now), "x");
	cr_expect_eq(json_path_int(first, "status.replicas", 0), 1, "the older version stays");
	cr_expect_neq(json_path_str(now, "metadata.resourceVersion", ""),
		      json_path_str(first, "metadata.resourceVersion", ""));
}
