/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host is one JSON document: {"now", "boots", "starts", "acked", "writes", "newest", "pods":
 * {uid: {"sandbox", "containers": {name: {"attempt", "running", "image", "code"}}}}, "owed":
 * [answers]}. An answer is first made true and saved, then told.
 */
#include "tests/fault/host.h"

#include <assert.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/str.h"
#include "tests/fault/faultlib.h"

#define EXIT_NO_STORE 1
#define EXIT_BROKEN 3
#define STEP_MS 1

struct host {
	int dirfd;
	int store_dirfd;
	json_t *doc;
	json_t *apps;   /* of the revision that the source holds */
	json_t *images; /* reference -> digest */
	uint64_t wake_ms;
	uint64_t random;
};

static void pause_faults(bool on)
{
	if (faultlib_pause)
		faultlib_pause(on);
}

/* Ports are called by the policy, whose calls are the ones that fail. */
struct pause {
	int unused;
};

static void pause_end(struct pause *p UNUSED)
{
	pause_faults(false);
}

static struct pause pause_begin(void)
{
	pause_faults(true);
	return (struct pause){0};
}

#define IN_HOST _cleanup_(pause_end) UNUSED struct pause pause_ = pause_begin()

static void broken(const char *what, const char *which) __attribute__((noreturn));

static void broken(const char *what, const char *which)
{
	(void)fprintf(stderr, "invariant broken: %s: %s\n", what, which);
	_exit(EXIT_BROKEN);
}

/* --- the document --- */

/*
 * The disk of the store may have been shut down, as if its power were cut. An fdatasync that is
 * under way at that moment may return 0 and have written nothing: with the power gone nobody hears
 * that. So nothing happens in the world from then on. Looked at by a file that SQLite has no locks
 * on.
 */
static void end_without_power(const struct host *h)
{
	autoclose int fd = fs_open_at(h->store_dirfd, "power", O_RDONLY | O_CREAT, 0600);

	if (fd < 0)
		_exit(EXIT_NO_STORE);
}

static void save(struct host *h)
{
	autofree char *text = json_dumps(h->doc, JSON_COMPACT);
	autoclose int fd = fs_open_at(h->dirfd, "host.new", O_WRONLY | O_CREAT | O_TRUNC, 0600);

	end_without_power(h);
	if (fd < 0 || fs_write_all(fd, text, strlen(text)) < 0 ||
	    renameat(h->dirfd, "host.new", h->dirfd, "host.json") < 0)
		broken("save", "host.json");
}

static int64_t number(const struct host *h, const char *key)
{
	return json_path_int(h->doc, key, 0);
}

static void set_number(struct host *h, const char *key, int64_t value)
{
	json_set(h->doc, key, json_integer((json_int_t)value));
}

static void add_image(struct host *h, const char *reference)
{
	char digest[DIGEST_STR_SIZE];

	digest_bytes(digest, reference, strlen(reference));
	json_set(h->images, reference, json_text(digest));
}

struct host *host_open(const char *dir, const char *store_dir)
{
	IN_HOST;
	struct host *h = NEW(struct host);
	autofree char *text = NULL;
	size_t n;

	h->dirfd = fs_open(dir, O_RDONLY | O_DIRECTORY, 0);
	if (h->dirfd < 0)
		broken("open", dir);
	h->store_dirfd = fs_open(store_dir, O_RDONLY | O_DIRECTORY, 0);
	if (h->store_dirfd < 0)
		_exit(EXIT_NO_STORE);
	h->images = json_object();
	add_image(h, "web:1");
	add_image(h, "web:2");
	add_image(h, "web:broken");
	h->apps = json_object();
	h->wake_ms = UINT64_MAX;
	if (fs_read_at(&text, &n, h->dirfd, "host.json", 1u << 24) == 0)
		h->doc = json_loads(text, 0, NULL);
	else
		h->doc = json_pack("{s:{}, s:[]}", "pods", "owed");
	if (!h->doc)
		broken("parse", "host.json");
	set_number(h, "boots", number(h, "boots") + 1);
	h->random = (uint64_t)number(h, "boots") * 2654435761u + 88172645463325252u;
	save(h);
	return h;
}

