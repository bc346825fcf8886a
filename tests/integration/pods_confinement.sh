#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# What a container sees and can do: capabilities, seccomp, masked paths, file descriptors, limits,
# users, volumes; and that a hostile root file system is refused.
# timeout: 120
. "$SOURCE_DIR/tests/lib/sh/harness.sh"
. "$SOURCE_DIR/tests/pods/lib.sh"

# run NAME CODE [MEMBERS]: run a container in the pod to its end; its output in $OUT.
run() {
	mark
	start u1 "$1" 0 "$2" "${3:-}"
	event "container_(exited|failed).*\"name\":\"$1\""
	OUT=$(log u1 "$1" 0 2>/dev/null || :)
}

# says LINE: the output of the last container has that line.
says() {
	printf '%s\n' "$OUT" | grep -qxF "$1" || fail "'$1' is not in: $OUT $EVENT"
}

pods_image
pods_start
up u1 '"fsGroup":3000,"volumes":[
	{"name":"work","emptyDir":{}},
	{"name":"mem","emptyDir":{"medium":"Memory","sizeLimitBytes":1048576}},
	{"name":"host","hostPath":{"path":"'"$T"'/host","type":"DirectoryOrCreate"}},
	{"name":"secret","files":{"tmpfs":true,"defaultMode":256,"items":[
		{"path":"token","data":"c2VjcmV0"},{"path":"sub/deep","data":"eA==","mode":292}]}}]'

# --- privileges ------------------------------------------------------------------------------------
run caps 'grep -E "^NoNewPrivs|^Seccomp:" /proc/self/status; grep -E ^Cap /proc/self/status | tr -s [:space:] _'
says CapInh:_0000000000000000_CapPrm:_00000000000005fb_CapEff:_00000000000005fb_CapBnd:_00000000000005fb_CapAmb:_0000000000000000_
printf '%s\n' "$OUT" | tr -s '[:space:]' ' ' | grep -q 'NoNewPrivs: 1 Seccomp: 2' || fail "no_new_privs or seccomp: $OUT"
ok "nine capabilities, none inheritable or ambient, no_new_privs, a seccomp filter"

run drop 'grep CapEff /proc/self/status | tr -s [:space:] _' '"securityContext":{"capabilities":{"drop":["ALL"],"add":["NET_BIND_SERVICE"]},"allowPrivilegeEscalation":true}'
says CapEff:_0000000000000400_
ok "drop ALL and add one leaves one"

run fds 'exec ls -l /proc/self/fd'
# 3 is the directory that ls itself reads, gone by the time it looks at it.
[ "$(printf '%s\n' "$OUT" | grep -c ' -> ')" = 3 ] || fail "file descriptors: $OUT"
printf '%s\n' "$OUT" | grep -qE '[ /]([4-9]|[1-9][0-9]+)( ->|$)' && fail "file descriptors: $OUT"
ok "no fd beyond 0, 1 and 2 reaches a container"

run masks 'for f in /proc/kcore /proc/keys /proc/timer_list /proc/interrupts; do [ ! -e $f ] || [ -z "$(head -c1 $f 2>/dev/null)" ] || echo leak $f; done
	for f in /proc/sys/kernel/hostname /proc/sysrq-trigger /proc/irq/x /sys/x /sys/fs/cgroup/memory/cgroup.procs /sys/fs/cgroup/cgroup.procs; do [ -e $f ] && (echo 0 >$f) 2>/dev/null && echo wrote $f; done
	mount -t tmpfs x /tmp 2>/dev/null && echo mounted; unshare -U true 2>/dev/null && echo unshared; mknod /tmp/d b 254 0 2>/dev/null && echo node; echo end'
[ "$OUT" = end ] || fail "not confined: $OUT"
ok "masked and read-only paths hold; no mount, no user namespace, no device node"

# --- users -----------------------------------------------------------------------------------------
run user 'echo $(id -u) $(id -g) $(id -G) $HOME' '"securityContext":{"runAsUser":1000,"supplementalGroups":[4000]}'
says '1000 1000 1000 2000 3000 4000 /home/app'
ok "user, groups of the image, supplemental groups, fsGroup and HOME"

run nonroot 'true' '"securityContext":{"runAsNonRoot":true}'
echo "$EVENT" | grep -q 'container has runAsNonRoot and image will run as root (pod: \\"u1\\", container: nonroot)","ms":[0-9]*,"name":"nonroot","reason":"CreateContainerConfigError"' || fail "runAsNonRoot: $EVENT"
ok "runAsNonRoot refuses root with the kubelet's words"

run ro 'echo x >/file; touch /etc/hosts 2>/dev/null || echo etc; echo y >/dev/shm/ok && cat /dev/shm/ok' '"securityContext":{"readOnlyRootFilesystem":true}'
says y
printf '%s\n' "$OUT" | grep -q 'Read-only file system' || fail "the root is writable: $OUT"
ok "a read-only root is read-only, /dev/shm is not"

# --- volumes ---------------------------------------------------------------------------------------
run vols 'id -G; stat -c %a:%g /work /secret/..data/token; stat -c %a -L /secret/sub/deep; readlink /secret/token; cat /secret/token; echo
	df /mem | tail -1 | tr -s [:space:] _ | cut -d_ -f2; echo h >/host/made; echo x >/secret/no 2>/dev/null || echo readonly; echo w >/work/kept; ls /part' \
	'"mounts":[{"volume":"work","mountPath":"/work"},{"volume":"mem","mountPath":"/mem"},{"volume":"host","mountPath":"/host"},
	{"volume":"secret","mountPath":"/secret","readOnly":true},{"volume":"secret","mountPath":"/part","subPath":"..data/sub","readOnly":true}]'
