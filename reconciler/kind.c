/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of kinds and the four ways to find a row in it: by what a manifest says, by a word of
 * the command line, by an API path, by number. Nothing else about a kind belongs here.
 */
#include "reconciler/kind.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"

/* clang-format off */
static const struct kind_info kinds[KIND_N_] = {
	[KIND_NAMESPACE] = {
		.api_version = "v1", .group = "", .version = "v1", .name = "Namespace",
		.plural = "namespaces", .singular = "namespace", .short_names = "ns",
		.from_source = true, .apply_order = 10,
	},
	[KIND_IMAGE] = {
		.api_version = "recond.dev/v1", .group = "recond.dev", .version = "v1", .name = "Image",
		.plural = "images", .singular = "image", .short_names = "img",
		.namespaced = true, .from_source = true, .generation = true, .apply_order = 20,
	},
	[KIND_SECRET] = {
		.api_version = "v1", .group = "", .version = "v1", .name = "Secret",
		.plural = "secrets", .singular = "secret", .short_names = "",
		.namespaced = true, .from_source = true, .apply_order = 30,
	},
	[KIND_CONFIGMAP] = {
		.api_version = "v1", .group = "", .version = "v1", .name = "ConfigMap",
		.plural = "configmaps", .singular = "configmap", .short_names = "cm",
		.namespaced = true, .from_source = true, .apply_order = 40,
	},
	[KIND_SERVICE] = {
		.api_version = "v1", .group = "", .version = "v1", .name = "Service",
		.plural = "services", .singular = "service", .short_names = "svc",
		.namespaced = true, .from_source = true, .apply_order = 50,
	},
	[KIND_POD] = {
		.api_version = "v1", .group = "", .version = "v1", .name = "Pod",
		.plural = "pods", .singular = "pod", .short_names = "po",
		.namespaced = true, .from_source = true, .generation = true, .apply_order = 60,
	},
	[KIND_REPLICASET] = {
		.api_version = "apps/v1", .group = "apps", .version = "v1", .name = "ReplicaSet",
		.plural = "replicasets", .singular = "replicaset", .short_names = "rs",
		.namespaced = true, .from_source = true, .generation = true, .apply_order = 70,
	},
	[KIND_DEPLOYMENT] = {
		.api_version = "apps/v1", .group = "apps", .version = "v1", .name = "Deployment",
		.plural = "deployments", .singular = "deployment", .short_names = "deploy",
		.namespaced = true, .from_source = true, .generation = true, .apply_order = 80,
	},
	[KIND_JOB] = {
		.api_version = "batch/v1", .group = "batch", .version = "v1", .name = "Job",
		.plural = "jobs", .singular = "job", .short_names = "",
		.namespaced = true, .from_source = true, .generation = true, .apply_order = 85,
	},
	[KIND_APP] = {
		.api_version = "recond.dev/v1", .group = "recond.dev", .version = "v1", .name = "App",
		.plural = "apps", .singular = "app", .short_names = "",
		.apply_order = 90,
	},
	[KIND_SOURCE] = {
		.api_version = "recond.dev/v1", .group = "recond.dev", .version = "v1", .name = "Source",
		.plural = "sources", .singular = "source", .short_names = "src",
		.from_config = true, .generation = true, .apply_order = 95,
	},
	[KIND_EVENT] = {
		.api_version = "v1", .group = "", .version = "v1", .name = "Event",
		.plural = "events", .singular = "event", .short_names = "ev",
		.namespaced = true, .apply_order = 100,
	},
};
/* clang-format on */

const struct kind_info *kind_info(enum kind kind)
{
	assert(kind >= 0 && kind < KIND_N_);
	return &kinds[kind];
}

bool kind_is_guarded(const char *name)
{
	static const char *const guarded[] = {"Namespace", "PersistentVolumeClaim"};

	for (size_t i = 0; i < sizeof(guarded) / sizeof(guarded[0]); i++) {
		if (str_eq(guarded[i], name))
			return true;
	}
	return false;
}

int kind_lookup(enum kind *ret, const char *api_version, const char *name)
{
	assert(ret && api_version && name);
	for (int k = 0; k < KIND_N_; k++)
		if (str_eq(kinds[k].name, name) && str_eq(kinds[k].api_version, api_version)) {
			*ret = (enum kind)k;
			return 1;
		}
	return 0;
}

/* Is the word of N bytes at S one of the comma separated LIST? Case does not count. */
static bool list_has(const char *list, const char *s, size_t n)
{
	while (*list) {
		size_t len = strcspn(list, ",");

		if (len == n && !strncasecmp(list, s, n))
			return true;
		list += len;
		list += *list == ',';
	}
	return false;
}

static bool word_names(const struct kind_info *k, const char *s, size_t n)
{
	return list_has(k->plural, s, n) || list_has(k->singular, s, n) ||
	       list_has(k->short_names, s, n);
}

/* ".apps" or ".v1.apps" after the name; the core group has no name to give. */
static bool suffix_fits(const struct kind_info *k, const char *suffix)
{
	size_t n = strlen(k->version);

	if (*suffix == '\0')
		return true;
	if (*k->group == '\0')
		return false;
	if (!strcasecmp(suffix + 1, k->group))
		return true;
	return !strncasecmp(suffix + 1, k->version, n) && suffix[n + 1] == '.' &&
	       !strcasecmp(suffix + n + 2, k->group);
}

int kind_from_word(enum kind *ret, const char *word)
{
	size_t n;

	assert(ret && word);
	n = strcspn(word, ".");
	if (n == 0)
		return 0;
	for (int k = 0; k < KIND_N_; k++)
		if (word_names(&kinds[k], word, n) && suffix_fits(&kinds[k], word + n)) {
			*ret = (enum kind)k;
			return 1;
		}
	return 0;
}

int kind_from_path(enum kind *ret, const char *group, const char *version, const char *plural)
{
	assert(ret && group && version && plural);
	for (int k = 0; k < KIND_N_; k++)
		if (str_eq(kinds[k].group, group) && str_eq(kinds[k].version, version) &&
		    str_eq(kinds[k].plural, plural)) {
			*ret = (enum kind)k;
			return 1;
		}
	return 0;
}