struct host *host_close(struct host *h)
{
	IN_HOST;

	json_decref(h->doc);
	json_decref(h->apps);
	json_decref(h->images);
	(void)mem_close(h->dirfd);
	(void)mem_close(h->store_dirfd);
	free(h);
	return NULL;
}

static json_t *pods(const struct host *h)
{
	return json_object_get(h->doc, "pods");
}

static json_t *pod_of(struct host *h, const char *uid)
{
	json_t *pod = json_object_get(pods(h), uid);

	if (!pod) {
		pod = json_pack("{s:b, s:{}}", "sandbox", 0, "containers");
		json_set(pods(h), uid, pod);
	}
	return pod;
}

static json_t *container_of(const struct host *h, const char *uid, const char *name)
{
	json_t *pod = json_object_get(pods(h), uid);

	return json_object_get(json_object_get(pod, "containers"), name);
}

/* --- ports --- */

static void owe(struct host *h, json_t *answer)
{
	json_array_append_new(json_object_get(h->doc, "owed"), answer);
	save(h);
}

static uint64_t port_now(void *data)
{
	return (uint64_t)number(data, "now");
}

static int64_t port_realtime(void *data)
{
	return 1800000000000000000 + number(data, "now") * 1000000;
}

static void port_random(void *data, void *buf, size_t n)
{
	struct host *h = data;
	unsigned char *b = buf;

	for (size_t i = 0; i < n; i++) {
		h->random ^= h->random << 13;
		h->random ^= h->random >> 7;
		h->random ^= h->random << 17;
		b[i] = (unsigned char)(h->random >> 24);
	}
}

static void port_wake(void *data, uint64_t at_ms)
{
	((struct host *)data)->wake_ms = at_ms;
}

static int port_image_resolve(void *data, char *ret, const char *reference)
{
	IN_HOST;
	struct host *h = data;
	const char *digest = json_string_value(json_object_get(h->images, reference)), *key;
	json_t *d;

	json_object_foreach(h->images, key, d) {
		if (str_eq(json_string_value(d), reference))
			digest = reference;
	}
	if (!digest)
		return 0;
	(void)snprintf(ret, DIGEST_STR_SIZE, "%s", digest);
	return 1;
}

static void port_image_get(void *data, const char *reference)
{
	IN_HOST;
	owe(data, json_pack("{s:s, s:s}", "type", "image", "id", reference));
}

static int port_tree_digest(void *data UNUSED, char *ret, const char *source UNUSED,
			    const char *revision UNUSED, const char *dir)
{
	digest_bytes(ret, dir, strlen(dir));
	return 1;
}

static void port_decode(void *data, const char *source, const char *revision)
{
	IN_HOST;
	owe(data, json_pack("{s:s, s:s, s:s}", "type", "decoded", "id", source, "name", revision));
}

static void port_build(void *data UNUSED, const char *id, const char *source UNUSED,
		       const char *revision UNUSED, const json_t *image UNUSED)
{
	broken("the story has nothing to build", id);
}

static void port_sandbox_up(void *data, const json_t *request)
{
	IN_HOST;
	owe(data,
	    json_pack("{s:s, s:s}", "type", "sandbox", "id", json_path_str(request, "uid", "")));
}

static void port_container_start(void *data, const json_t *request)
{
	IN_HOST;
	owe(data, json_pack("{s:s, s:s, s:s, s:s, s:I}", "type", "start", "id",
			    json_path_str(request, "podUid", ""), "name",
			    json_path_str(request, "name", ""), "image",
			    json_path_str(request, "image", ""), "attempt",
			    (json_int_t)json_path_int(request, "attempt", 0)));
}

