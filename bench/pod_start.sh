#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Time from a request to a running container, beside the floor: a bare "crun run --detach" of the
# same root file system, turn by turn in the same run. Needs root and a release build:
#
#	RECOND_BIN=build/release/bin bench/pod_start.sh [ROUNDS]
SOURCE_DIR=$(cd "$(dirname "$0")/.." && pwd)
. "$SOURCE_DIR/tests/lib/sh/harness.sh"
. "$SOURCE_DIR/tests/pods/lib.sh"

ROUNDS=${1:-20}

now_us() {
	echo $(($(date +%s%N) / 1000))
}

# floor_setup: a bundle as crun itself would make it.
floor_setup() {
	mkdir -p "$T/floor"
	(cd "$T/floor" && crun spec)
	sed -i -e 's/"terminal": true/"terminal": false/' -e "s#\"path\": \"rootfs\"#\"path\": \"$T/root\"#" \
		-e 's#"sh"#"sleep", "1000"#' "$T/floor/config.json"
}

# floor ROUND: one bare start, in ms.
floor() {
	from_=$(now_us)
	crun --root "$T/crun" --cgroup-manager=cgroupfs run --detach --bundle "$T/floor" "f$1" \
		>/dev/null 2>&1 </dev/null || fail "crun run failed"
	to_=$(now_us)
	crun --root "$T/crun" --cgroup-manager=cgroupfs delete --force "f$1"
	echo $(((to_ - from_ + 500) / 1000)) >>"$T/floor.ms"
}

# pod ROUND: sandbox, container; from the first request to "container started", in ms.
pod() {
	mark
	up "b$1"
	start "b$1" c 0 'exec sleep 1000'
	event container_started
	ms_() {
		tail -n +"$MARK" "$EVENTS" | grep "$1" | head -n 1 | sed -E 's/.*"ms":([0-9]+).*/\1/'
	}
	begin_=$(ms_ '"op":"up"')
	ready_=$(ms_ sandbox_ready)
	asked_=$(ms_ '"op":"start"')
	done_=$(ms_ container_started)
	echo $((ready_ - begin_)) >>"$T/sandbox.ms"
	echo $((done_ - asked_)) >>"$T/container.ms"
	echo $((ready_ - begin_ + done_ - asked_)) >>"$T/pod.ms"
	down "b$1"
}

median() {
	sort -n "$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

pods_image
floor_setup
pods_start
up warm
start warm c 0 'exec sleep 1000'
event container_started
i=0
while [ "$i" -lt "$ROUNDS" ]; do
	floor "$i"
	pod "$i"
	i=$((i + 1))
done
down warm
pods_stop
printf 'rounds %s, medians in ms: crun run %s, sandbox %s, container %s, pod %s, ratio %s\n' \
	"$ROUNDS" "$(median "$T/floor.ms")" "$(median "$T/sandbox.ms")" "$(median "$T/container.ms")" \
	"$(median "$T/pod.ms")" \
	"$(echo "$(median "$T/pod.ms") $(median "$T/floor.ms")" | awk '{ printf "%.2f", $1 / $2 }')"
