/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The profile as tables: allowed calls, calls that need a capability, calls refused with EPERM;
 * everything else, known or future, is ENOSYS, so that programs fall back. It follows the list of
 * containers/common (Apache-2.0) and is stricter than that list in these points: no mount,
 * namespace, keyring or io_uring calls without CAP_SYS_ADMIN, clone() without namespace flags, four
 * socket families, the native ABI alone (a 32-bit socketcall could not be filtered).
 */
#include "runtime/seccomp_profile.h"

#include <errno.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include "base/json.h"
#include "base/mem.h"
#include "runtime/spec.h"

/* clang-format off */
static const char *const allowed[] = {
	"accept", "accept4", "access", "adjtimex", "alarm", "arch_prctl", "bind", "brk",
	"cachestat", "capget", "capset", "chdir", "chmod", "chown", "clock_adjtime",
	"clock_adjtime64", "clock_getres", "clock_getres_time64", "clock_gettime",
	"clock_gettime64", "clock_nanosleep", "clock_nanosleep_time64", "close", "close_range",
	"connect", "copy_file_range", "creat", "dup", "dup2", "dup3", "epoll_create",
	"epoll_create1", "epoll_ctl", "epoll_ctl_old", "epoll_pwait", "epoll_pwait2", "epoll_wait",
	"epoll_wait_old", "eventfd", "eventfd2", "execve", "execveat", "exit", "exit_group",
	"faccessat", "faccessat2", "fadvise64", "fadvise64_64", "fallocate", "fanotify_mark",
	"fchdir", "fchmod", "fchmodat", "fchmodat2", "fchown", "fchownat", "fcntl", "fcntl64",
	"fdatasync", "fgetxattr", "flistxattr", "flock", "fork", "fremovexattr", "fsetxattr",
	"fstat", "fstat64", "fstatat64", "fstatfs", "fstatfs64", "fsync", "ftruncate",
	"ftruncate64", "futex", "futex_requeue", "futex_time64", "futex_wait", "futex_waitv",
	"futex_wake", "futimesat", "get_mempolicy", "get_robust_list", "get_thread_area", "getcpu",
	"getcwd", "getdents", "getdents64", "getegid", "geteuid", "getgid", "getgroups",
	"getitimer", "getpeername", "getpgid", "getpgrp", "getpid", "getppid", "getpriority",
	"getrandom", "getresgid", "getresuid", "getrlimit", "getrusage", "getsid", "getsockname",
	"getsockopt", "gettid", "gettimeofday", "getuid", "getxattr", "inotify_add_watch",
	"inotify_init", "inotify_init1", "inotify_rm_watch", "io_cancel", "io_destroy",
	"io_getevents", "io_pgetevents", "io_setup", "io_submit", "ioctl", "ioprio_get",
	"ioprio_set", "kill", "landlock_add_rule", "landlock_create_ruleset",
	"landlock_restrict_self", "lchown", "lgetxattr", "link", "linkat", "listen", "listxattr",
	"llistxattr", "lremovexattr", "lseek", "lsetxattr", "lstat", "lstat64", "madvise",
	"map_shadow_stack", "mbind", "membarrier", "memfd_create", "memfd_secret", "mincore",
	"mkdir", "mkdirat", "mknod", "mknodat", "mlock", "mlock2", "mlockall", "mmap", "mmap2",
	"mprotect", "mq_getsetattr", "mq_notify", "mq_open", "mq_timedreceive",
	"mq_timedreceive_time64", "mq_timedsend", "mq_timedsend_time64", "mq_unlink", "mremap",
	"msgctl", "msgget", "msgrcv", "msgsnd", "msync", "munlock", "munlockall", "munmap",
	"nanosleep", "newfstatat", "open", "openat", "openat2", "pause", "pidfd_open",
	"pidfd_send_signal", "pipe", "pipe2", "pkey_alloc", "pkey_free", "pkey_mprotect", "poll",
	"ppoll", "ppoll_time64", "prctl", "pread64", "preadv", "preadv2", "prlimit64",
	"process_mrelease", "process_vm_readv", "process_vm_writev", "pselect6", "pselect6_time64",
	"ptrace", "pwrite64", "pwritev", "pwritev2", "read", "readahead", "readlink", "readlinkat",
	"readv", "recvfrom", "recvmmsg", "recvmmsg_time64", "recvmsg", "remap_file_pages",
	"removexattr", "rename", "renameat", "renameat2", "restart_syscall", "rmdir", "rseq",
	"rt_sigaction", "rt_sigpending", "rt_sigprocmask", "rt_sigqueueinfo", "rt_sigreturn",
	"rt_sigsuspend", "rt_sigtimedwait", "rt_sigtimedwait_time64", "rt_tgsigqueueinfo",
	"sched_get_priority_max", "sched_get_priority_min", "sched_getaffinity", "sched_getattr",
	"sched_getparam", "sched_getscheduler", "sched_rr_get_interval",
	"sched_rr_get_interval_time64", "sched_setaffinity", "sched_setattr", "sched_setparam",
	"sched_setscheduler", "sched_yield", "seccomp", "select", "semctl", "semget", "semop",
	"semtimedop", "semtimedop_time64", "sendfile", "sendfile64", "sendmmsg", "sendmsg",
	"sendto", "set_mempolicy", "set_mempolicy_home_node", "set_robust_list", "set_thread_area",
	"set_tid_address", "setfsgid", "setfsuid", "setgid", "setgroups", "setitimer", "setpgid",
	"setpriority", "setregid", "setresgid", "setresuid", "setreuid", "setrlimit", "setsid",
	"setsockopt", "setuid", "setxattr", "shmat", "shmctl", "shmdt", "shmget", "shutdown",
	"sigaltstack", "signalfd", "signalfd4", "socketpair", "splice", "stat", "stat64", "statfs",
	"statfs64", "statx", "symlink", "symlinkat", "sync", "sync_file_range", "syncfs",
	"sysinfo", "tee", "tgkill", "time", "timer_create", "timer_delete", "timer_getoverrun",
	"timer_gettime", "timer_gettime64", "timer_settime", "timer_settime64", "timerfd_create",
	"timerfd_gettime", "timerfd_gettime64", "timerfd_settime", "timerfd_settime64", "times",
	"tkill", "truncate", "truncate64", "umask", "uname", "unlink", "unlinkat", "utime",
	"utimensat", "utimensat_time64", "utimes", "vfork", "wait4", "waitid", "write", "writev",
};