static void port_container_signal(void *data, const char *uid, const char *name,
				  unsigned int attempt, int signo)
{
	IN_HOST;
	owe(data, json_pack("{s:s, s:s, s:s, s:i, s:i}", "type", "exit", "id", uid, "name", name,
			    "attempt", (int)attempt, "code", signo == SIGKILL ? 137 : 0));
}

static void port_pod_down(void *data, const char *uid)
{
	IN_HOST;
	owe(data, json_pack("{s:s, s:s}", "type", "gone", "id", uid));
}

static bool port_container_lives(void *data, const char *uid, const char *name,
				 unsigned int attempt)
{
	const json_t *c = container_of(data, uid, name);

	return json_path_bool(c, "running", false) &&
	       json_path_int(c, "attempt", 0) == (json_int_t)attempt;
}

static void port_check(void *data, const char *id, const json_t *request UNUSED)
{
	IN_HOST;
	owe(data, json_pack("{s:s, s:s}", "type", "check", "id", id));
}

static void port_check_cancel(void *data UNUSED, const char *id UNUSED)
{
}

static void port_notify(void *data UNUSED, const char *source UNUSED, const json_t *event UNUSED)
{
}

void host_wire(struct host *h, struct ports *ports, struct store_env *env)
{
	*env = (struct store_env){.realtime_ns = port_realtime, .random = port_random, .data = h};
	*ports = (struct ports){
		.data = h,
		.now_ms = port_now,
		.realtime_ns = port_realtime,
		.random = port_random,
		.wake_at = port_wake,
		.image_resolve = port_image_resolve,
		.image_get = port_image_get,
		.decode = port_decode,
		.tree_digest = port_tree_digest,
		.build_plan = port_build,
		.build = port_build,
		.sandbox_up = port_sandbox_up,
		.container_start = port_container_start,
		.container_signal = port_container_signal,
		.pod_down = port_pod_down,
		.container_lives = port_container_lives,
		.check = port_check,
		.check_cancel = port_check_cancel,
		.notify = port_notify,
	};
}

/* --- what happens in the world --- */

static bool is_broken(const struct host *h, const char *image)
{
	return str_eq(image, json_path_str(h->images, "web:broken", "?"));
}

/* Make the answer A true. */
static void happen(struct host *h, const json_t *a)
{
	const char *type = json_path_str(a, "type", ""), *uid = json_path_str(a, "id", "");
	const char *name = json_path_str(a, "name", ""), *image = json_path_str(a, "image", "");
	json_t *c = container_of(h, uid, name);
	int64_t attempt = json_path_int(a, "attempt", 0);

	if (str_eq(type, "sandbox")) {
		json_set(pod_of(h, uid), "sandbox", json_true());
	} else if (str_eq(type, "gone")) {
		(void)json_object_del(pods(h), uid);
	} else if (str_eq(type, "exit") && c && json_path_int(c, "attempt", 0) == attempt) {
		json_set(c, "running", json_false());
		json_set(c, "code", json_integer((json_int_t)json_path_int(a, "code", 0)));
	} else if (str_eq(type, "start") && !is_broken(h, image) &&
		   json_path_bool(json_object_get(pods(h), uid), "sandbox", false)) {
		if (c && json_path_bool(c, "running", false)) {
			if (json_path_int(c, "attempt", 0) != attempt)
				broken("a second container is started beside a running one", uid);
			return;
		}
		json_set(json_object_get(pod_of(h, uid), "containers"), name,
			 json_pack("{s:I, s:b, s:s}", "attempt", (json_int_t)attempt, "running", 1,
				   "image", image));
		set_number(h, "starts", number(h, "starts") + 1);
	}
}

/* --- what is told; faults are on again in here --- */

