/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The image store on a command line, for integration scripts and benchmarks:
 *
 *	image_tool commit STATE DIR NAME [gzip|zstd|none]   pack DIR as the one layer of a new image
 *	image_tool unpack STATE NAME                        unpack its layers, print their
 *directories image_tool tag STATE NAME OTHER                     give it another name image_tool
 *untag STATE NAME image_tool list STATE
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/str.h"
#include "runtime/image.h"
#include "runtime/layer.h"
#include "runtime/layer_pack.h"

static enum manifest_compression compression_of(const char *name)
{
	for (int c = 0; c < MANIFEST_COMPRESSION_N_; c++)
		if (str_eq(manifest_compression_name((enum manifest_compression)c), name))
			return (enum manifest_compression)c;
	return MANIFEST_GZIP;
}

static json_t *config_new(void)
{
	json_t *doc = json_object(), *config = json_object(), *cmd = json_array(),
	       *env = json_array();

	(void)json_array_append_new(cmd, json_text("/bin/sh"));
	(void)json_array_append_new(env, json_text("PATH=/bin"));
	json_set(config, "Cmd", cmd);
	json_set(config, "Env", env);
	json_set(doc, "config", config);
	json_set(doc, "os", json_text("linux"));
	json_set(doc, "architecture", json_text(manifest_host_architecture()));
	json_set(doc, "created", json_text("2026-01-02T03:04:05Z"));
	return doc;
}

static int do_commit(struct image_store *s, char **args, struct err *err)
{
	autoclose int fd = fs_open(args[0], O_RDONLY | O_DIRECTORY, 0);
	const struct layer_pack_options options = {.compression = compression_of(args[2])};
	autojson *config = config_new();
	char digest[DIGEST_STR_SIZE];
	struct manifest_layer layer;
	const struct image_commit commit = {
		.config = config, .layers = &layer, .n_layers = 1, .reference = args[1]};
	int r;

	if (fd < 0)
		return err_errno(err, fd, "%s", args[0]);
	r = layer_pack(&layer, NULL, s, fd, &options, err);
	if (r >= 0)
		r = image_store_commit(s, &commit, digest, err);
	if (r >= 0)
		(void)printf("%s %s\n", digest, layer.diff_id);
	return r;
}

static int resolve(struct image_store *s, const char *name, char ret[DIGEST_STR_SIZE],
		   struct err *err)
{
	int r = image_store_resolve(s, name, ret, err);

	return r == 0 ? err_invalid(err, "'%s' is not here", name) : r;
}

static int do_unpack(struct image_store *s, char **args, struct err *err)
{
	_cleanup_(image_freep) struct image *image = NULL;
	char digest[DIGEST_STR_SIZE];
	int r = resolve(s, args[0], digest, err);

	if (r >= 0)
		r = image_store_load(s, digest, &image, err);
	for (size_t i = 0; r >= 0 && i < image->manifest.n_layers; i++) {
		autofree char *path = layer_path(s, image->manifest.layers[i].diff_id);

		r = layer_ensure_sync(s, &image->manifest.layers[i], NULL, err);
		if (r >= 0)
			(void)printf("%s\n", path);
	}
	return r;
}

static int do_tag(struct image_store *s, char **args, struct err *err)
{
	char digest[DIGEST_STR_SIZE];
	int r = resolve(s, args[0], digest, err);

	return r < 0 ? r : image_store_tag(s, args[1], digest, err);
}

static int do_untag(struct image_store *s, char **args, struct err *err)
{
	return image_store_untag(s, args[0], err);
}

static int do_list(struct image_store *s, char **args UNUSED, struct err *err)
{
	autojson *list = NULL;
	autofree char *text = NULL;
	int r = image_store_list(s, NULL, &list, err);

	if (r < 0)
		return r;
	text = json_pretty(list);
	(void)fputs(text, stdout);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(struct image_store *s, char **args, struct err *err);
	} commands[] = {
		{"commit", do_commit}, {"unpack", do_unpack}, {"tag", do_tag},
		{"untag", do_untag},   {"list", do_list},
	};
	_cleanup_(image_store_freep) struct image_store *s = NULL;
	char none[] = "", *args[3] = {none, none, none};
	struct err err = {};
	int r = -1;

	for (int i = 3; i < argc && i < 6; i++)
		args[i - 3] = argv[i];
	if (argc > 2)
		r = image_store_open(&s, argv[2], &err);
	for (size_t i = 0; s && i < ARRAY_SIZE(commands); i++)
		if (str_eq(commands[i].name, argv[1]))
			r = commands[i].run(s, args, &err);
	if (r < 0)
		(void)fprintf(stderr, "image_tool: %s [%s %s]\n", err.message,
			      err_kind_name(err.kind), err.reason);
	return r < 0;
}
