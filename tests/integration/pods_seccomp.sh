#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# What the default seccomp profile answers, asked from inside: compared with a golden text, and
# with an unconfined container to see that it is the profile that refuses.
# timeout: 60
. "$SOURCE_DIR/tests/lib/sh/harness.sh"
. "$SOURCE_DIR/tests/pods/lib.sh"

PROBE=${RECOND_BIN%/bin}/tests/pods/probe
[ "$(uname -m)" = x86_64 ] || skip "the golden text is of x86_64"

ROOT_EXTRA="cp '$PROBE' bin/probe" pods_image
pods_start
up u1
mark
start u1 confined 0 'exec /bin/probe'
event 'container_exited.*"exit_code":0.*"name":"confined"'
log u1 confined 0 >"$T/confined"
if [ "${RECOND_GOLDEN:-}" = update ]; then
	cp "$T/confined" "$SOURCE_DIR/tests/golden/spec/seccomp-seen.txt"
fi
diff -u "$SOURCE_DIR/tests/golden/spec/seccomp-seen.txt" "$T/confined" || fail "the profile answers otherwise"
ok "the default profile answers as written down"

mark
start u1 open 0 'exec /bin/probe' '"securityContext":{"seccompProfile":{"type":"Unconfined"}}'
event 'container_exited.*"exit_code":0.*"name":"open"'
log u1 open 0 >"$T/open"
grep -qx 'unshare-user 0 ok' "$T/open" || note "user namespaces are off on this host"
if cmp -s "$T/confined" "$T/open"; then
	fail "an unconfined container sees the same answers"
fi
ok "an unconfined container sees other answers"

mark
down u1
pods_stop