static void tell_container(struct host *h, struct reconciler *r, const char *uid, const char *name)
{
	const json_t *c = container_of(h, uid, name);
	unsigned int attempt = (unsigned int)json_path_int(c, "attempt", 0);
	bool running = json_path_bool(c, "running", false);
	autojson *info = NULL;

	pause_faults(true);
	if (running)
		info = json_pack("{s:s, s:i, s:s}", "id", uid, "pid", 42, "started_at",
				 "2027-01-15T08:00:00Z");
	else
		info = json_pack("{s:I, s:s, s:s}", "exit_code",
				 (json_int_t)json_path_int(c, "code", 0), "started_at",
				 "2027-01-15T08:00:00Z", "finished_at", "2027-01-15T08:00:01Z");
	pause_faults(false);
	if (running)
		reconciler_container_started(r, uid, name, attempt, info);
	else
		reconciler_container_exited(r, uid, name, attempt, info);
}

static void tell_start(struct host *h, struct reconciler *r, const json_t *a)
{
	const char *uid = json_path_str(a, "id", ""), *name = json_path_str(a, "name", "");
	struct err err = {0};

	if (container_of(h, uid, name)) {
		tell_container(h, r, uid, name);
		return;
	}
	(void)err_set(&err, ERR_INVALID, ENOENT, "CreateContainerError", "no such executable");
	reconciler_container_failed(r, uid, name, (unsigned int)json_path_int(a, "attempt", 0),
				    &err);
}

static json_t *decoded(const struct host *h)
{
	json_t *list = json_array(), *app, *object;
	const char *name;
	size_t i;

	json_object_foreach(h->apps, name, app) {
		json_t *objects = json_array();

		json_array_foreach(json_object_get(app, "objects"), i, object)
			json_array_append_new(objects,
					      json_pack("{s:s, s:i, s:O}", "file", "a.yaml", "line",
							1, "object", object));
		json_array_append_new(list, json_pack("{s:s, s:o, s:[], s:[]}", "name", name,
						      "objects", objects, "errors", "notes"));
	}
	return json_pack("{s:o}", "apps", list);
}

static void tell_decoded(struct host *h, struct reconciler *r, const json_t *a)
{
	autojson *result = NULL;

	pause_faults(true);
	result = decoded(h);
	pause_faults(false);
	reconciler_decoded(r, json_path_str(a, "id", ""), json_path_str(a, "name", ""), result,
			   NULL);
}

static void tell_image(struct host *h, struct reconciler *r, const char *reference)
{
	char digest[DIGEST_STR_SIZE];
	struct err err = {0};

	if (port_image_resolve(h, digest, reference) == 1) {
		reconciler_image_done(r, reference, digest, NULL);
		return;
	}
	(void)err_set(&err, ERR_INVALID, ENOENT, "ErrImagePull", "not found");
	reconciler_image_done(r, reference, NULL, &err);
}

static void tell(struct host *h, struct reconciler *r, const json_t *a)
{
	const char *type = json_path_str(a, "type", ""), *id = json_path_str(a, "id", "");
	const char *name = json_path_str(a, "name", "");

	if (str_eq(type, "sandbox"))
		reconciler_sandbox_ready(r, id, "10.0.0.7");
	else if (str_eq(type, "start"))
		tell_start(h, r, a);
	else if (str_eq(type, "exit") && container_of(h, id, name))
		tell_container(h, r, id, name);
	else if (str_eq(type, "gone"))
		reconciler_pod_gone(r, id);
	else if (str_eq(type, "decoded"))
		tell_decoded(h, r, a);
	else if (str_eq(type, "image"))
		tell_image(h, r, id);
	else if (str_eq(type, "check"))
		reconciler_check_done(r, id, true, "");
}

/* One answer, made true and told. False when none is owed. */
static bool answer_one(struct host *h, struct reconciler *r)
{
	json_t *owed = json_object_get(h->doc, "owed");
	autojson *a = json_incref(json_array_get(owed, 0));

	if (!a)
		return false;
	pause_faults(true);
	(void)json_array_remove(owed, 0);
	happen(h, a);
	save(h);
	pause_faults(false);
	tell(h, r, a);
	return true;
}

