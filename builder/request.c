/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Build requests.
 */
#include "builder/request.h"

#include "base/fs.h"
#include "base/mem.h"
#include "runtime/imageref.h"
#include "runtime/manifest.h"

static int check_names(struct request *rq, struct err *err)
{
	const json_t *tags = json_object_get(rq->json, "tags");
	const char *name = json_path_str(rq->json, "name", "");
	struct imageref ref;
	json_t *tag;
	size_t i;
	int r = 0;

	if (*name)
		strlist_add(&rq->names, name);
	json_array_foreach(tags, i, tag)
		strlist_add(&rq->names, json_is_string(tag) ? json_string_value(tag) : "");
	for (i = 0; i < rq->names.n && r >= 0; i++) {
		r = imageref_parse(&ref, rq->names.items[i], err);
		if (r >= 0 && ref.digest[0])
			r = err_invalid(err, "'%s' names a digest, not a tag", rq->names.items[i]);
	}
	return r;
}

static int check_build_args(struct request *rq, struct err *err)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)rq->build_args, name, value)
		if (!json_is_string(value))
			return err_invalid(err, "build argument '%s' is not a string", name);
	return 0;
}

static int check_platform(struct request *rq, struct err *err)
{
	autofree char *host = mem_asprintf("linux/%s", manifest_host_architecture());
	const char *given = json_path_str(rq->json, "platform", "");

	if (*given && !str_eq(given, host))
		return err_invalid(err, "platform '%s' cannot be built here, only '%s'", given,
				   host);
	json_set(rq->json, "platform", json_string(host));
	rq->platform = json_path_str(rq->json, "platform", "");
	return 0;
}

static int check_cgroup(struct request *rq, struct err *err)
{
	const char *root = rq->cgroup_root;

	if (root && (root[0] != '/' || !fs_path_is_beneath(root + 1)))
		return err_invalid(err, "cgroupRoot '%s' is not a clean absolute path", root);
	return 0;
}

static int check_network(struct request *rq, struct err *err)
{
	const char *network = json_path_str(rq->json, "network", "none");

	rq->host_network = str_eq(network, "host");
	if (!rq->host_network && !str_eq(network, "none"))
		return err_invalid(err, "invalid network mode '%s'", network);
	return 0;
}

int request_init(struct request *ret, json_t *j, struct err *err)
{
	struct request rq = {.json = json_incref(j)};

	rq.plan_only = json_path_bool(j, "planOnly", false);
	rq.state_dir = json_path_str(j, "stateDir", NULL);
	rq.context_dir = json_path_str(j, "contextDir", NULL);
	if (rq.context_dir && !*rq.context_dir)
		rq.context_dir = NULL;
	rq.entries = json_object_get(j, "entries");
	rq.dockerfile = json_path_str(j, "dockerfile", "Dockerfile");
	rq.dockerfile_text = json_path_str(j, "dockerfileText", NULL);
	rq.dockerignore = json_path_str(j, "dockerignore", ".dockerignore");
	rq.dockerignore_text = json_path_str(j, "dockerignoreText", NULL);
	rq.target = json_path_str(j, "target", "");
	rq.build_args = json_object_get(j, "buildArgs");
	rq.cgroup_root = json_path_str(j, "cgroupRoot", NULL);
	rq.memory_bytes = json_path_int(j, "memoryBytes", 0);
	*ret = rq;
	if (!rq.state_dir || rq.state_dir[0] != '/' || !rq.dockerfile_text ||
	    !json_is_array(rq.entries))
		return err_invalid(err,
				   "a build request needs stateDir, dockerfileText and entries");
	if (check_names(ret, err) < 0 || check_build_args(ret, err) < 0 ||
	    check_platform(ret, err) < 0 || check_network(ret, err) < 0 ||
	    check_cgroup(ret, err) < 0)
		return -EINVAL;
	return 0;
}

void request_deinit(struct request *rq)
{
	strlist_deinit(&rq->names);
	json_decref(rq->json);
	rq->json = NULL;
}
