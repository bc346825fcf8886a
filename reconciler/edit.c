/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Creating, replacing, patching and deleting one object.
 */
#include "reconciler/edit.h"

#include <assert.h>
#include <string.h>

#include "reconciler/controllers/deletion.h"
#include "reconciler/controllers/job.h"
#include "reconciler/defaults.h"
#include "reconciler/diff.h"
#include "reconciler/edit_priv.h"
#include "reconciler/jobspec.h"
#include "reconciler/patch.h"
#include "reconciler/sync.h"

void edit_result_deinit(struct edit_result *r)
{
	free(r->message);
	json_decref(r->causes);
	json_decref(r->warnings);
	json_decref(r->object);
	*r = (struct edit_result){0};
}

bool edit_allowed(enum kind kind)
{
	return kind_info(kind)->from_source && kind != KIND_IMAGE;
}

/* ---- what was sent ---- */

/* Is BODY an object of the target's kind, namespace and name? What it leaves out is filled in. */
static bool complete_body(const struct edit_target *t, json_t *body, struct edit_result *ret)
{
	const struct kind_info *info = kind_info(t->kind);
	const char *ns = object_namespace(body), *name = object_name(body);

	if (!json_is_object(body) || !json_is_object(json_object_get(body, "metadata"))) {
		edit_refuse(ret, EDIT_BAD_REQUEST, "the body is not an object with metadata");
		return false;
	}
	if (!json_object_get(body, "apiVersion") && !json_object_get(body, "kind")) {
		json_set(body, "apiVersion", json_text(info->api_version));
		json_set(body, "kind", json_text(info->name));
	}
	if (!str_eq(json_path_str(body, "apiVersion", ""), info->api_version) ||
	    !str_eq(json_path_str(body, "kind", ""), info->name))
		edit_refuse(
			ret, EDIT_BAD_REQUEST,
			"the kind in the data (%s %s) does not match the kind of the URL (%s %s)",
			json_path_str(body, "apiVersion", ""), json_path_str(body, "kind", ""),
			info->api_version, info->name);
	else if (*ns && !str_eq(ns, t->ns))
		edit_refuse(
			ret, EDIT_BAD_REQUEST,
			"the namespace of the provided object does not match the namespace sent on the request");
	else if (*t->name && *name && !str_eq(name, t->name))
		edit_refuse(ret, EDIT_BAD_REQUEST,
			    "the name of the object (%s) does not match the name on the URL (%s)",
			    name, t->name);
	if (ret->message)
		return false;
	if (info->namespaced)
		json_path_set_new(body, "metadata.namespace", json_text(t->ns));
	if (*t->name)
		json_path_set_new(body, "metadata.name", json_text(t->name));
	return true;
}

/* The member NAME of DOC becomes that of LIVE, or goes when LIVE has none. */
static void copy_part(json_t *doc, const json_t *live, const char *name)
{
	json_t *value = json_object_get(live, name);

	if (value)
		json_set(doc, name, json_incref(value));
	else
		(void)json_object_del(doc, name);
}

/* The server's own parts of metadata are taken from LIVE, or left out. */
static void settle_metadata(json_t *doc, const json_t *live)
{
	static const char *const given[] = {"uid",
					    "resourceVersion",
					    "generation",
					    "creationTimestamp",
					    "deletionTimestamp",
					    "deletionGracePeriodSeconds",
					    "selfLink",
					    "managedFields"};
	json_t *metadata = json_object_get(doc, "metadata");
	const char *app = live ? object_annotation(live, SYNC_ANNOTATION_APP) : NULL;

	for (size_t i = 0; i < ARRAY_SIZE(given); i++)
		copy_part(metadata, json_object_get(live, "metadata"), given[i]);
	if (app)
		object_set_annotation(doc, SYNC_ANNOTATION_APP, app);
	else if (object_annotation(doc, SYNC_ANNOTATION_APP))
		(void)json_object_del(json_object_get(metadata, "annotations"),
				      SYNC_ANNOTATION_APP);
	copy_part(doc, live, "status");
}