/* Refused with EPERM rather than ENOSYS unless CAP is there: programs test for these and expect that answer. */
static const struct {
	uint64_t cap; /* 0: never allowed */
	const char *name;
} gated[] = {
	{SPEC_CAP(2), "open_by_handle_at"},
	{SPEC_CAP(18), "chroot"},
	{SPEC_CAP(20), "acct"},
	{SPEC_CAP(16), "delete_module"},
	{SPEC_CAP(16), "finit_module"},
	{SPEC_CAP(16), "init_module"},
	{SPEC_CAP(17), "ioperm"},
	{SPEC_CAP(17), "iopl"},
	{SPEC_CAP(19), "kcmp"},
	{SPEC_CAP(19), "pidfd_getfd"},
	{SPEC_CAP(19), "process_madvise"},
	{SPEC_CAP(22), "reboot"},
	{SPEC_CAP(25), "clock_settime"},
	{SPEC_CAP(25), "settimeofday"},
	{SPEC_CAP(26), "vhangup"},
	{SPEC_CAP(34), "syslog"},
	{SPEC_CAP(39), "bpf"},
	{SPEC_CAP(38), "perf_event_open"},
	{SPEC_CAP(21), "fanotify_init"},
	{SPEC_CAP(21), "fsconfig"},
	{SPEC_CAP(21), "fsmount"},
	{SPEC_CAP(21), "fsopen"},
	{SPEC_CAP(21), "fspick"},
	{SPEC_CAP(21), "lookup_dcookie"},
	{SPEC_CAP(21), "mount"},
	{SPEC_CAP(21), "mount_setattr"},
	{SPEC_CAP(21), "move_mount"},
	{SPEC_CAP(21), "name_to_handle_at"},
	{SPEC_CAP(21), "open_tree"},
	{SPEC_CAP(21), "pivot_root"},
	{SPEC_CAP(21), "quotactl"},
	{SPEC_CAP(21), "quotactl_fd"},
	{SPEC_CAP(21), "setdomainname"},
	{SPEC_CAP(21), "sethostname"},
	{SPEC_CAP(21), "setns"},
	{SPEC_CAP(21), "umount"},
	{SPEC_CAP(21), "umount2"},
	{SPEC_CAP(21), "unshare"},
	{0, "add_key"},
	{0, "io_uring_enter"},
	{0, "io_uring_register"},
	{0, "io_uring_setup"},
	{0, "kexec_file_load"},
	{0, "kexec_load"},
	{0, "keyctl"},
	{0, "migrate_pages"},
	{0, "modify_ldt"},
	{0, "move_pages"},
	{0, "nfsservctl"},
	{0, "request_key"},
	{0, "swapoff"},
	{0, "swapon"},
	{0, "sysfs"},
	{0, "uselib"},
	{0, "userfaultfd"},
	{0, "ustat"},
	{0, "vmsplice"},
};

/* Families whose sockets are allowed as they are; AF_NETLINK is the fourth, for NETLINK_ROUTE alone. */
static const int families[] = {AF_UNIX, AF_INET, AF_INET6};

/* personality(2): Linux, BSD-like UNAME26 and the question "which is it". */
static const uint64_t personalities[] = {0x0, 0x8, 0x20000, 0x20008, 0xffffffff};
/* clang-format on */

#define CLONE_NAMESPACES UINT64_C(0x7e020000) /* all CLONE_NEW* flags */
#define FAMILY_MAX 45                         /* the last family this kernel generation knows */

