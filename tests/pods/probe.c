/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs inside a container and prints what the seccomp profile answers: for each address family, for
 * the calls that matter, and for each personality. Static; the script compares it with a golden
 * text.
 */
#include <errno.h>
#include <linux/netlink.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void say(const char *what, long number, long r)
{
	printf("%s %ld %s\n", what, number, r >= 0 ? "ok" : strerrorname_np(errno));
	if (r >= 0 && strcmp(what, "family") == 0)
		(void)close((int)r);
}

int main(void)
{
	/* With arguments that are harmless where the call is allowed. */
	static const struct {
		const char *name;
		long number;
	} calls[] = {
		{"mount", SYS_mount},
		{"umount2", SYS_umount2},
		{"pivot_root", SYS_pivot_root},
		{"open_tree", SYS_open_tree},
		{"fsopen", SYS_fsopen},
		{"setns", SYS_setns},
		{"keyctl", SYS_keyctl},
		{"add_key", SYS_add_key},
		{"request_key", SYS_request_key},
		{"bpf", SYS_bpf},
		{"perf_event_open", SYS_perf_event_open},
		{"userfaultfd", SYS_userfaultfd},
		{"io_uring_setup", SYS_io_uring_setup},
		{"kexec_load", SYS_kexec_load},
		{"init_module", SYS_init_module},
		{"open_by_handle_at", SYS_open_by_handle_at},
		{"name_to_handle_at", SYS_name_to_handle_at},
		{"clone3", SYS_clone3},
		{"reboot", SYS_reboot},
		{"swapon", SYS_swapon},
		{"chroot", SYS_chroot},
		{"unknown", 511},
	};
	static const unsigned long personalities[] = {0, 8, 0x20000, 0x40000, 0xffffffff};

	for (int family = 0; family <= 46; family++)
		say("family", family, socket(family, SOCK_DGRAM, 0));
	for (int protocol = 0; protocol <= 22; protocol++)
		say("netlink", protocol, socket(AF_NETLINK, SOCK_RAW, protocol));
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		say(calls[i].name, 0, syscall(calls[i].number, -1, NULL, NULL, -1, NULL, NULL));
	say("unshare-user", 0, unshare(CLONE_NEWUSER));
	say("clone-user", 0, syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, 0L));
	for (size_t i = 0; i < sizeof(personalities) / sizeof(personalities[0]); i++)
		say("personality", (long)personalities[i],
		    syscall(SYS_personality, personalities[i]));
	return 0;
}