echo "$EVENT" | grep -q "subPath" || fail "a subPath with .. in it: $EVENT"
ok "a subPath that leads through a symlink is refused"
run vols2 'stat -c %a:%g /work /secret/..data/token; stat -c %a -L /secret/sub/deep; readlink /secret/token; cat /secret/token; echo
	df /mem | tail -1 | tr -s [:space:] _ | cut -d_ -f2; echo h >/host/made; echo x >/secret/no 2>/dev/null || echo readonly; echo w >/work/kept; ls /part' \
	'"mounts":[{"volume":"work","mountPath":"/work"},{"volume":"mem","mountPath":"/mem"},{"volume":"host","mountPath":"/host"},
	{"volume":"secret","mountPath":"/secret","readOnly":true},{"volume":"host","mountPath":"/part","subPath":"made-dir","readOnly":true}]'
says 2777:3000
says 440:3000
says ..data/token
says secret
says 1024
says readonly
[ "$(cat "$T/host/made")" = h ] || fail "the host path was not written"
[ -d "$T/host/made-dir" ] || fail "a missing subPath was not made"
run vols3 'cat /work/kept' '"mounts":[{"volume":"work","mountPath":"/work"}]'
says w
ok "volumes: modes, fsGroup, sizes, atomic links, read-only, kept over a restart"

# --- limits ----------------------------------------------------------------------------------------
mark
start u1 lim 0 'while :; do sleep 1; done' '"resources":{"cpuShares":204,"cpuQuotaUs":30000,"memoryBytes":33554432},"oomScoreAdj":500'
event 'container_started.*"name":"lim"'
pid=$(field pid)
if [ -d /sys/fs/cgroup/memory ]; then
	cg=$(sed -nE 's/^[0-9]+:memory:(.*)/\1/p' "/proc/$pid/cgroup")
	[ "$(cat "/sys/fs/cgroup/memory$cg/memory.limit_in_bytes")" = 33554432 ] || fail "memory limit"
	[ "$(cat "/sys/fs/cgroup/cpu$cg/cpu.cfs_quota_us")" = 30000 ] || fail "cpu quota"
	[ "$(cat "/sys/fs/cgroup/cpu$cg/cpu.shares")" = 204 ] || fail "cpu shares"
	[ "$(cat "/sys/fs/cgroup/pids$cg/pids.max")" = 2048 ] || fail "pids limit"
else
	cg=$(sed -nE 's/^0::(.*)/\1/p' "/proc/$pid/cgroup")
	[ "$(cat "/sys/fs/cgroup$cg/memory.max")" = 33554432 ] || fail "memory limit"
	[ "$(cat "/sys/fs/cgroup$cg/cpu.max")" = "30000 100000" ] || fail "cpu quota"
	[ "$(cat "/sys/fs/cgroup$cg/pids.max")" = 2048 ] || fail "pids limit"
fi
case $cg in
"$PODCTL_CGROUP_PARENT"/*/burstable/podu1/*) ;;
*) fail "cgroup $cg" ;;
esac
[ "$(cat "/proc/$pid/oom_score_adj")" = 500 ] || fail "oom_score_adj"
grep -qE 'Max core file size +0 +0' "/proc/$pid/limits" || fail "core limit"
grep -qE 'Max open files +1024' "/proc/$pid/limits" || fail "nofile limit"
ok "cgroup and resource limits are those asked for"

run oom 'tail /dev/zero' '"resources":{"memoryBytes":16777216}'
echo "$EVENT" | grep -q '"exit_code":137.*"oom_killed":true,"reason":"OOMKilled"' || fail "OOM: $EVENT"
ok "a container killed for memory is OOMKilled"

# --- hostile images --------------------------------------------------------------------------------
echo untouched >"$T/canary"
mkdir "$T/hostdev"
for target in "$T/hostdev" ../../../../../../../../tmp /proc; do
	ROOT_EXTRA="ln -s $target dev; ln -s $target sys" pods_image
	run "evil$(printf %s "$target" | cksum | cut -d' ' -f1)" 'echo ran; [ -L /dev ] && echo link'
	case $OUT in
	*link*) fail "/dev is a symlink inside: $OUT" ;;
	esac
	[ -z "$(ls -A "$T/hostdev")" ] || fail "crun wrote through /dev: $(ls -A "$T/hostdev")"
done
ok "a symlinked /dev or /sys leads nowhere"

ROOT_EXTRA="ln -s $T vol" pods_image
run evilvol 'echo ran' '"mounts":[{"volume":"work","mountPath":"/vol/x"}]'
[ ! -e "$T/x" ] || fail "a mount point was made on the host"
ok "a symlink on the way to a mount point stays inside"

pods_image
for cwd in /proc/self/fd/3 /proc/self/cwd /sys; do
	run "cwd$(printf %s "$cwd" | cksum | cut -d' ' -f1)" 'pwd' "\"workingDir\":\"$cwd\""
	echo "$EVENT" | grep -q container_failed || fail "working directory $cwd: $EVENT"
done
ok "working directories in /proc and /sys are refused"

mark
down u1
wait_until 5 nothing_left
[ -e "$T/host/made" ] || fail "the host path was removed with the pod"
ok "nothing is left but the host path"
pods_stop