static json_t *rule(const char *name, const char *action, int error)
{
	json_t *r = json_object();

	json_set(r, "names", json_pack("[s]", name));
	json_set(r, "action", json_text(action));
	if (error)
		json_set(r, "errnoRet", json_integer(error));
	return r;
}

static void add_arg(json_t *r, unsigned int index, const char *op, uint64_t value,
		    uint64_t value_two)
{
	json_t *args = json_object_get(r, "args");
	json_t *arg = json_pack("{s:i, s:I, s:s}", "index", (int)index, "value", (json_int_t)value,
				"op", op);

	if (value_two || str_eq(op, "SCMP_CMP_MASKED_EQ"))
		json_set(arg, "valueTwo", json_integer((json_int_t)value_two));
	if (!args) {
		args = json_array();
		json_set(r, "args", args);
	}
	(void)json_array_append_new(args, arg);
}

static void add_rule(json_t *rules, json_t *r)
{
	(void)json_array_append_new(rules, r);
}

static bool family_allowed(int family)
{
	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		if (families[i] == family)
			return true;
	return false;
}

/* One rule per family: two conditions on the same argument cannot be put into one rule. */
static void add_socket_rules(json_t *rules)
{
	json_t *r;

	for (int family = 0; family <= FAMILY_MAX; family++) {
		if (family == AF_NETLINK)
			continue;
		r = family_allowed(family) ? rule("socket", "SCMP_ACT_ALLOW", 0)
					   : rule("socket", "SCMP_ACT_ERRNO", EAFNOSUPPORT);
		add_arg(r, 0, "SCMP_CMP_EQ", (uint64_t)family, 0);
		add_rule(rules, r);
	}
	r = rule("socket", "SCMP_ACT_ERRNO", EAFNOSUPPORT);
	add_arg(r, 0, "SCMP_CMP_GT", FAMILY_MAX, 0);
	add_rule(rules, r);
	r = rule("socket", "SCMP_ACT_ALLOW", 0);
	add_arg(r, 0, "SCMP_CMP_EQ", AF_NETLINK, 0);
	add_arg(r, 2, "SCMP_CMP_EQ", NETLINK_ROUTE, 0);
	add_rule(rules, r);
	r = rule("socket", "SCMP_ACT_ERRNO", EAFNOSUPPORT);
	add_arg(r, 0, "SCMP_CMP_EQ", AF_NETLINK, 0);
	add_arg(r, 2, "SCMP_CMP_NE", NETLINK_ROUTE, 0);
	add_rule(rules, r);
}

static void add_clone_rules(json_t *rules, uint64_t caps)
{
	json_t *r = rule("clone", "SCMP_ACT_ALLOW", 0);

	if (!(caps & SPEC_CAP(21)))
		add_arg(r, 0, "SCMP_CMP_MASKED_EQ", CLONE_NAMESPACES, 0);
	add_rule(rules, r);
	/* Its flags lie in memory where no filter sees them: the C library falls back to clone().
	 */
	add_rule(rules, rule("clone3", "SCMP_ACT_ERRNO", ENOSYS));
}

static const char *native_architecture(void)
{
#if defined(__x86_64__)
	return "SCMP_ARCH_X86_64";
#elif defined(__aarch64__)
	return "SCMP_ARCH_AARCH64";
#elif defined(__riscv) && __riscv_xlen == 64
	return "SCMP_ARCH_RISCV64";
#else
#error "name the libseccomp architecture here"
#endif
}

json_t *seccomp_profile_build(uint64_t caps)
{
	json_t *profile = json_object(), *rules = json_array(), *names = json_array();
	json_t *r = rule("read", "SCMP_ACT_ALLOW", 0);

	for (size_t i = 0; i < ARRAY_SIZE(allowed); i++)
		(void)json_array_append_new(names, json_text(allowed[i]));
	json_set(r, "names", names);
	add_rule(rules, r);
	for (size_t i = 0; i < ARRAY_SIZE(gated); i++)
		add_rule(rules, (gated[i].cap & caps)
					? rule(gated[i].name, "SCMP_ACT_ALLOW", 0)
					: rule(gated[i].name, "SCMP_ACT_ERRNO", EPERM));
	for (size_t i = 0; i < ARRAY_SIZE(personalities); i++) {
		r = rule("personality", "SCMP_ACT_ALLOW", 0);
		add_arg(r, 0, "SCMP_CMP_EQ", personalities[i], 0);
		add_rule(rules, r);
	}
	add_clone_rules(rules, caps);
	add_socket_rules(rules);
	json_set(profile, "defaultAction", json_text("SCMP_ACT_ERRNO"));
	json_set(profile, "defaultErrnoRet", json_integer(ENOSYS));
	json_set(profile, "architectures", json_pack("[s]", native_architecture()));
	json_set(profile, "syscalls", rules);
	return profile;
}
