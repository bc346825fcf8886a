#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# recond cleanup: the host is as it was before, whether the daemon was stopped or killed in the middle
# of a rollout; the state is kept or not, as wanted; what is not recond's stays.
# timeout: 180
. "$SOURCE_DIR/tests/lib/sh/harness.sh"
. "$SOURCE_DIR/tests/lib/sh/app.sh"
need_root
need_cmd crun curl ip busybox nft

host_snapshot >"$T/before"
recond_cleanup --purge >"$T/out" || fail "nothing to clean up is a failure: $(cat "$T/out")"
[ ! -d "$STATE" ] || fail "a state directory was made"
host_same "$T/before" || fail "the host is changed"
ok "where nothing is, nothing is done"

# --- refused ---------------------------------------------------------------------------------------
app_new 2 hello
app_unwatched
recond_start "$SRC"
wait_until 60 app_phase_is Verified
ids=$(crun_ids)
if recond_cleanup >"$T/out" 2>&1; then fail "it ran beside a daemon"; fi
grep -q "a daemon (pid $RECOND_PID) runs on $STATE" "$T/out" || fail "message: $(cat "$T/out")"
[ "$(crun_ids)" = "$ids" ] && pods_serve 2 hello || fail "a refused cleanup touched the pods"
ok "refused while a daemon runs, with its pid"

# --- stopped, state kept ---------------------------------------------------------------------------
recond_stop
[ "$(crun_ids)" = "$ids" ] || fail "the pods ended with the daemon"
recond_cleanup --grace 1s >"$T/out" || fail "cleanup: $(cat "$T/out")"
grep -qx 'pods ended: 2' "$T/out" || fail "report: $(cat "$T/out")"
host_same "$T/before" || fail "the host is changed"
[ ! -d "$STATE/run" ] || fail "the run directory is left: $(find "$STATE/run")"
[ -f "$STATE/recond.db" ] || fail "the state is gone"
recond_cleanup >"$T/out" && grep -qx 'pods ended: 0' "$T/out" || fail "again: $(cat "$T/out")"
ok "nothing is left on the host, the state is, and a second time does no harm"

recond_start "$SRC"
wait_until 60 pods_serve 2 hello
ok "the next daemon brings the pods back"

# --- killed in the middle --------------------------------------------------------------------------
n=0
while [ "$n" -lt 5 ]; do
	echo "round $n" >"$PAGE"
	sleep "0.$n"
	recond_kill
	recond_cleanup --grace 0 >"$T/out" || fail "cleanup: $(cat "$T/out")"
	host_same "$T/before" || fail "the host is changed after round $n"
	recond_start "$SRC"
	wait_until 60 pods_serve 2 "round $n"
	n=$((n + 1))
done
ok "nor after a daemon that was killed in a rollout, five times"

# --- what is not ours ------------------------------------------------------------------------------
ip link add "${BRIDGE}x" type veth peer name "${BRIDGE}y"
ip link set "${BRIDGE}x" master "$BRIDGE"
recond_stop
touch "$STATE/run/mine"
recond_cleanup --grace 0 >"$T/out" || fail "cleanup: $(cat "$T/out")"
grep -q "bridge '$BRIDGE' stays: link '${BRIDGE}x' is on it" "$T/out" || fail "report: $(cat "$T/out")"
grep -q "directory '$STATE/run' stays: 'mine' is not recond's" "$T/out" || fail "report: $(cat "$T/out")"
ip link del "${BRIDGE}x"
rm "$STATE/run/mine"
# The record of the bridge is gone with the run directory: it is named by hand.
recond_cleanup --bridge "$BRIDGE" --purge >"$T/out" || fail "cleanup: $(cat "$T/out")"
host_same "$T/before" || fail "the host is changed"
[ ! -e "$STATE" ] || fail "the state is left: $(find "$STATE")"
ok "links and files of others stay and are said, and --purge leaves no state"

ip link add "$BRIDGE" type bridge
recond_start "$SRC"
wait_until 60 pods_serve 2 "round 4"
recond_stop
recond_cleanup --grace 0 --purge >"$T/out" || fail "cleanup: $(cat "$T/out")"
grep -q "bridge '$BRIDGE' stays: recond did not make it" "$T/out" || fail "report: $(cat "$T/out")"
ip link del "$BRIDGE" || fail "the administrator's bridge is gone"
host_same "$T/before" || fail "the host is changed"
ok "a bridge that recond did not make stays"
