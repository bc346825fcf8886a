#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# A monitor is killed under a real daemon, while it is there and while it is not: the pod's status
# says what happened, its container is started again once, and no other pod is touched.
# timeout: 180
. "$SOURCE_DIR/tests/lib/sh/harness.sh"
. "$SOURCE_DIR/tests/lib/sh/app.sh"
need_root
need_cmd crun curl ip busybox

# pod_of N: the name of the N-th pod; uid_of POD.
pod_of() {
	rc get pods -o name | sed 's|^pods*/||' | sed -n "$1p"
}

uid_of() {
	rc get pod "$1" -o json | sed -nE 's/^ *"uid": "([0-9a-f-]{36})".*/\1/p' | tail -n 1
}

# restarts_of POD, and last_reason_of POD: of its last run.
restarts_of() {
	rc get pod "$1" -o json | sed -nE 's/.*"restartCount": ([0-9]+).*/\1/p'
}

last_reason_of() {
	rc get pod "$1" -o json | tr -d '\n ' | sed -nE 's/.*"lastState":\{"terminated":\{[^}]*"exitCode":([0-9]+)[^}]*"reason":"([A-Za-z]+)".*/\1 \2/p'
}

# kill_monitor UID: of the container that runs.
kill_monitor() {
	kill_dir_=$STATE/run/pods/$1/c
	kill_pid_=$(find "$kill_dir_" -name monitor -exec sed -nE 's/.*"pid":([0-9]+).*/\1/p' {} + |
		while read -r pid_; do [ ! -d "/proc/$pid_" ] || echo "$pid_"; done)
	[ -n "$kill_pid_" ] || fail "no monitor of $1"
	kill -KILL "$kill_pid_"
}

# restarted POD N: it runs, after N restarts, the last of them for an end nobody saw.
restarted() {
	[ "$(restarts_of "$1")" = "$2" ] && [ "$(last_reason_of "$1")" = "137 ContainerStatusUnknown" ] &&
		pods_serve 2 hello
}

app_new 2 hello
app_unwatched
recond_start "$SRC"
wait_until 60 app_phase_is Verified
first=$(pod_of 1)
second=$(pod_of 2)

kill_monitor "$(uid_of "$first")"
wait_until 30 restarted "$first" 1
ok "with a daemon: started again, its last end is 137 ContainerStatusUnknown"

uid=$(uid_of "$first")
recond_kill
kill_monitor "$uid"
recond_start "$SRC"
wait_until 60 restarted "$first" 2
ok "without one: noticed by the next, and started again once"

[ "$(restarts_of "$second")" = 0 ] || fail "the other pod was restarted $(restarts_of "$second") times"
[ "$(crun_ids | wc -l)" = 2 ] || fail "crun knows $(crun_ids | wc -l) containers, not 2"
[ "$(pgrep -fc "recond-monitor .*$T/")" = 2 ] || fail "not two monitors"
wait_until 30 app_phase_is Verified
ok "the other pod was left alone, and each container has one monitor"

app_remove_all