static void default_parts(struct reconciler *r, json_t *doc, const json_t *live)
{
	enum kind kind = object_kind(doc);
	autojson *adopted = NULL;

	defaults_apply(kind, doc);
	if (kind == KIND_POD && !json_path(doc, "spec.nodeName"))
		json_path_set_new(doc, "spec.nodeName", json_text(r->node_name));
	if (kind == KIND_NAMESPACE && !live) {
		json_path_set_new(doc, "spec.finalizers", json_pack("[s]", "kubernetes"));
		json_path_set_new(doc, "status.phase", json_text("Active"));
	} else if (kind == KIND_NAMESPACE) {
		copy_part(doc, live, "spec");
	}
	if (kind == KIND_SERVICE && live) {
		adopted = diff_adopt(doc, live);
		(void)json_object_update(doc, adopted);
	}
	if (kind == KIND_JOB && live)
		(void)jobspec_generate(doc);
}

/* ---- create ---- */

/* A name for the checks of an object that gets one; the store gives out the true one. */
static bool check_new(enum kind kind, const json_t *doc, struct edit_result *ret)
{
	const char *base = json_path_str(doc, "metadata.generateName", "");
	autojson *named = json_clone(doc);
	autofree char *name = mem_asprintf("%.58sxxxxx", base);

	if (!*object_name(doc) && *base)
		json_path_set_new(named, "metadata.name", json_text(name));
	if (json_path(doc, "metadata.resourceVersion")) {
		edit_refuse(ret, EDIT_BAD_REQUEST,
			    "resourceVersion should not be set on objects to be created");
		return false;
	}
	return edit_check(kind, named, NULL, ret);
}

static void store_new(struct reconciler *r, const json_t *doc, struct edit_result *ret)
{
	autofree char *resource = edit_resource(object_kind(doc));
	const json_t *made = NULL;
	autojson *job = NULL;

	if (store_create(r->store, doc, &made) != 0) {
		edit_refuse(ret, EDIT_EXISTS, "%s \"%s\" already exists", resource,
			    object_name(doc));
		return;
	}
	if (object_kind(made) == KIND_JOB) {
		job = json_clone(made);
		(void)jobspec_generate(job);
		(void)store_update_status(r->store, job);
		made = store_get_uid(r->store, object_uid(job));
	}
	ret->code = EDIT_CREATED;
	ret->object = json_clone(made);
}

void edit_create(struct reconciler *r, const struct edit_target *t, const json_t *body,
		 struct edit_result *ret)
{
	autojson *doc = json_clone(body);
	autofree char *resource = edit_resource(t->kind);

	assert(edit_allowed(t->kind));
	if (!complete_body(t, doc, ret) || !check_new(t->kind, doc, ret) ||
	    !edit_check_namespace(r, t->kind, t->ns, t->dry_run, ret))
		return;
	settle_metadata(doc, NULL);
	default_parts(r, doc, NULL);
	if (!t->dry_run) {
		store_new(r, doc, ret);
	} else if (*object_name(doc) &&
		   store_get(r->store, t->kind, object_namespace(doc), object_name(doc))) {
		edit_refuse(ret, EDIT_EXISTS, "%s \"%s\" already exists", resource,
			    object_name(doc));
	} else {
		ret->code = EDIT_CREATED;
		ret->object = TAKE_PTR(doc);
	}
}

/* ---- update ---- */

static const json_t *find_live(struct reconciler *r, const struct edit_target *t,
			       struct edit_result *ret)
{
	const json_t *live = store_get(r->store, t->kind, t->ns, t->name);
	autofree char *resource = edit_resource(t->kind);

	assert(edit_allowed(t->kind));
	if (!live)
		edit_refuse(ret, EDIT_NOT_FOUND, "%s \"%s\" not found", resource, t->name);
	return live;
}

/* Is LIVE what UID and VERSION (NULL: any) mean? */
static bool check_version(const json_t *live, const char *uid, const char *version,
			  struct edit_result *ret)
{
	autofree char *resource = edit_resource(object_kind(live));
	const char *have = json_path_str(live, "metadata.resourceVersion", "");

	if (uid && *uid && !str_eq(uid, object_uid(live)))
		edit_refuse(
			ret, EDIT_CONFLICT,
			"Operation cannot be fulfilled on %s \"%s\": Precondition failed: UID in precondition: %s, "
			"UID in object meta: %s",
			resource, object_name(live), uid, object_uid(live));
	else if (version && *version && !str_eq(version, have))
		edit_refuse(
			ret, EDIT_CONFLICT,
			"Operation cannot be fulfilled on %s \"%s\": the object has been modified; please apply your "
			"changes to the latest version and try again",
			resource, object_name(live));
	return !ret->message;
}

