#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# One daemon for a state directory: a second one says so and ends, and a killed one is in nobody's way.
# timeout: 60
. "$SOURCE_DIR/tests/lib/sh/harness.sh"
need_root
need_cmd crun ip

mkdir "$T/source"
recond_start "$T/source"
status=0
"$RECOND_BIN/recond" --state-dir "$STATE" --socket "$T/other.sock" --bridge "$BRIDGE" --pod-cidr "$POD_CIDR" \
	"$T/source" >"$T/second" 2>&1 || status=$?
[ "$status" = 75 ] || fail "the second ended with $status: $(cat "$T/second")"
grep -q "another recond runs on $STATE" "$T/second" || fail "the second says: $(cat "$T/second")"
[ ! -e "$T/other.sock" ] || fail "the second opened a socket"
recond_alive || fail "the first one is gone"
rc status >/dev/null || [ $? = 3 ] || fail "the first one does not answer"
ok "a second daemon is refused with status 75"

recond_kill
recond_start "$T/source"
recond_stop
ok "the lock goes with its holder"
