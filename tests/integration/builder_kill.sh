#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# A build that is killed in the middle of a step: its processes and mounts are gone at once, what it
# left on disk is gone after the next build, and no half-made layer is ever used. Two builds at the
# same time do not disturb each other.
# timeout: 120
. "$SOURCE_DIR/tests/lib/sh/harness.sh"
. "$SOURCE_DIR/tests/build/lib.sh"

busybox_context "$T/base"
build base "$T/base"

c=$T/slow
mkdir "$c"
printf 'FROM base\nRUN echo half >/half; echo ready; sleep 1000 & sleep 1000; wait\n' >"$c/Dockerfile"

cgroups() {
	find /sys/fs/cgroup -maxdepth 2 -name "recond-build-$1" 2>/dev/null
}

sleepers() {
	grep -lzx "sleep" /proc/[0-9]*/cmdline 2>/dev/null | while IFS=/ read -r _ _ p _; do
		grep -s "recond-build-$1" "/proc/$p/cgroup" || :
	done
}

no_sleepers() {
	[ -z "$(sleepers "$1")" ]
}

for victim in worker daemon; do
	"$BUILDCTL" build "$STATE" "$c" >"$T/killed.$victim" 2>&1 &
	pid=$!
	wait_until 20 grep -q '^log ready' "$T/killed.$victim"
	id=$(ls "$STATE/build/tmp")
	[ -n "$(cgroups "$id")" ] || fail "no control group of the running build $id"
	[ -n "$(sleepers "$id")" ] || fail "the step does not run"
	! grep -q "$T/" /proc/self/mountinfo || fail "a build's mount is seen outside of it"
	if [ "$victim" = daemon ]; then
		kill -KILL "$pid"
	else
		# The worker is buildctl's only child.
		kill -KILL "$(cat "/proc/$pid/task/$pid/children")"
	fi
	wait "$pid" 2>/dev/null || :
	wait_until 5 no_sleepers "$id"
	! grep -q "$T/" /proc/self/mountinfo || fail "a mount is left"
	ok "the $victim is killed: processes and mounts are gone"
done
grep -q '^error transient BuildFailed the build worker ended with status 137' "$T/killed.worker" ||
	fail "the daemon was told: $(cat "$T/killed.worker")"

ids=$(ls "$STATE/build/tmp")
printf 'FROM base\nRUN [ ! -e /half ]\n' >"$c/Dockerfile"
build after "$c"
for id in $ids; do
	[ -z "$(cgroups "$id")" ] || fail "control groups of $id are left"
done
nothing_left
ok "the next build removed what the killed ones left"

# Two at once, the same and different steps.
mkdir "$T/par"
printf 'FROM base\nRUN sleep 1; echo %s >/x\nRUN cat /x\n' same >"$T/par/Dockerfile"
"$BUILDCTL" build "$STATE" "$T/par" name=one >"$T/one" 2>&1 &
one=$!
"$BUILDCTL" build "$STATE" "$T/par" name=two >"$T/two" 2>&1 &
two=$!
wait "$one" || fail "first of two: $(cat "$T/one")"
wait "$two" || fail "second of two: $(cat "$T/two")"
for image in one two; do
	skopeo inspect "oci:$STATE/images:$image:latest" >/dev/null || fail "image $image"
done
nothing_left
ok "two builds of the same thing at the same time both end well"

# The deadline ends a hanging build.
printf 'FROM base\nRUN sleep 1000\n' >"$c/Dockerfile"
"$BUILDCTL" build "$STATE" "$c" deadlineMs=1500 >"$LAST" 2>&1 && fail "no deadline"
grep -q '^error invalid BuildFailed the build did not end within 1 seconds' "$LAST" || fail "$(cat "$LAST")"
ok "a deadline ends a build"
