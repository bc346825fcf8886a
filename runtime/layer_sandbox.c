/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the extractor gives up before it reads the first foreign byte: every file of the host but
 * one directory, all capabilities but five, gaining any by exec. The network went when it was
 * started (proc_spec.new_netns).
 *
 * CAP_MKNOD is not kept: whiteouts (0:0) need no capability since Linux 5.8, and with it a hijacked
 * extractor could make itself the host's disk.
 */
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/layer_tar_priv.h"

#define UMOUNT_DETACH 2 /* MNT_DETACH: <sys/mount.h> and <linux/mount.h> clash in older headers */
#define MOUNT_PRIVATE ((1UL << 14) | (1UL << 18)) /* MS_REC | MS_PRIVATE */

/* clang-format off */
static const unsigned kept_capabilities[] = {
	CAP_CHOWN, CAP_FOWNER, CAP_DAC_OVERRIDE, CAP_FSETID, CAP_SETFCAP,
};
/* clang-format on */

/* The target as a mount of its own, of which nothing can be executed or opened as a device. */
static int clone_target(int target_fd, struct err *err)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC,
		.propagation = MOUNT_PRIVATE & ~(1UL << 14),
	};
	autoclose int tree = (int)syscall(SYS_open_tree, target_fd, "",
					  AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (tree < 0)
		return err_errno(err, errno, "clone mount of the target");
	if (syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return err_errno(err, errno, "restrict mount of the target");
	return TAKE_FD(tree);
}

static int enter_root(int target_fd, struct err *err)
{
	/* In this order: a mount of another namespace, which the old one is to the new, cannot be
	 * cloned. */
	autoclose int target = target_fd, tree = clone_target(target, err);

	if (tree < 0)
		return tree;
	if (unshare(CLONE_NEWNS | CLONE_NEWIPC) < 0)
		return err_errno(err, errno, "new mount namespace");
	if (syscall(SYS_mount, NULL, "/", NULL, MOUNT_PRIVATE, NULL) < 0)
		return err_errno(err, errno, "make mounts private");
	if (syscall(SYS_move_mount, tree, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_errno(err, errno, "mount the target");

	/* The old root ends up over the new one and is detached; see pivot_root(2). */
	if (fchdir(tree) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
	    syscall(SYS_umount2, ".", UMOUNT_DETACH) < 0)
		return err_errno(err, errno, "change root");
	return chdir("/") < 0 ? err_errno(err, errno, "change directory") : 0;
}

static bool is_kept(unsigned capability)
{
	for (size_t i = 0; i < ARRAY_SIZE(kept_capabilities); i++)
		if (kept_capabilities[i] == capability)
			return true;
	return false;
}

static int drop_capabilities(struct err *err)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {};

	for (unsigned c = 0; prctl(PR_CAPBSET_READ, c, 0, 0, 0) >= 0; c++)
		if (!is_kept(c) && prctl(PR_CAPBSET_DROP, c, 0, 0, 0) < 0)
			return err_errno(err, errno, "drop capability %u", c);
	for (size_t i = 0; i < ARRAY_SIZE(kept_capabilities); i++) {
		unsigned c = kept_capabilities[i];

		data[c / 32].permitted |= BIT(c % 32);
		data[c / 32].effective |= BIT(c % 32);
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || syscall(SYS_capset, &header, data) < 0)
		return err_errno(err, errno, "drop capabilities");
	return 0;
}

int layer_sandbox_enter(int target_fd, struct err *err)
{
	int r = enter_root(target_fd, err);

	if (r >= 0)
		r = drop_capabilities(err);
	if (r >= 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		r = err_errno(err, errno, "make undumpable");
	return r < 0 ? err_wrap(err, "confine the extractor") : 0;
}
