#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The disk of the state directory is full: the daemon ends and says which file cannot be written and
# what helps, pods go on, and once there is room the next start does what was asked meanwhile.
# timeout: 120
. "$SOURCE_DIR/tests/lib/sh/harness.sh"
. "$SOURCE_DIR/tests/lib/sh/app.sh"
need_root
need_cmd crun curl ip busybox

mkdir "$STATE"
mount -t tmpfs -o size=64m tmpfs "$STATE"
app_new 1 "hello 1"
recond_start "$SRC"
wait_until 40 app_phase_is Verified
wait_until 10 pods_serve 1 "hello 1"
address=$(pod_ips)

# serves TEXT: the pod of before answers so, whether or not a daemon is there.
serves() {
	[ "$(curl -s --max-time 2 "http://$address:8080/")" = "$1" ]
}

# Every page of it, so that not even the log of the store has room.
! cat /dev/zero >"$STATE/filler" 2>/dev/null || fail "the disk cannot be filled"
printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {key: "%s"}\n' "$(head -c 200000 /dev/zero | tr '\0' x)" \
	>"$SRC/web/settings.yaml"
gone() { ! recond_alive; }
wait_until 30 gone
recond_ended_
[ "$recond_status_" != 0 ] || fail "the daemon ended with 0"
grep -q "state/recond.db: database or disk is full: free space on its file system" "$RECOND_LOG" ||
	fail "the daemon did not say what is full"
serves "hello 1" || fail "the pod does not serve"
ok "the daemon names the file and the remedy, and the pod serves"

# The next one as well, as often as systemd tries.
status=0
"$RECOND_BIN/recond" --state-dir "$STATE" --socket "$SOCK" --bridge "$BRIDGE" --pod-cidr "$POD_CIDR" "$SRC" >"$T/again" 2>&1 9>&- || status=$?
[ "$status" != 0 ] || fail "the daemon ran on a full disk and ended with 0"
grep -q "free space on its file system" "$T/again" || fail "the second start says: $(cat "$T/again")"
serves "hello 1" || fail "the pod does not serve"
ok "the next start says the same, and the pod serves"

rm "$STATE/filler"
recond_start "$SRC"
settings() { rc get configmaps settings >/dev/null; }
wait_until 30 settings
wait_until 30 app_phase_is Verified
pods_serve 1 "hello 1" || fail "the pods do not serve"
[ "$(pod_ips)" = "$address" ] || fail "the pod was replaced"
ok "with room again, what was asked is done, and the pod is the same"
recond_stop
recond_cleanup >/dev/null
umount "$STATE"
