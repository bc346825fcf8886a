#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# A container that writes without a pause while its log rotates and the daemon is killed and started
# again: every line is there, once, in order, and no file is larger than allowed.
# timeout: 120
. "$SOURCE_DIR/tests/lib/sh/harness.sh"
. "$SOURCE_DIR/tests/pods/lib.sh"

LIMIT=200000
LINES=15000

pods_image
pods_start "$LIMIT"
up u1
mark
start u1 w 0 "seq 1 $LINES; sleep 1; echo end"
event 'container_started.*"name":"w"'
pods_kill
mark
pods_start "$LIMIT"
event 'container_exited.*"exit_code":0.*"name":"w"'
dir=$STATE/logs/default_u1_u1/w
[ -e "$dir/0.log.3" ] || fail "the log was not rotated: $(ls -l "$dir")"
[ ! -e "$dir/0.log.5" ] || fail "more than five files: $(ls -l "$dir")"
find "$dir" -type f -size +$((LIMIT / 1024 + 1))k | grep . && fail "a file is too large: $(ls -l "$dir")"
for n in 4 3 2 1 0; do
	file=$dir/0.log.$n
	[ "$n" != 0 ] || file=$dir/0.log
	[ ! -e "$file" ] || cat "$file"
done | sed -E 's/^[^ ]+ stdout F //' >"$T/all"
{
	seq 1 "$LINES"
	echo end
} >"$T/want"
cmp "$T/want" "$T/all" || fail "lines are missing, doubled or out of order"
ok "$LINES lines over $(find "$dir" -type f | wc -l) files, none lost"

mark
start u1 w 1 "true"
event '"attempt":1.*container_exited.*"name":"w"'
mark
start u1 w 2 "true"
event '"attempt":2.*container_exited.*"name":"w"'
wait_until 10 test ! -e "$dir/0.log"
wait_until 10 test ! -e "$dir/0.log.1"
[ -e "$dir/1.log" ] || fail "the log of the attempt before is gone"
ok "logs of older attempts go, that of the one before stays"

mark
down u1
wait_until 5 nothing_left
pods_stop
