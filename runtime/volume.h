/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The volumes of a pod. Each one ends up as the entry <name> of the pod's volume directory in the
 * run directory: a mount (tmpfs, a host path) or a symlink of our own to a directory in the state
 * directory. Containers are only ever given what is opened from there. Blocking; for workers.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

#define VOLUME_MAX_FILES 4096
#define VOLUME_MAX_BYTES (8u << 20)

struct volume_place {
	int run_fd;            /* <run-dir>/pods/<uid>/volumes */
	int disk_fd;           /* <state-dir>/pods/<uid>/volumes */
	const char *disk_path; /* absolute path of disk_fd */
	bool has_fs_group;     /* give volumes to FS_GROUP, hostPath excepted */
	gid_t fs_group;
};

/*
 * Make the volume described by V (see runtime/pod.h, sandbox request). Repeating it is fine: what
 * is there stays, files are written anew. 0, or negative errno with ERR (reason FailedMount where
 * the request is at fault).
 */
int volume_make(const struct volume_place *place, const json_t *v, struct err *err);

/*
 * Write ITEMS ([{"path", "mode", "data": base64}]) into the directory DIRFD the way Kubernetes'
 * AtomicWriter does: a new directory "..<time>.<random>", "..data" renamed onto it, a symlink per
 * top-level name; a reader sees the old set or the new one. 0 or negative errno with ERR.
 */
int volume_write_files(int dirfd, const json_t *items, mode_t default_mode, struct err *err);

/*
 * Open the volume NAME, or SUB_PATH in it (a directory is made when missing), for a mount source:
 * an O_PATH fd that no symlink in the volume can have led astray. *ret_mounted tells whether it has
 * to be cloned (it is not the volume's own root). Fd, or negative errno with ERR.
 */
int volume_open(int run_fd, const char *name, const char *sub_path, struct err *err);

/*
 * Attach a private copy of the mount or subtree behind FD (O_PATH, file or directory) to the entry
 * NAME of DIRFD, made with the right type. 0 or negative errno with ERR.
 */
int volume_attach(int fd, int dirfd, const char *name, struct err *err);

/* Unmount everything mounted on entries of DIRFD, lazily. */
int volume_detach_all(int dirfd, struct err *err);
