/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes of single objects: from HTTP to reconciler/edit.h and back, in Kubernetes' statuses. An
 * answer says that the change is on disk.
 */
#include <assert.h>
#include <string.h>

#include "api/api_priv.h"
#include "base/json.h"
#include "base/log.h"
#include "base/str.h"
#include "reconciler/edit.h"
#include "reconciler/object.h"

/* clang-format off */
static const struct {
	unsigned int status;
	const char *reason;
} codes[EDIT_CODE_N_] = {
	[EDIT_OK]          = { 200, "" },
	[EDIT_CREATED]     = { 201, "" },
	[EDIT_BAD_REQUEST] = { 400, "BadRequest" },
	[EDIT_FORBIDDEN]   = { 403, "Forbidden" },
	[EDIT_NOT_FOUND]   = { 404, "NotFound" },
	[EDIT_EXISTS]      = { 409, "AlreadyExists" },
	[EDIT_CONFLICT]    = { 409, "Conflict" },
	[EDIT_INVALID]     = { 422, "Invalid" },
};

static const struct {
	const char *type;
	enum edit_patch patch;
} patch_types[] = {
	{ "application/merge-patch+json", EDIT_MERGE_PATCH },
	{ "application/json-patch+json", EDIT_JSON_PATCH },
	{ "application/strategic-merge-patch+json", EDIT_STRATEGIC_PATCH },
};
/* clang-format on */

/* ---- the request ---- */

static bool parse_dry_run(bool *ret_dry, const struct request *req, struct reply *ret)
{
	const char *value = request_get(req, "dryRun");

	*ret_dry = value && *value;
	if (!*ret_dry || str_eq(value, "All"))
		return true;
	reply_error(ret, 400, "BadRequest",
		    "invalid value '%.40s' of parameter dryRun: must be All", value);
	return false;
}

/* The kind and object that the path names, if they may be written; otherwise RET says why not. */
static bool find_target(struct edit_target *t, struct api *api, const struct request *req,
			struct reply *ret)
{
	enum kind kind;

	if (kind_from_path(&kind, req->group, req->version, req->plural) != 1 ||
	    kind_info(kind)->namespaced != (*req->ns != '\0')) {
		reply_no_resource(ret);
		return false;
	}
	if (!edit_allowed(kind) || !api->policy) {
		reply_error(ret, 405, "MethodNotAllowed",
			    "the server does not allow this method on the requested resource");
		(void)snprintf(ret->allow, sizeof(ret->allow), "GET, HEAD");
		return false;
	}
	*t = (struct edit_target){.kind = kind, .ns = req->ns, .name = req->name};
	return parse_dry_run(&t->dry_run, req, ret);
}

static void unsupported_type(const struct request *req, const char *wanted, struct reply *ret)
{
	reply_error(
		ret, 415, "UnsupportedMediaType",
		"the body of the request was in an unknown format - accepted media types include: %s (it was '%.100s')",
		wanted, req->content_type ? req->content_type : "");
}

/* The body as JSON, whatever its media type. Owned by the caller. */
static bool parse_body(json_t **ret_body, const struct request *req, struct reply *ret)
{
	struct err err = {};

	if (!req->body) {
		reply_error(ret, 400, "BadRequest", "the request has no body");
		return false;
	}
	if (json_parse(ret_body, req->body, req->n_body, API_MAX_BODY_BYTES, &err) < 0) {
		reply_error(ret, 400, "BadRequest", "the body is not JSON: %s", err.message);
		return false;
	}
	return true;
}

static bool parse_json_body(json_t **ret_body, const struct request *req, struct reply *ret)
{
	if (req->content_type && !request_body_is(req, REPLY_JSON)) {
		unsupported_type(req, REPLY_JSON, ret);
		return false;
	}
	return parse_body(ret_body, req, ret);
}

static bool parse_patch(json_t **ret_body, enum edit_patch *ret_type, const struct request *req,
			struct reply *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(patch_types); i++) {
		if (!request_body_is(req, patch_types[i].type))
			continue;
		*ret_type = patch_types[i].patch;
		return parse_body(ret_body, req, ret);
	}
	unsupported_type(
		req,
		"application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json",
		ret);
	return false;
}

/* ---- the answer ---- */

static void refuse(const struct edit_target *t, const struct edit_result *e, struct reply *ret)
{
	const struct kind_info *info = kind_info(t->kind);
	const char *name = *t->name ? t->name : object_name(e->object);

	reply_refusal(ret, codes[e->code].status, codes[e->code].reason,
		      e->message ? e->message : "",
		      &(struct reply_subject){
			      .group = info->group,
			      .kind = e->code == EDIT_INVALID ? info->name : info->plural,
			      .name = name,
			      .causes = e->causes,
		      });
}

/* Kubernetes' answer to the deletion of what is gone at once. */
static json_t *success(const struct edit_target *t, const json_t *object)
{
	const struct kind_info *info = kind_info(t->kind);
	json_t *status =
		json_pack("{s:s, s:s, s:{}, s:s, s:{s:s, s:s, s:s}}", "kind", "Status",
			  "apiVersion", "v1", "metadata", "status", "Success", "details", "name",
			  t->name, "kind", info->plural, "uid", object_uid(object));

	if (*info->group)
		json_path_set_new(status, "details.group", json_text(info->group));
	return status;
}

