/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Get, list and the start of a watch for every kind of kind.h, as JSON or as Table, and the list of
 * local images. The store answers from memory, so a request costs its serialisation.
 */
#include <inttypes.h>

#include "api/api_priv.h"
#include "api/render_priv.h"
#include "api/selector_priv.h"
#include "api/table_priv.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/str.h"
#include "reconciler/object.h"

#define WATCH_TIMEOUT_MAX_S 86400

/* The kind that the path names, if objects of it may stand at such a path; otherwise RET says 404.
 */
static bool find_kind(enum kind *kind, const struct request *req, bool single, struct reply *ret)
{
	if (kind_from_path(kind, req->group, req->version, req->plural) != 1)
		goto missing;
	if (!kind_info(*kind)->namespaced && *req->ns)
		goto missing;
	if (kind_info(*kind)->namespaced && single && !*req->ns)
		goto missing;
	return true;
missing:
	reply_no_resource(ret);
	return false;
}

static bool parse_include(enum table_include *include, const struct request *req, struct reply *ret)
{
	const char *value = request_get(req, "includeObject");

	if (!value || !*value || str_eq(value, "Metadata"))
		*include = TABLE_METADATA;
	else if (str_eq(value, "Object"))
		*include = TABLE_OBJECT;
	else if (str_eq(value, "None"))
		*include = TABLE_NONE;
	else
		reply_error(ret, 400, "BadRequest", "invalid value '%s' of parameter includeObject",
			    value);
	return ret->status == 0;
}

void resource_get(struct api *api, const struct request *req, struct reply *ret)
{
	enum table_include include;
	const json_t *object;
	enum kind kind;
	json_t *table;

	if (!find_kind(&kind, req, true, ret) || !parse_include(&include, req, ret))
		return;
	object = store_get(api->store, kind, req->ns, req->name);
	if (!object) {
		reply_not_found(ret, req->group, req->plural, req->name);
		return;
	}
	if (!request_wants_table(req)) {
		reply_json(ret, json_incref((json_t *)object));
		return;
	}
	table = table_new(table_of(kind), json_path_str(object, "metadata.resourceVersion", ""));
	(void)json_array_append_new(
		json_object_get(table, "rows"),
		table_row(table_of(kind), object, include, clock_realtime_ns()));
	reply_json(ret, table);
}

static void list_as_table(struct reply *ret, enum kind kind, const json_t *objects,
			  enum table_include include, const char *version)
{
	json_t *table = table_new(table_of(kind), version);
	json_t *rows = json_object_get(table, "rows");
	int64_t now_ns = clock_realtime_ns();
	size_t i;
	json_t *object;

	json_array_foreach((json_t *)objects, i, object)
		(void)json_array_append_new(rows,
					    table_row(table_of(kind), object, include, now_ns));
	reply_json(ret, table);
}

static void list_as_json(struct reply *ret, enum kind kind, json_t *objects, const char *version)
{
	const struct kind_info *info = kind_info(kind);
	json_t *list = json_object();

	json_set(list, "kind", json_sprintf("%sList", info->name));
	json_set(list, "apiVersion", json_string(info->api_version));
	json_set(list, "metadata", json_pack("{s: s}", "resourceVersion", version));
	json_set(list, "items", json_incref(objects));
	reply_json(ret, list);
}

static json_t *select_objects(struct api *api, enum kind kind, const char *ns,
			      const struct selector *selector)
{
	autojson *all = store_list(api->store, kind, ns);
	json_t *selected;
	size_t i;
	json_t *object;

	if (selector_is_empty(selector))
		return TAKE_PTR(all);
	selected = json_array();
	json_array_foreach(all, i, object) {
		if (selector_matches(selector, object))
			(void)json_array_append(selected, object);
	}
	return selected;
}

/* The resourceVersion to watch from: 1 with *ret, 0 when the client wants the present state first.
 */
