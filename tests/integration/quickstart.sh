#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The first command of the README: it shows the examples answering, and takes away all it made, when
# they have answered (--once) and when it is told to end.
# timeout: 180
. "$SOURCE_DIR/tests/lib/sh/harness.sh"
need_root
need_cmd crun ip curl setsid busybox

quickstart() {
	TMPDIR=$T "$SOURCE_DIR/contrib/quickstart" --no-install --bin "$RECOND_BIN" "$@" 9>&-
}

# nothing_left OUTPUT: no directory, process, mount, address of the one that wrote OUTPUT.
nothing_left() {
	! ls -d "$T"/recond-quickstart.* >/dev/null 2>&1 || fail "its directory is left"
	[ -z "$(host_leftovers)" ] || fail "left: $(host_leftovers)"
	net=$(sed -n 's|^.* curl http://\([0-9]*\.[0-9]*\.[0-9]*\)\..*|\1|p' "$1" | head -n 1)
	[ -n "$net" ] || fail "it names no address"
	! ip -4 address show | grep -q "inet $net\." || fail "its bridge is left"
}

quickstart --once >"$T/once" 2>&1 || fail "quickstart --once: $(cat "$T/once")"
grep -q '<h1>Hello from recond</h1>' "$T/once" || fail "hello did not answer: $(cat "$T/once")"
grep -q 'Good day, this is hello-' "$T/once" || fail "its ConfigMap is missing: $(cat "$T/once")"
grep -q 'Konrad, Berlin' "$T/once" || fail "crm did not answer: $(cat "$T/once")"
ok "the examples answer over HTTP"
! grep -q "$(printf '\033')" "$T/once" || fail "colours in a file"
ok "what goes into a file is plain"
nothing_left "$T/once"
ok "nothing is left of it"

TMPDIR=$T "$SOURCE_DIR/contrib/quickstart" --no-install --bin "$RECOND_BIN" >"$T/long" 2>&1 9>&- &
RECOND_PID=$! # the harness ends it when this test fails
RECOND_LOG=$T/long
wait_until 60 grep -q 'Ctrl-C' "$T/long"
cgroup=$(cat "$T"/recond-quickstart.*/state/run/pods/*/c/*/config.json |
	sed -n 's|.*"\(/recond/[0-9a-f]*\)/.*|\1|p' | head -n 1)
find /sys/fs/cgroup -type d -path "*$cgroup/*" | grep -q . || fail "no cgroup '$cgroup'"
# What it suggests works as it stands there.
sh -euc '. "$1"; sed -i "s/Hello from recond/It is me/" hello/index.html; for i in 1 2 3 4 5 6 7 8 9 10; do
	page | grep -q "It is me" && exit; sleep 1; done; exit 1' sh "$T"/recond-quickstart.*/env ||
	fail "an edit of the page does not show"
ok "an edit of the page shows"
kill -TERM "$RECOND_PID"
status=0
wait "$RECOND_PID" || status=$?
RECOND_PID=
[ "$status" = 143 ] || fail "it ended with $status: $(tail -n 20 "$T/long")"
nothing_left "$T/long"
! find /sys/fs/cgroup -type d -path "*$cgroup*" | grep -q . || fail "its cgroups are left"
ok "it goes on until it is told to end, and leaves nothing then"
