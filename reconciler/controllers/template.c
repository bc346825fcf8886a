/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making pods, for all workloads alike.
 */
#include "reconciler/controllers/template.h"

#include <assert.h>

#include "reconciler/sync.h"

static void copy_part(json_t *pod, const json_t *template, const char *path)
{
	const json_t *part = json_path(template, path);

	if (part)
		json_path_set_new(pod, path, json_clone(part));
}

json_t *template_pod(struct reconciler *r, const json_t *owner)
{
	json_t *pod = json_pack("{s:s, s:s, s:{}}", "apiVersion", "v1", "kind", "Pod", "metadata");
	const json_t *template = json_path(owner, "spec.template");
	autofree char *base = mem_asprintf("%s-", object_name(owner));
	const char *app = sync_owner_app(r, owner);

	assert(template && *object_uid(owner));
	copy_part(pod, template, "metadata.labels");
	copy_part(pod, template, "metadata.annotations");
	copy_part(pod, template, "metadata.finalizers");
	copy_part(pod, template, "spec");
	if (app) /* not in the template: moving to another app is no reason to roll */
		object_set_annotation(pod, SYNC_ANNOTATION_APP, app);
	json_path_set_new(pod, "metadata.generateName", json_text(base));
	json_path_set_new(pod, "metadata.namespace", json_text(object_namespace(owner)));
	json_path_set_new(pod, "metadata.ownerReferences",
			  json_pack("[o]", object_owner_ref(owner)));
	json_path_set_new(pod, "spec.nodeName", json_text(r->node_name));
	return pod;
}