/* What was only held by its finalizers goes when the last of them does. */
static void store_changed(struct reconciler *r, const json_t *doc, struct edit_result *ret)
{
	enum kind kind = object_kind(doc);
	const char *ns = object_namespace(doc), *name = object_name(doc);

	(void)store_update(r->store, doc);
	ret->object = json_clone(store_get(r->store, kind, ns, name));
	if (object_deleting(doc) && !deletion_is_held(doc) && kind != KIND_POD &&
	    kind != KIND_NAMESPACE)
		(void)store_delete(r->store, kind, ns, name);
}

/* Make LIVE the document DOC_TAKEN, which the target's checks of its head have passed. */
static void change(struct reconciler *r, const struct edit_target *t, const json_t *live,
		   json_t *doc_taken, struct edit_result *ret)
{
	autojson *doc = doc_taken;

	if (!check_version(live, json_path_str(doc, "metadata.uid", NULL),
			   json_path_str(doc, "metadata.resourceVersion", NULL), ret) ||
	    !edit_check(t->kind, doc, live, ret))
		return;
	settle_metadata(doc, live);
	default_parts(r, doc, live);
	if (!edit_check_change(live, doc, ret))
		return;
	edit_warn_owned(live, ret);
	ret->code = EDIT_OK;
	if (t->dry_run)
		ret->object = TAKE_PTR(doc);
	else
		store_changed(r, doc, ret);
}

void edit_replace(struct reconciler *r, const struct edit_target *t, const json_t *body,
		  struct edit_result *ret)
{
	const json_t *live = find_live(r, t, ret);
	autojson *doc = json_clone(body);

	if (live && complete_body(t, doc, ret))
		change(r, t, live, TAKE_PTR(doc), ret);
}

static int apply_patch(json_t **doc, enum kind kind, enum edit_patch type, const json_t *live,
		       const json_t *body, struct err *err)
{
	switch (type) {
	case EDIT_JSON_PATCH:
		return patch_json(doc, live, body, err);
	case EDIT_STRATEGIC_PATCH:
		return patch_strategic(doc, kind, live, body, err);
	default:
		if (!json_is_object(body))
			return err_invalid(err, "a merge patch is an object");
		*doc = patch_merge(live, body);
		return 0;
	}
}

void edit_patch(struct reconciler *r, const struct edit_target *t, enum edit_patch type,
		const json_t *body, struct edit_result *ret)
{
	const json_t *live = find_live(r, t, ret);
	autojson *doc = NULL;
	struct err err = {0};

	if (!live)
		return;
	if (apply_patch(&doc, t->kind, type, live, body, &err) < 0)
		edit_refuse(ret, type == EDIT_JSON_PATCH ? EDIT_INVALID : EDIT_BAD_REQUEST,
			    "the patch cannot be applied: %s", err.message);
	else if (complete_body(t, doc, ret))
		change(r, t, live, TAKE_PTR(doc), ret);
}

/* ---- scale ---- */

json_t *edit_scale_of(const json_t *object)
{
	static const char *const kept[] = {"name", "namespace", "uid", "resourceVersion",
					   "creationTimestamp"};
	enum kind kind = object_kind(object);
	json_t *scale, *metadata;

	if (kind != KIND_DEPLOYMENT && kind != KIND_REPLICASET)
		return NULL;
	scale = json_pack("{s:s, s:s, s:{}, s:{s:I}, s:{s:I}}", "apiVersion", "autoscaling/v1",
			  "kind", "Scale", "metadata", "spec", "replicas",
			  (json_int_t)json_path_int(object, "spec.replicas", 1), "status",
			  "replicas", (json_int_t)json_path_int(object, "status.replicas", 0));
	metadata = json_object_get(scale, "metadata");
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
		json_t *value = json_object_get(json_object_get(object, "metadata"), kept[i]);

		if (value)
			json_set(metadata, kept[i], json_incref(value));
	}
	return scale;
}

int edit_scale_patch(json_t **scale, enum edit_patch type, const json_t *body, struct err *err)
{
	json_t *changed = NULL;
	int r;

	if (type == EDIT_STRATEGIC_PATCH) /* nothing of a Scale is a list */
		type = EDIT_MERGE_PATCH;
	r = apply_patch(&changed, KIND_DEPLOYMENT, type, *scale, body, err);
	if (r < 0)
		return r;
	json_decref(*scale);
	*scale = changed;
	return 0;
}

