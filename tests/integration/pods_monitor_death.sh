#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# A monitor is killed: at each of its own failpoints, at random moments while its container is
# created, runs and stops, with the daemon there and without one. Each time its container is gone at
# once, exactly one failure or end is reported for it, and the next attempt runs, once. Then the same
# with workers that die or fail on the way.
# timeout: 240
. "$SOURCE_DIR/tests/lib/sh/harness.sh"
. "$SOURCE_DIR/tests/pods/lib.sh"

POINTS=${POINTS:-5} # moments for each state
FOREVER='trap "exit 7" TERM; while :; do sleep 0.05; done'

# with_failpoints SPEC COMMAND...: COMMAND (which starts processes) with these, counted over all.
with_failpoints() {
	rm -rf "$T/points"
	mkdir "$T/points"
	RECOND_FAILPOINTS=$1
	RECOND_FAILPOINTS_DIR=$T/points
	export RECOND_FAILPOINTS RECOND_FAILPOINTS_DIR
	shift
	"$@"
	unset RECOND_FAILPOINTS RECOND_FAILPOINTS_DIR
}

# reports NAME ATTEMPT: how many ends were reported for that attempt since the mark.
reports() {
	tail -n +"$MARK" "$EVENTS" | grep -cE "\"attempt\":$2,.*container_(failed|exited).*\"name\":\"$1\"" || :
}

# running_here: container ids with a live process in their control group.
running_here() {
	for procs_ in $(find /sys/fs/cgroup -path "*$PODCTL_CGROUP_PARENT/*/pod*/*" -name cgroup.procs 2>/dev/null); do
		while read -r pid_; do
			grep -q '^State:.[ZX]' "/proc/$pid_/status" 2>/dev/null || [ ! -d "/proc/$pid_" ] ||
				basename "$(dirname "$procs_")"
		done <"$procs_"
	done | sort -u
}

runs_nothing() {
	[ -z "$(running_here)" ] && ! pgrep -f "recond-monitor .*$T/" >/dev/null
}

# ended NAME ATTEMPT: wait for the report of its end, and see that it is the only one and true.
ended() {
	event "\"attempt\":$2,.*container_(failed|exited).*\"name\":\"$1\""
	wait_until 5 runs_nothing
	[ "$(reports "$1" "$2")" = 1 ] || fail "$(reports "$1" "$2") ends of $1 $2: $(tail -n +"$MARK" "$EVENTS")"
}

# next_runs NAME ATTEMPT: that attempt starts, runs alone and ends as its process says.
next_runs() {
	start u1 "$1" "$2" "$FOREVER"
	event "\"attempt\":$2,.*container_started.*\"name\":\"$1\""
	[ "$(running_here)" = "$(field id)" ] || fail "not only $1 $2 runs: $(running_here)"
	echo "{\"op\":\"signal\",\"uid\":\"u1\",\"name\":\"$1\",\"attempt\":$2,\"signo\":9}" >&8
	event "\"attempt\":$2,.*container_exited.*\"exit_code\":137.*\"name\":\"$1\".*\"reason\":\"Error\""
	wait_until 5 runs_nothing
}

# find_monitor: of the only container, in $MONITOR, as soon as there is one.
find_monitor() {
	find_end_=$(($(now_cs) + 1000))
	until MONITOR=$(cat "$RUN"/pods/u1/c/*/monitor 2>/dev/null | sed -nE 's/.*"pid":([0-9]+).*/\1/p' | tail -n 1) &&
		[ -n "$MONITOR" ]; do
		[ "$(now_cs)" -lt "$find_end_" ] || fail "no monitor"
	done
}

# kill_monitor SECONDS: that much later.
kill_monitor() {
	find_monitor
	sleep "$1"
	kill -KILL "$MONITOR" 2>/dev/null || :
}

# pause N: N of $POINTS, as a fraction of 60 ms.
pause() {
	awk -v n="$1" -v of="$POINTS" 'BEGIN { printf "%.4f", 0.06 * n / of }'
}

grep -aq monitor.before_start "$RECOND_BIN/recond-monitor" || skip "a build without failpoints"
pods_image

# --- at its failpoints -----------------------------------------------------------------------------
for point in before_start after_start running before_record after_record; do
	with_failpoints "monitor.$point=1*kill" pods_start
	[ "$point" = before_start ] && up u1
	mark
	start u1 f 0 "exit 5"
	ended f 0
	case $point in
	before_start | after_start) field reason | grep -qx CreateContainerError || fail "$point: $EVENT" ;;
	running | before_record) field reason | grep -qx ContainerStatusUnknown || fail "$point: $EVENT" ;;
	after_record) [ "$(field exit_code)" = 5 ] || fail "$point: $EVENT" ;;
	esac
	next_runs f 1
	mark
	down u1
	wait_until 5 nothing_left
	up u1
	pods_stop
done
ok "a monitor that dies at any of its failpoints: one end, nothing runs on, the next attempt does"

