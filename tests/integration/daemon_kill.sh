#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# kill -9 of the daemon at random moments of a rollout of ten replicas, again and again: it converges,
# and no container is doubled or orphaned, by crun's own list.
# timeout: 300
# serial
. "$SOURCE_DIR/tests/lib/sh/harness.sh"
. "$SOURCE_DIR/tests/lib/sh/app.sh"
need_root
need_cmd crun curl ip busybox

ROUNDS=${ROUNDS:-20}
REPLICAS=10

# ids_of_pods: the container ids that the pods' status names.
ids_of_pods() {
	rc get pods -o json | sed -n 's/.*"containerID": "\([0-9a-f]*\)".*/\1/p' | sort -u
}

# Ten containers, exactly those that the ten pods name.
converged() {
	[ "$(crun_ids | wc -l)" -eq "$REPLICAS" ] && [ "$(crun_ids)" = "$(ids_of_pods)" ] &&
		pods_serve "$REPLICAS" "$1"
}

app_new "$REPLICAS" "round 0"
recond_start "$SRC"
wait_until 60 converged "round 0"
ok "$REPLICAS replicas serve"

round=1
while [ "$round" -le "$ROUNDS" ]; do
	echo "round $round" >"$PAGE"
	# A random moment of the second that the rollout takes.
	centiseconds=$(awk -v seed="$round$(now_cs)" 'BEGIN { srand(seed); print int(rand() * 120) }')
	sleep "$(awk -v c="$centiseconds" 'BEGIN { print c / 100 }')"
	recond_kill
	recond_start "$SRC"
	wait_until 60 converged "round $round"
	note "round $round: killed after ${centiseconds}0 ms, converged"
	round=$((round + 1))
done
ok "$ROUNDS kills during rollouts: every one converged, nothing doubled, nothing orphaned"
app_remove_all
ip link del "$BRIDGE"
