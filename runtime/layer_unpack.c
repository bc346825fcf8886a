/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The committer of an unpacking. It owns the store's directories and never looks at a byte of the
 * layer: a staging directory, an extractor confined to it, one syncfs, one rename. A layer exists
 * under its name whole and on disk or not at all, however many unpack it at once and wherever they
 * are killed.
 */
#include "runtime/layer_unpack.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/proc.h"
#include "runtime/blob.h"
#include "runtime/layer_message_priv.h"
#include "runtime/layer_staging_priv.h"
#include "runtime/layer_tar_priv.h"

#define EXTRACTOR_MEMORY (1ULL << 30) /* zstd's largest window is 128 MiB */
#define EXTRACTOR_FILES 64
#define EXTRACTOR_CPU_S 600

struct unpack {
	struct image_store *store;
	const struct manifest_layer *layer;
	struct layer_staging staging;
	int fs_fd; /* "fs" in it, the layer to be */
};

static void unpack_deinit(struct unpack *u)
{
	u->fs_fd = mem_close(u->fs_fd);
	layer_staging_deinit(&u->staging);
}

static int make_target(struct unpack *u, struct err *err)
{
	autofree char *path = NULL;
	int r = layer_staging_begin(&u->staging, u->store, err);

	if (r < 0)
		return r;
	path = mem_asprintf("%s/fs", u->staging.name);
	r = fs_mkdir_p(u->staging.fd, path, 0755);
	if (r >= 0)
		r = u->fs_fd = fs_open_beneath(u->staging.fd, path, O_RDONLY | O_DIRECTORY, 0);
	/* Whatever the umask is: the root directory of what runs on this layer has its mode. */
	if (r >= 0 && fchmod(u->fs_fd, 0755) < 0)
		r = -errno;
	return r < 0 ? err_errno(err, r, "make staging directory") : 0;
}

/* Start the extractor on the blob: its pidfd and our end of its channel. */
static int start_extractor(struct unpack *u, int *ret_pidfd, int *ret_channel, struct err *err)
{
	autofree char *path = proc_libexec("recond-layer");
	const char *const argv[] = {path, "extract", NULL};
	autoclose int blob = blob_open(u->store, u->layer->digest, err), ours = -1, theirs = -1;
	int pair[2];
	pid_t pid;

	if (blob < 0)
		return blob;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_errno(err, errno, "socketpair");
	ours = pair[0];
	theirs = pair[1];
	{
		const int fds[] = {-1, -1, 2, theirs, blob, u->fs_fd};
		const struct proc_spec spec = {
			.path = path,
			.argv = argv,
			.fds = fds,
			.n_fds = ARRAY_SIZE(fds),
			.limit_as_bytes = EXTRACTOR_MEMORY,
			.limit_cpu_s = EXTRACTOR_CPU_S,
			.limit_nofile = EXTRACTOR_FILES,
			.die_with_parent = true,
			.new_netns = true,
		};
		int r = proc_spawn(&pid, ret_pidfd, &spec, err);

		if (r < 0)
			return r;
	}
	*ret_channel = TAKE_FD(ours);
	return 0;
}

/* The extractor asks to mark a directory of the staging tree. */
static int mark_opaque(const struct unpack *u, int fd, struct err *err)
{
	struct stat root, st;

	if (fd < 0 || fstat(fd, &st) < 0 || fstat(u->fs_fd, &root) < 0)
		return err_set(err, ERR_INVALID, EBADMSG, NULL, "the extractor sent no directory");
	if (!S_ISDIR(st.st_mode) || st.st_dev != root.st_dev)
		return err_set(err, ERR_INVALID, EBADMSG, NULL,
			       "the extractor sent something else");
	if (fsetxattr(fd, "trusted.overlay.opaque", "y", 1, 0) < 0)
		return err_errno(err, errno, "mark directory as opaque");
	return 0;
}

/* Serve the extractor until it reports. 0 when the tree is complete, negative errno, or 1 when it
 * said nothing. */
static int serve(const struct unpack *u, int channel, struct err *err)
{
	for (;;) {
		_cleanup_(layer_message_deinit) struct layer_message m = {.fd = -1};
		int r = layer_packet_recv(channel, &m, err);

		if (r < 0)
			return r;
		if (r == 0)
			return 1;
		if (m.type == LAYER_PACKET_RESULT && m.body)
			return layer_error_from_json(m.body, err);
		if (m.type != LAYER_PACKET_OPAQUE)
			return err_set(err, ERR_INVALID, EBADMSG, NULL,
				       "the extractor sent garbage");
		r = mark_opaque(u, m.fd, err);
		if (r < 0)
			return r;
	}
}

static int extract(struct unpack *u, const struct layer_limits *limits, struct err *err)
{
	autojson *request = layer_request_new(u->layer, limits);
	autoclose int pidfd = -1, channel = -1;
	int r, status = 0;

	r = start_extractor(u, &pidfd, &channel, err);
	if (r < 0)
		return r;
	r = layer_packet_send(channel, LAYER_PACKET_REQUEST, request, -1, err);
	if (r >= 0)
		r = serve(u, channel, err);
	if (r < 0)
		(void)proc_signal(pidfd, SIGKILL);
	channel = mem_close(channel);
	(void)proc_reap(&status, pidfd);
	if (r <= 0)
		return r;

	/* Killed from outside is the host's trouble, anything else the layer's doing. */
	return err_set(err, status == 128 + SIGKILL ? ERR_TRANSIENT : ERR_INVALID, EIO,
		       "InvalidImage", "the extractor ended with status %d", status);
}

int layer_unpack(struct image_store *store, const struct manifest_layer *layer,
		 const struct layer_limits *limits, struct err *err)
{
	_cleanup_(unpack_deinit) struct unpack u = {
		.store = store,
		.layer = layer,
		.staging = {.fd = -1},
		.fs_fd = -1,
	};
	int r;

	assert(digest_valid(layer->digest) && digest_valid(layer->diff_id));

	if (layer_exists(store, layer->diff_id))
		return 0;
	r = make_target(&u, err);
	if (r >= 0)
		r = extract(&u, limits, err);
	if (r >= 0)
		r = layer_staging_commit(&u.staging, layer->diff_id, NULL, err);
	return r < 0 ? err_wrap(err, "layer %s", layer->digest) : 0;
}

int layer_unpack_collect(struct image_store *store, struct err *err)
{
	return layer_staging_collect(store, err);
}
