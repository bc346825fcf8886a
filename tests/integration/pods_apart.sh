#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The daemon in a control group of its own, as a service manager puts it: when all processes of that
# group are killed, as a service manager does, neither a monitor nor a container was among them. And
# the control groups of pods stay where the first daemon of a boot made them.
# timeout: 60
. "$SOURCE_DIR/tests/lib/sh/harness.sh"
. "$SOURCE_DIR/tests/pods/lib.sh"

# The hierarchy by which a service manager tells its processes apart.
TREE=/sys/fs/cgroup/unified
[ -d "$TREE" ] || TREE=/sys/fs/cgroup
[ -e "$TREE/cgroup.procs" ] || skip "needs cgroup2"
SERVICE=$TREE$PODCTL_CGROUP_PARENT-service

group_of() {
	sed -nE 's/^0::(.*)/\1/p' "/proc/$1/cgroup"
}

# The daemon's stand-in, and so its workers, in $SERVICE.
serve() {
	pods_start
	mkdir -p "$SERVICE"
	echo "$PODS_PID" >"$SERVICE/cgroup.procs"
}

kill_service() {
	while read -r member_; do
		kill -KILL "$member_" 2>/dev/null || :
	done <"$SERVICE/cgroup.procs"
	wait "$PODS_PID" 2>/dev/null || :
	exec 8>&-
	rmdir "$SERVICE"
}

PODCTL_MONITORS_APART=1
export PODCTL_MONITORS_APART
pods_image
serve
up u1
mark
start u1 a 0 "while :; do sleep 1; done"
event 'container_started.*"name":"a"'
pid=$(field pid)
monitor=$(pgrep -f "recond-monitor .*$T/run/pods/u1/")
case $(group_of "$monitor") in
"$PODCTL_CGROUP_PARENT"/*/monitors) ;;
*) fail "the monitor is in $(group_of "$monitor")" ;;
esac
ok "a monitor is not in the control group of the daemon"

kill_service
kill -0 "$monitor" || fail "the monitor is gone"
kill -0 "$pid" || fail "the container is gone"
ok "monitor and container live on when all of the daemon's control group is killed"

group=$(group_of "$pid")
old_parent=$PODCTL_CGROUP_PARENT
PODCTL_CGROUP_PARENT=$PODCTL_CGROUP_PARENT/other
mark
serve
event 'container_started.*"name":"a"'
grep -q "another cgroup is wanted" "$T/podctl.log" || fail "nothing is said about the other cgroup"
start u1 b 0 "while :; do sleep 1; done"
event 'container_started.*"name":"b"'
[ "$(dirname "$(group_of "$(field pid)")")" = "$(dirname "$group")" ] ||
	fail "a pod is in two places: $group, $(group_of "$(field pid)")"
ok "control groups stay where the first daemon of a boot made them"

PODCTL_CGROUP_PARENT=$old_parent
down u1
wait_until 5 nothing_left
pods_stop
ip link del "$BRIDGE"
ok "nothing is left"
