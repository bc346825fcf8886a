/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker recond-collect: one request on fd 3, the result back, exit. Reads the image store and
 * the records of builds, and removes what is not needed; runtime/collect.h says in which order.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/ipc.h"
#include "base/json.h"
#include "base/str.h"
#include "base/worker.h"
#include "runtime/collect.h"

#define RECORD_MAX_BYTES (64u << 10)
#define REQUEST_MAX_BYTES (16u << 20)

static void add_record(struct collection *c, int dirfd, const char *name)
{
	autofree char *text = NULL;
	autojson *j = NULL;
	struct collect_record record = {.dirfd = dirfd, .name = name};
	struct stat st;
	size_t n;

	if (!str_has_suffix(name, ".json") || fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fs_read_at(&text, &n, dirfd, name, RECORD_MAX_BYTES) < 0 ||
	    json_parse(&j, text, n, RECORD_MAX_BYTES, NULL) < 0)
		return;
	record.time_s = st.st_mtim.tv_sec;
	record.blob = json_path_str(j, "digest", NULL);
	record.layer = json_path_str(j, "diffId", NULL);
	record.image = json_path_str(j, "image", NULL);
	if (record.image || (record.blob && record.layer))
		collect_add_record(c, &record);
}

static void add_records(struct collection *c, int dirfd)
{
	int fd = fs_open_at(dirfd, ".", O_RDONLY | O_DIRECTORY, 0);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *d;

	if (!dir) {
		(void)mem_close(fd);
		return;
	}
	while ((d = readdir(dir)))
		add_record(c, dirfd, d->d_name);
	(void)closedir(dir);
}

static int collect(struct collect_result *ret, bool *ret_busy, const json_t *request,
		   struct err *err)
{
	_cleanup_(image_store_freep) struct image_store *store = NULL;
	_cleanup_(collection_freep) struct collection *c = NULL;
	const char *state_dir = json_path_str(request, "stateDir", "");
	const struct collect_options options = {
		.digests = json_object_get(request, "digests"),
		.references = json_object_get(request, "references"),
		.all = json_path_bool(request, "all", false),
		.until_percent = (unsigned int)json_path_int(request, "untilPercent", 0),
	};
	autofree char *cache = mem_asprintf("%s/build/cache", state_dir);
	autoclose int cache_fd = -1;
	int r = image_store_open(&store, state_dir, err);

	if (r >= 0)
		r = collect_begin(&c, store, &options, err);
	if (r <= 0) {
		*ret_busy = r == 0;
		return r;
	}
	cache_fd = fs_open(cache, O_RDONLY | O_DIRECTORY, 0);
	if (cache_fd >= 0)
		add_records(c, cache_fd);
	return collect_run(c, ret, err);
}

static int answer(const json_t *request)
{
	struct collect_result result = {0};
	struct err err = {};
	bool busy = false;
	int r = collect(&result, &busy, request, &err);
	autojson *j = json_pack(
		"{s:b, s:I, s:I, s:I, s:I, s:I}", "busy", busy, "images", (json_int_t)result.images,
		"records", (json_int_t)result.records, "blobs", (json_int_t)result.blobs, "layers",
		(json_int_t)result.layers, "freedBytes", (json_int_t)result.freed_bytes);

	if (r < 0)
		json_set(j, "error", json_text(err.message));
	return ipc_send_json(WORKER_FD, COLLECT_MSG_RESULT, j);
}

int main(void)
{
	_cleanup_(ipc_msg_deinit) struct ipc_msg m = {};
	autojson *request = NULL;

	if (ipc_recv(WORKER_FD, &m) <= 0 || m.type != COLLECT_MSG_RUN ||
	    json_parse(&request, m.data, m.len, REQUEST_MAX_BYTES, NULL) < 0)
		return EXIT_FAILURE;
	return answer(request) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