/* --- life --- */

static void finish_what_was_begun(struct host *h)
{
	json_t *owed = json_object_get(h->doc, "owed"), *a;
	size_t i;

	json_array_foreach(owed, i, a)
		happen(h, a);
	(void)json_array_clear(owed);
	save(h);
}

void host_recover(struct host *h, struct reconciler *r)
{
	autojson *found = NULL;
	const char *uid, *name;
	json_t *pod, *c;

	pause_faults(true);
	finish_what_was_begun(h);
	found = json_deep_copy(pods(h));
	json_object_foreach(found, uid, pod) {
		if (!store_get_uid(reconciler_store(r), uid))
			broken("a pod that the store does not know", uid);
	}
	pause_faults(false);
	json_object_foreach(found, uid, pod) {
		if (json_path_bool(pod, "sandbox", false))
			reconciler_sandbox_ready(r, uid, "10.0.0.7");
		json_object_foreach(json_object_get(pod, "containers"), name, c)
			tell_container(h, r, uid, name);
	}
	reconciler_recovered(r);
}

void host_push(struct host *h, struct reconciler *r, int revision, json_t *apps)
{
	autofree char *id = NULL;
	autojson *announced = NULL;
	const char *name;
	json_t *app;

	pause_faults(true);
	id = mem_asprintf("rev-%d", revision);
	announced = json_object();
	json_decref(h->apps);
	h->apps = apps;
	set_number(h, "pushed", revision);
	save(h);
	json_object_foreach(apps, name, app) {
		char inputs[80];

		json_digest(inputs, app);
		json_set(announced, name, json_pack("{s:s}", "inputs", inputs));
	}
	pause_faults(false);
	reconciler_revision(r, "source", id, announced);
}

static void advance(struct host *h, uint64_t to_ms)
{
	IN_HOST;

	set_number(h, "now", (int64_t)to_ms);
	save(h);
}

int host_run(struct host *h, struct reconciler *r, uint64_t for_ms, struct err *err)
{
	uint64_t quiet_since = port_now(h);
	int ret = reconciler_run(r, err);

	while (ret == 0) {
		uint64_t now = port_now(h);

		if (answer_one(h, r))
			quiet_since = now = now + STEP_MS;
		else if (h->wake_ms == UINT64_MAX || h->wake_ms > quiet_since + for_ms)
			break;
		else if (h->wake_ms > now)
			now = h->wake_ms;
		advance(h, now);
		ret = reconciler_run(r, err);
	}
	return ret;
}

int host_running(const struct host *h, const char *reference)
{
	const char *digest = reference ? json_path_str(h->images, reference, "") : NULL;
	const char *uid, *name;
	json_t *pod, *c;
	int n = 0;

	json_object_foreach(pods(h), uid, pod) {
		json_object_foreach(json_object_get(pod, "containers"), name, c) {
			if (json_path_bool(c, "running", false) &&
			    (!digest || str_eq(json_path_str(c, "image", ""), digest)))
				n++;
		}
	}
	return n;
}

int host_starts(const struct host *h)
{
	return (int)number(h, "starts");
}

int host_pushed(const struct host *h)
{
	return (int)number(h, "pushed");
}

void host_note_write(struct host *h, uint64_t version)
{
	IN_HOST;

	set_number(h, "writes", number(h, "writes") + 1);
	set_number(h, "newest", (int64_t)version);
}

uint64_t host_newest_write(const struct host *h)
{
	return (uint64_t)number(h, "newest");
}

int host_acked(const struct host *h)
{
	return (int)number(h, "acked");
}

void host_ack(struct host *h, int revision)
{
	IN_HOST;

	set_number(h, "acked", revision);
	save(h);
}