# --- at random moments -----------------------------------------------------------------------------
pods_start
n=0
while [ "$n" -lt "$POINTS" ]; do
	mark
	start u1 "c$n" 0 "$FOREVER"
	kill_monitor "$(pause "$n")"
	ended "c$n" 0
	next_runs "c$n" 1
	mark
	down u1
	up u1
	n=$((n + 1))
done
ok "killed at $POINTS moments of a creation"

n=0
while [ "$n" -lt "$POINTS" ]; do
	mark
	start u1 "r$n" 0 "$FOREVER"
	event "container_started.*\"name\":\"r$n\""
	before=$(now_cs)
	kill_monitor "$(pause "$n")"
	ended "r$n" 0
	took=$(($(now_cs) - before))
	field reason | grep -qx ContainerStatusUnknown || fail "reason: $EVENT"
	[ "$(field exit_code)" = 137 ] || fail "exit code: $EVENT"
	# With room for a busy machine; a look at intervals of minutes would not do.
	[ "$took" -lt 1000 ] || fail "noticed after ${took}0 ms"
	next_runs "r$n" 1
	mark
	down u1
	up u1
	n=$((n + 1))
done
ok "killed at $POINTS moments while its container runs: noticed at once, 137 ContainerStatusUnknown"

n=0
while [ "$n" -lt "$POINTS" ]; do
	mark
	start u1 "s$n" 0 "$FOREVER"
	event "container_started.*\"name\":\"s$n\""
	echo "{\"op\":\"signal\",\"uid\":\"u1\",\"name\":\"s$n\",\"attempt\":0,\"signo\":15}" >&8
	kill_monitor "$(pause "$n")"
	ended "s$n" 0
	next_runs "s$n" 1
	mark
	down u1
	up u1
	n=$((n + 1))
done
ok "killed at $POINTS moments while its container stops"

n=0
while [ "$n" -lt "$POINTS" ]; do
	mark
	start u1 "d$n" 0 "$FOREVER"
	[ $((n % 2)) = 0 ] || event "container_started.*\"name\":\"d$n\""
	find_monitor
	pods_kill
	kill_monitor "$(pause "$n")"
	mark
	pods_start
	event 'sandbox_ready.*"uid":"u1"'
	ended "d$n" 0
	next_runs "d$n" 1
	mark
	down u1
	up u1
	n=$((n + 1))
done
ok "killed at $POINTS moments while no daemon lives"
mark
down u1
pods_stop

# --- while crun is at work -------------------------------------------------------------------------
# A crun that takes its time, known by a number of seconds that nobody else sleeps.
N=7$$
printf '#!/bin/sh\ncase " $* " in *" run "*) exec sleep %s ;; esac\nexec crun "$@"\n' "$N" >"$T/crun"
chmod +x "$T/crun"
PODCTL_CRUN=$T/crun
export PODCTL_CRUN
pods_start
mark
up u1
start u1 slow 0 "$FOREVER"
wait_until 10 pgrep -xf "sleep $N"
kill_monitor 0
ended slow 0
if pgrep -xf "sleep $N" >/dev/null; then fail "crun outlived its monitor"; fi
mark
start u1 slow 1 "$FOREVER"
wait_until 10 pgrep -xf "sleep $N"
find_monitor
pods_kill
kill -KILL "$MONITOR"
mark
pods_start
ended slow 1
if pgrep -xf "sleep $N" >/dev/null; then fail "crun outlived its monitor"; fi
down u1
wait_until 5 nothing_left
pods_stop
unset PODCTL_CRUN
ok "killed while crun is at work: crun dies with it, and before the end is reported"

# --- workers ---------------------------------------------------------------------------------------
for spec in 'monitor.running=1*kill;clear.forget=3*error(EBUSY)' 'monitor.after_start=1*kill;clear.root=2*error(EBUSY)' \
	'pod.before_answer=off->1*kill' 'start.spawned=1*kill' 'monitor.running=1*kill;clear.forget=1*kill'; do
	case $spec in
	pod.before_answer*) spec='pod.before_answer=2*off->1*kill' ;; # the bridge and the sandbox come first
	esac
	with_failpoints "$spec" pods_start
	mark
	up u1
	start u1 w 0 "$FOREVER"
	ended w 0
	next_runs w 1
	mark
	down u1
	wait_until 5 nothing_left
	pods_stop
done
ok "a worker that dies or fails on the way is repeated: nothing runs twice, nothing is left"

with_failpoints 'down.kill=1*kill->1*error(EIO);down.dirs=2*error(EBUSY)' pods_start
mark
up u1
start u1 w 0 "$FOREVER"
event 'container_started.*"name":"w"'
down u1
[ "$(tail -n +"$MARK" "$EVENTS" | grep -c pod_down_failed)" = 4 ] || fail "not four failures: $(tail -n +"$MARK" "$EVENTS")"
[ "$(tail -n +"$MARK" "$EVENTS" | grep -c pod_gone)" = 1 ] || fail "not gone once"
wait_until 5 nothing_left
pods_stop
ok "a pod's end that fails or dies is tried again until it is done"
