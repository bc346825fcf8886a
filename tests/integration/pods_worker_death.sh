#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# recond-pod is killed, and where it can be made to it fails, at each of its failpoints, one at a time,
# while a pod comes up, runs and goes. Whoever asks again as a policy does gets there: one container
# runs, and nothing is left of it at the end.
# timeout: 240
. "$SOURCE_DIR/tests/lib/sh/harness.sh"
. "$SOURCE_DIR/tests/pods/lib.sh"
need_cmd python3

grep -aq start.spawned "$RECOND_BIN/recond-pod" || skip "a build without failpoints"
points() {
	# Those of fs.* hit podctl too; that is the daemon's death, which other tests are about.
	python3 "$SOURCE_DIR/tests/fault/failpoints.py" "$@" "$RECOND_BIN/recond-pod" | grep -v '^fs[.]'
}

ask_up() {
	printf '{"op":"up","request":{"uid":"u1","namespace":"default","name":"u1","hostname":"u1","cgroup":{"qos":"Burstable"},"volumes":[{"name":"e","emptyDir":{}}]}}\n' >&8
}

# count PATTERN: how many events since the mark match.
count() {
	tail -n +"$MARK" "$EVENTS" | grep -cE "$1" || :
}

# bring_up: ask for the sandbox until it is there.
bring_up() {
	asked=0
	up_end=$(($(now_cs) + 3000))
	until seen '"event":"sandbox_ready"'; do
		if [ "$(count '"event":"sandbox_failed"')" -ge "$asked" ]; then
			ask_up
			asked=$((asked + 1))
		fi
		[ "$(now_cs)" -lt "$up_end" ] || fail "$spec: no sandbox: $(tail -n +"$MARK" "$EVENTS"; cat "$T/podctl.log")"
		sleep 0.02
	done
}

# bring_to_run: start attempts until the newest one runs.
bring_to_run() {
	attempt=-1
	run_end=$(($(now_cs) + 3000))
	until [ "$attempt" -ge 0 ] && seen "\"attempt\":$attempt,.*container_started"; do
		if [ "$(count 'container_(failed|exited)')" -gt "$attempt" ]; then
			attempt=$((attempt + 1))
			start u1 main "$attempt" 'exec sleep 100000' '"mounts":[{"volume":"e","mountPath":"/e"}]'
		fi
		[ "$(now_cs)" -lt "$run_end" ] || fail "$spec: does not run: $(tail -n +"$MARK" "$EVENTS"; cat "$T/podctl.log")"
		sleep 0.02
	done
}

# one_runs: one live process in the pod's control groups, and one monitor.
one_runs() {
	live=$(for d in /proc/[0-9]*; do
		if grep -qF "$PODCTL_CGROUP_PARENT/" "$d/cgroup" 2>/dev/null && ! grep -q '^State:.[ZX]' "$d/status" 2>/dev/null; then
			echo "$d"
		fi
	done | wc -l)
	[ "$live" = 1 ] || fail "$spec: $live processes run: $(tail -n +"$MARK" "$EVENTS")"
	[ "$(pgrep -fc "recond-monitor .*$T/")" = 1 ] || fail "$spec: not one monitor"
	[ "$(crun --root "$RUN/crun" list -q | wc -l)" = 1 ] || fail "$spec: crun knows not one container"
}

# round SPEC: a pod's life with it.
round() {
	spec=$1
	rm -rf "$T/points"
	mkdir "$T/points"
	RECOND_FAILPOINTS=$spec
	RECOND_FAILPOINTS_DIR=$T/points
	export RECOND_FAILPOINTS RECOND_FAILPOINTS_DIR
	pods_start
	unset RECOND_FAILPOINTS RECOND_FAILPOINTS_DIR
	mark
	bring_up
	bring_to_run
	one_runs
	down u1
	wait_until 5 nothing_left
	[ -s "$T/points/${spec%%=*}" ] || fail "$spec: never reached"
	pods_stop
}

pods_image
for point in $(points); do
	case $point in
	clear.*) # reached by a start that failed
		round "$point=1*kill;monitor.after_start=1*kill"
		;;
	*) round "$point=1*kill" ;;
	esac
done
# After the bridge: the sandbox, the container, the end.
for n in 1 2 3; do
	round "pod.before_answer=$n*off->1*kill"
done
ok "killed at each of its failpoints, the pod comes up, runs once, and goes"

for point in $(points --errors); do
	case $point in
	clear.*) round "$point=2*error(EIO);monitor.after_start=1*kill" ;;
	*) round "$point=2*error(EIO)" ;;
	esac
done
ok "and where it fails instead, twice"