static int watch_since(uint64_t *ret, const struct request *req, struct err *err)
{
	const char *text = request_get(req, "resourceVersion");

	if (!text || !*text || str_eq(text, "0") || request_get_bool(req, "sendInitialEvents"))
		return 0;
	if (str_parse_u64(ret, text, 1, UINT64_MAX) < 0)
		return err_invalid(err, "invalid value '%s' of parameter resourceVersion", text);
	return 1;
}

static void watch(struct api *api, const struct request *req, struct reply *ret,
		  struct feed_options *options)
{
	struct err err = {};
	int64_t timeout_s = 0;
	int from = watch_since(&options->since, req, &err);

	if (from < 0 ||
	    request_get_int(&timeout_s, req, "timeoutSeconds", 0, WATCH_TIMEOUT_MAX_S, &err) < 0) {
		selector_free(options->selector);
		reply_error(ret, 400, "BadRequest", "%s", err.message);
		return;
	}
	options->initial = from == 0;
	options->mark_initial = options->initial && request_get_bool(req, "sendInitialEvents");
	options->bookmarks = request_get_bool(req, "allowWatchBookmarks");
	options->timeout_ms = (uint64_t)timeout_s * 1000;
	reply_stream(ret, REPLY_JSON, feed_new(api->feeds, options));
}

void resource_list(struct api *api, const struct request *req, struct reply *ret)
{
	_cleanup_(selector_freep) struct selector *selector = NULL;
	autojson *objects = NULL;
	struct err err = {};
	enum table_include include;
	char version[24];
	enum kind kind;

	if (!find_kind(&kind, req, false, ret) || !parse_include(&include, req, ret))
		return;
	if (selector_parse(&selector, kind, request_get(req, "labelSelector"),
			   request_get(req, "fieldSelector"), &err) < 0) {
		reply_error(ret, 400, "BadRequest", "%s", err.message);
		return;
	}
	if (request_get_bool(req, "watch") && str_eq(req->method, "GET")) {
		struct feed_options options = {
			.kind = kind,
			.ns = *req->ns ? req->ns : NULL,
			.selector = TAKE_PTR(selector),
			.form = request_wants_table(req) ? render_table_form(include) : RENDER_JSON,
		};

		watch(api, req, ret, &options);
		return;
	}
	objects = select_objects(api, kind, *req->ns ? req->ns : NULL, selector);
	(void)snprintf(version, sizeof(version), "%" PRIu64, store_resource_version(api->store));
	if (request_wants_table(req))
		list_as_table(ret, kind, objects, include, version);
	else
		list_as_json(ret, kind, objects, version);
}

void resource_local_images(struct api *api, const struct request *req, struct reply *ret)
{
	autojson *images = api->host.images ? api->host.images(api->host_data) : NULL;
	int64_t now_ns = clock_realtime_ns();
	json_t *list;
	size_t i;
	json_t *image;

	if (!images)
		images = json_array();
	if (request_wants_table(req)) {
		list = table_new(table_of_local_images(), "");
		json_array_foreach(images, i, image)
			(void)json_array_append_new(
				json_object_get(list, "rows"),
				table_row(table_of_local_images(), image, TABLE_NONE, now_ns));
	} else {
		list = json_object();
		json_set(list, "kind", json_string("LocalImageList"));
		json_set(list, "apiVersion", json_string("recond.dev/v1"));
		json_set(list, "metadata", json_object());
		json_set(list, "items", json_incref(images));
	}
	reply_json(ret, list);
}

/* POST asks for a collection of unneeded images ({"all": true} for those with a name, too); GET
 * tells how it stands. */
void resource_prune(struct api *api, const struct request *req, struct reply *ret)
{
	bool begin = str_eq(req->method, "POST");
	autojson *body = NULL;
	struct err err = {};

	if (!api->host.collect) {
		reply_no_resource(ret);
		return;
	}
	if (req->body && json_parse(&body, req->body, req->n_body, API_MAX_BODY_BYTES, &err) < 0) {
		reply_error(ret, 400, "BadRequest", "the body is not JSON: %s", err.message);
		return;
	}
	reply_json(ret,
		   api->host.collect(api->host_data, begin, json_path_bool(body, "all", false)));
	if (begin)
		ret->status = 202;
}
