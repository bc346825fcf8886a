/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records of builds.
 */
#include "builder/cache.h"

#include <string.h>

#include "base/failpoint.h"
#include "base/fs.h"
#include "base/json.h"

#define CACHE_MAX_BYTES (64u << 10)

int cache_get(json_t **ret, int cache_fd, const char *key)
{
	autofree char *name = mem_asprintf("%s.json", digest_hex(key));
	autofree char *text = NULL;
	size_t n;

	if (fs_read_at(&text, &n, cache_fd, name, CACHE_MAX_BYTES) < 0)
		return 0;
	return json_parse(ret, text, n, CACHE_MAX_BYTES, NULL) == 0;
}

int cache_put(int cache_fd, const char *key, const json_t *record, struct err *err)
{
	autofree char *name = mem_asprintf("%s.json", digest_hex(key));
	autofree char *text = json_canonical(record);
	int r = FAILPOINT_ERR("build.record", err);

	if (r < 0)
		return r;
	return fs_replace(cache_fd, name, text, strlen(text), 0600, err);
}

int cache_get_layer(struct cache_layer *ret, int cache_fd, const char *key)
{
	autojson *j = NULL;
	const char *digest, *diff_id;
	int64_t compression;

	if (!cache_get(&j, cache_fd, key))
		return 0;
	digest = json_path_str(j, "digest", "");
	diff_id = json_path_str(j, "diffId", "");
	compression = json_path_int(j, "compression", -1);
	if (!digest_valid(digest) || !digest_valid(diff_id) || compression < 0 ||
	    compression >= MANIFEST_COMPRESSION_N_)
		return 0;
	*ret = (struct cache_layer){
		.layer = {.size_bytes = (uint64_t)json_path_int(j, "size", 0),
			  .compression = (enum manifest_compression)compression},
		.created_ns = json_path_int(j, "createdNs", 0),
	};
	memcpy(ret->layer.digest, digest, DIGEST_STR_SIZE);
	memcpy(ret->layer.diff_id, diff_id, DIGEST_STR_SIZE);
	return 1;
}

int cache_put_layer(int cache_fd, const char *key, const struct cache_layer *l, struct err *err)
{
	autojson *j = json_object();

	json_set(j, "digest", json_text(l->layer.digest));
	json_set(j, "diffId", json_text(l->layer.diff_id));
	json_set(j, "size", json_integer((json_int_t)l->layer.size_bytes));
	json_set(j, "compression", json_integer(l->layer.compression));
	json_set(j, "createdNs", json_integer(l->created_ns));
	return cache_put(cache_fd, key, j, err);
}