/* Answer E's document, or DOC_TAKEN in its place, once it is on disk. */
static void finish(struct api *api, const struct edit_target *t, const struct edit_result *e,
		   json_t *doc_taken, struct reply *ret)
{
	autojson *doc = doc_taken ? doc_taken : json_incref(e->object);
	struct err err = {};

	assert(e->code < EDIT_CODE_N_);
	ret->warnings = json_incref(e->warnings);
	if (e->message) {
		refuse(t, e, ret);
		return;
	}
	if (!t->dry_run && api->host.settle && api->host.settle(api->host_data, &err) < 0) {
		reply_error(ret, 500, "InternalError", "%s", err.message);
		return;
	}
	reply_json(ret, TAKE_PTR(doc));
	ret->status = codes[e->code].status;
}

static void tell(const char *what, const struct edit_target *t, const struct edit_result *e)
{
	autofree char *object = e->object ? object_describe(e->object) : NULL;

	if (!e->message && !t->dry_run)
		log_info("object changed through the API", LOG_KV("verb", what),
			 LOG_KV("object", object ? object : t->name));
}

/* ---- verbs ---- */

void write_create(struct api *api, const struct request *req, struct reply *ret)
{
	autojson *body = NULL;
	struct edit_target t;
	autoedit e = {};

	if (!find_target(&t, api, req, ret) || !parse_json_body(&body, req, ret))
		return;
	edit_create(api->policy, &t, body, &e);
	tell("create", &t, &e);
	finish(api, &t, &e, NULL, ret);
}

void write_change(struct api *api, const struct request *req, struct reply *ret)
{
	bool replace = str_eq(req->method, "PUT");
	enum edit_patch type = EDIT_MERGE_PATCH;
	autojson *body = NULL;
	struct edit_target t;
	autoedit e = {};

	if (!find_target(&t, api, req, ret) ||
	    !(replace ? parse_json_body(&body, req, ret) : parse_patch(&body, &type, req, ret)))
		return;
	if (replace)
		edit_replace(api->policy, &t, body, &e);
	else
		edit_patch(api->policy, &t, type, body, &e);
	tell(replace ? "replace" : "patch", &t, &e);
	finish(api, &t, &e, NULL, ret);
}

/* What the query says goes into the options, as if the body had it. */
static bool parse_options(json_t **ret_options, const struct request *req, struct reply *ret)
{
	const char *policy = request_get(req, "propagationPolicy");
	struct err err = {};
	int64_t grace_s;
	int r = request_get_int(&grace_s, req, "gracePeriodSeconds", INT32_MIN, INT32_MAX, &err);

	if (r < 0) {
		reply_error(ret, 400, "BadRequest", "%s", err.message);
		return false;
	}
	if (req->body && !parse_json_body(ret_options, req, ret))
		return false;
	if (!*ret_options)
		*ret_options = json_object();
	if (!json_is_object(*ret_options)) {
		reply_error(ret, 400, "BadRequest", "the body is not an object");
		return false;
	}
	if (policy && *policy)
		json_set(*ret_options, "propagationPolicy", json_text(policy));
	if (r > 0)
		json_set(*ret_options, "gracePeriodSeconds", json_integer(grace_s));
	if (request_get_bool(req, "orphanDependents"))
		json_set(*ret_options, "orphanDependents", json_true());
	return true;
}

void write_delete(struct api *api, const struct request *req, struct reply *ret)
{
	autojson *options = NULL;
	struct edit_target t;
	autoedit e = {};

	if (!find_target(&t, api, req, ret) || !parse_options(&options, req, ret))
		return;
	if (json_array_size(json_object_get(options, "dryRun")) > 0)
		t.dry_run = true;
	edit_delete(api->policy, &t, options, &e);
	tell("delete", &t, &e);
	finish(api, &t, &e, e.gone || t.dry_run ? success(&t, e.object) : NULL, ret);
}

/* ---- scale ---- */

static bool has_scale(enum kind kind)
{
	return kind == KIND_DEPLOYMENT || kind == KIND_REPLICASET;
}

static bool find_scale(struct edit_target *t, const json_t **ret_object, struct api *api,
		       const struct request *req, struct reply *ret)
{
	if (!find_target(t, api, req, ret))
		return false;
	if (!has_scale(t->kind)) {
		reply_no_resource(ret);
		return false;
	}
	*ret_object = store_get(api->store, t->kind, t->ns, t->name);
	if (!*ret_object)
		reply_not_found(ret, req->group, req->plural, req->name);
	return *ret_object != NULL;
}

void write_scale_get(struct api *api, const struct request *req, struct reply *ret)
{
	const json_t *object;
	struct edit_target t;

	if (find_scale(&t, &object, api, req, ret))
		reply_json(ret, edit_scale_of(object));
}

/* A patch of a Scale is one of a document of its own. */
void write_scale(struct api *api, const struct request *req, struct reply *ret)
{
	enum edit_patch type = EDIT_MERGE_PATCH;
	autojson *body = NULL, *scale = NULL;
	const json_t *object;
	struct edit_target t;
	struct err err = {};
	autoedit e = {};

	if (!find_scale(&t, &object, api, req, ret))
		return;
	if (str_eq(req->method, "PUT")) {
		if (!parse_json_body(&scale, req, ret))
			return;
	} else {
		scale = edit_scale_of(object);
		if (!parse_patch(&body, &type, req, ret))
			return;
		if (edit_scale_patch(&scale, type, body, &err) < 0) {
			reply_error(ret, 400, "BadRequest", "%s", err.message);
			return;
		}
	}
	edit_scale(api->policy, &t, scale, &e);
	tell("scale", &t, &e);
	finish(api, &t, &e, e.message ? NULL : edit_scale_of(e.object), ret);
}
