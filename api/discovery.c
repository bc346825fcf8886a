/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a client asks before it asks for objects: health, version, groups, resources. All of it
 * follows from the table of kinds.
 */
#include <string.h>
#include <sys/utsname.h>

#include "api/api_priv.h"
#include "base/json.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "reconciler/edit.h"
#include "reconciler/kind.h"

/* The Kubernetes release whose behaviour the resources follow; kubectl compares its own with it. */
#define KUBERNETES_MAJOR "1"
#define KUBERNETES_MINOR "33"

void discovery_health(struct api *api UNUSED, const struct request *req UNUSED, struct reply *ret)
{
	reply_text(ret, "ok");
}

void discovery_ready(struct api *api, const struct request *req UNUSED, struct reply *ret)
{
	bool ready = !api->host.ready || api->host.ready(api->host_data);

	reply_text(ret, ready ? "ok" : "starting");
	if (!ready)
		ret->status = 503;
}

void discovery_version(struct api *api, const struct request *req UNUSED, struct reply *ret)
{
	json_t *v = json_object();
	struct utsname uts = {};
	autostrbuf git = STRBUF_INIT;

	(void)uname(&uts);
	strbuf_addf(&git, "v%s.%s.0+recond-%s", KUBERNETES_MAJOR, KUBERNETES_MINOR, api->version);
	json_set(v, "major", json_string(KUBERNETES_MAJOR));
	json_set(v, "minor", json_string(KUBERNETES_MINOR));
	json_set(v, "gitVersion", json_string(strbuf_str(&git)));
	json_set(v, "recondVersion", json_text(api->version));
	json_set(v, "compiler", json_string("gcc"));
	json_set(v, "platform", json_sprintf("linux/%s", uts.machine));
	reply_json(ret, v);
}

/* Everything is reached through the socket it was asked on, so no server address is named. */
void discovery_core_versions(struct api *api UNUSED, const struct request *req UNUSED,
			     struct reply *ret)
{
	json_t *v = json_object();

	json_set(v, "kind", json_string("APIVersions"));
	json_set(v, "versions", json_pack("[s]", "v1"));
	json_set(v, "serverAddressByClientCIDRs", json_array());
	reply_json(ret, v);
}

static json_t *group_document(const char *group, const char *version)
{
	json_t *g = json_object();
	json_t *entry = json_object();
	json_t *versions = json_array();

	json_set(entry, "groupVersion", json_sprintf("%s/%s", group, version));
	json_set(entry, "version", json_string(version));
	(void)json_array_append(versions, entry);
	json_set(g, "name", json_string(group));
	json_set(g, "versions", versions);
	json_set(g, "preferredVersion", entry);
	return g;
}

/* Calls for the first kind of each named group; kinds of a group all have one version. */
static bool first_of_group(enum kind kind)
{
	const struct kind_info *info = kind_info(kind);

	if (!*info->group)
		return false;
	for (enum kind k = 0; k < kind; k++) {
		if (str_eq(kind_info(k)->group, info->group))
			return false;
	}
	return true;
}

void discovery_groups(struct api *api UNUSED, const struct request *req UNUSED, struct reply *ret)
{
	json_t *list = json_object();
	json_t *groups = json_array();

	for (enum kind k = 0; k < KIND_N_; k++) {
		if (first_of_group(k))
			(void)json_array_append_new(
				groups, group_document(kind_info(k)->group, kind_info(k)->version));
	}
	json_set(list, "kind", json_string("APIGroupList"));
	json_set(list, "apiVersion", json_string("v1"));
	json_set(list, "groups", groups);
	reply_json(ret, list);
}

void discovery_group(struct api *api UNUSED, const struct request *req, struct reply *ret)
{
	for (enum kind k = 0; k < KIND_N_; k++) {
		json_t *g;

		if (!first_of_group(k) || !str_eq(kind_info(k)->group, req->group))
			continue;
		g = group_document(req->group, kind_info(k)->version);
		json_set(g, "kind", json_string("APIGroup"));
		json_set(g, "apiVersion", json_string("v1"));
		reply_json(ret, g);
		return;
	}
	reply_no_resource(ret);
}

/* Takes over VERBS. */
static void add_resource(json_t *list, const char *name, const char *singular, const char *kind,
			 bool namespaced, json_t *verbs)
{
	json_t *r = json_object();

	json_set(r, "name", json_string(name));
	json_set(r, "singularName", json_string(singular));
	json_set(r, "namespaced", json_boolean(namespaced));
	json_set(r, "kind", json_string(kind));
	json_set(r, "verbs", verbs);
	(void)json_array_append_new(list, r);
}

static void add_short_names(json_t *list, const char *short_names)
{
	autostrlist names = {};
	json_t *array;

	if (!*short_names)
		return;
	array = json_array();
	strlist_split(&names, short_names, ',');
	for (size_t i = 0; i < names.n; i++)
		(void)json_array_append_new(array, json_string(names.items[i]));
	json_set(json_array_get(list, json_array_size(list) - 1), "shortNames", array);
}

static void add_scale(json_t *list, const char *plural)
{
	autofree char *name = mem_asprintf("%s/scale", plural);
	json_t *added;

	add_resource(list, name, "", "Scale", true,
		     json_pack("[s, s, s]", "get", "patch", "update"));
	added = json_array_get(list, json_array_size(list) - 1);
	json_set(added, "group", json_string("autoscaling"));
	json_set(added, "version", json_string("v1"));
}

static void add_kind(json_t *list, enum kind k)
{
	const struct kind_info *info = kind_info(k);

	add_resource(list, info->plural, info->singular, info->name, info->namespaced,
		     edit_allowed(k) ? json_pack("[s, s, s, s, s, s, s]", "create", "delete", "get",
						 "list", "patch", "update", "watch")
				     : json_pack("[s, s, s]", "get", "list", "watch"));
	add_short_names(list, info->short_names);
	if (k == KIND_POD)
		add_resource(list, "pods/log", "", "Pod", true, json_pack("[s]", "get"));
	if (k == KIND_DEPLOYMENT || k == KIND_REPLICASET)
		add_scale(list, info->plural);
	if (k == KIND_IMAGE)
		add_resource(list, "localimages", "localimage", "LocalImage", false,
			     json_pack("[s]", "list"));
}

void discovery_resources(struct api *api UNUSED, const struct request *req, struct reply *ret)
{
	json_t *list = json_object();
	json_t *resources = json_array();

	for (enum kind k = 0; k < KIND_N_; k++) {
		if (str_eq(kind_info(k)->group, req->group) &&
		    str_eq(kind_info(k)->version, req->version))
			add_kind(resources, k);
	}
	json_set(list, "kind", json_string("APIResourceList"));
	json_set(list, "apiVersion", json_string("v1"));
	json_set(list, "groupVersion",
		 *req->group ? json_sprintf("%s/%s", req->group, req->version)
			     : json_string(req->version));
	json_set(list, "resources", resources);
	if (json_array_size(resources) > 0) {
		reply_json(ret, list);
	} else {
		json_decref(list);
		reply_no_resource(ret);
	}
}
