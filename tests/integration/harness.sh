#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# timeout: 30
#
# The harness itself: a test that fails half-way leaves no process, mount, link or directory behind,
# waiting has a deadline, and two tests at a time have different names.
. "$SOURCE_DIR/tests/lib/sh/harness.sh"
need_root
need_cmd ip

cat >"$T/messy.sh" <<-'EOF'
	#!/bin/sh
	. "$SOURCE_DIR/tests/lib/sh/harness.sh"
	echo "$T $BRIDGE" >"$1"
	mkdir "$T/mnt"
	mount -t tmpfs tmpfs "$T/mnt"
	ip link add "$BRIDGE" type bridge
	sh -c 'sleep 60; :' "$T/worker" 9>&- &
	host_leftovers >"$1.leftovers"
	fail "half-way"
EOF
chmod +x "$T/messy.sh"

status=0
"$T/messy.sh" "$T/names" >/dev/null 2>&1 || status=$?
[ "$status" = 1 ] || fail "a failed test ended with $status"
read -r dir bridge <"$T/names"
for kind in process mount link; do
	grep -q "^$kind" "$T/names.leftovers" || fail "host_leftovers did not see the $kind"
done
ok "host_leftovers sees processes, mounts and links"

[ "$bridge" != "$BRIDGE" ] || fail "two tests share the bridge $bridge"
ok "two tests have different names"

[ ! -e "$dir" ] || fail "$dir was left"
! grep -qF "$dir" /proc/self/mountinfo || fail "a mount was left"
! ip link show dev "$bridge" >/dev/null 2>&1 || fail "$bridge was left"
! grep -lF "$dir/worker" /proc/[0-9]*/cmdline >/dev/null 2>&1 || fail "a process was left"
ok "a failed test leaves nothing behind"

before=$(now_cs)
if (wait_until 1 false) 2>/dev/null; then
	fail "waiting for the impossible succeeded"
fi
[ $(($(now_cs) - before)) -ge 100 ] || fail "wait_until gave up early"
ok "waiting ends at its deadline"