void edit_scale(struct reconciler *r, const struct edit_target *t, const json_t *scale,
		struct edit_result *ret)
{
	const json_t *live = find_live(r, t, ret), *replicas = json_path(scale, "spec.replicas");
	const json_t *metadata = json_object_get(scale, "metadata");
	json_t *doc;

	if (!live)
		return;
	if (replicas && !json_is_integer(replicas)) {
		edit_refuse(ret, EDIT_BAD_REQUEST, "spec.replicas must be an integer");
		return;
	}
	if (!check_version(live, json_path_str(metadata, "uid", NULL),
			   json_path_str(metadata, "resourceVersion", NULL), ret))
		return;
	doc = json_clone(live);
	json_path_set_new(doc, "spec.replicas",
			  json_integer(json_path_int(scale, "spec.replicas", 0)));
	change(r, t, live, doc, ret);
}

/* ---- delete ---- */

static bool parse_policy(enum deletion_policy *ret_policy, enum kind kind, const json_t *options,
			 struct edit_result *ret)
{
	static const char *const names[DELETION_POLICY_N_] = {
		[DELETION_BACKGROUND] = "Background",
		[DELETION_FOREGROUND] = "Foreground",
		[DELETION_ORPHAN] = "Orphan",
	};
	const char *name = json_path_str(options, "propagationPolicy", NULL);

	if (!name) {
		*ret_policy = kind == KIND_JOB ? DELETION_ORPHAN : DELETION_BACKGROUND;
		if (json_path_bool(options, "orphanDependents", false))
			*ret_policy = DELETION_ORPHAN;
		if (kind == KIND_JOB)
			edit_warn(
				ret,
				"child pods are preserved by default when jobs are deleted; set propagationPolicy=Background "
				"to remove them or set propagationPolicy=Orphan to suppress this warning");
		return true;
	}
	for (int i = 0; i < DELETION_POLICY_N_; i++) {
		if (str_eq(name, names[i])) {
			*ret_policy = (enum deletion_policy)i;
			return true;
		}
	}
	edit_refuse(ret, EDIT_BAD_REQUEST,
		    "propagationPolicy '%.40s' is not one of Background, Foreground, Orphan", name);
	return false;
}

static bool may_go(const json_t *live, struct edit_result *ret)
{
	static const char *const kept[] = {"default", "kube-system", "kube-public"};

	for (size_t i = 0; object_kind(live) == KIND_NAMESPACE && i < ARRAY_SIZE(kept); i++) {
		if (str_eq(object_name(live), kept[i])) {
			edit_refuse(
				ret, EDIT_FORBIDDEN,
				"namespaces \"%s\" is forbidden: this namespace may not be deleted",
				kept[i]);
			return false;
		}
	}
	return true;
}

static int64_t grace_of(const json_t *options)
{
	int64_t grace = json_path_int(options, "gracePeriodSeconds", DELETION_OWN_GRACE);

	if (!json_is_integer(json_object_get(options, "gracePeriodSeconds")))
		return DELETION_OWN_GRACE;
	return grace < 0 ? 1 : grace; /* as Kubernetes takes it */
}

void edit_delete(struct reconciler *r, const struct edit_target *t, const json_t *options,
		 struct edit_result *ret)
{
	const json_t *live = find_live(r, t, ret), *after;
	enum deletion_policy policy;

	if (t->kind == KIND_JOB && !t->dry_run)
		job_forget(r, t->ns, t->name); /* who deletes it wants it run again, if at all */
	if (!live || !may_go(live, ret) || !parse_policy(&policy, t->kind, options, ret) ||
	    !check_version(live, json_path_str(options, "preconditions.uid", NULL),
			   json_path_str(options, "preconditions.resourceVersion", NULL), ret))
		return;
	edit_warn_owned(live, ret);
	ret->code = EDIT_OK;
	ret->object = json_clone(live);
	if (t->dry_run)
		return;
	deletion_request(r, live, policy, grace_of(options));
	after = store_get(r->store, t->kind, t->ns, t->name);
	ret->gone = !after;
	if (after) {
		json_decref(ret->object);
		ret->object = json_clone(after);
	}
}
