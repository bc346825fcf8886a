#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Unpacking, killed at moments spread over its whole course: a layer is there whole or not at all,
# what is left over is collected, and the next unpacking makes it good.
# timeout: 120
. "$SOURCE_DIR/tests/lib/sh/harness.sh"
need_root
TOOL=$RECOND_BIN/../tests/tools/image_tool
[ -x "$TOOL" ] || skip "needs image_tool of the build tree"

mkdir "$T/state" "$T/tree"
i=0
while [ $i -lt 300 ]; do
	mkdir -p "$T/tree/d$((i % 17))"
	head -c 20000 /dev/urandom >"$T/tree/d$((i % 17))/f$i"
	i=$((i + 1))
done
"$TOOL" commit "$T/state" "$T/tree" web gzip >/dev/null || fail "commit"

# The worker dies with its parent, the extractor with the worker.
layers=$T/state/layers
killed=0
delay=1
while [ $delay -lt 40 ]; do
	"$TOOL" unpack "$T/state" web >/dev/null 2>&1 &
	tool=$!
	sleep "0.$(printf '%02d' $delay)"
	kill -9 $tool 2>/dev/null && killed=$((killed + 1))
	wait $tool 2>/dev/null || :
	for layer in "$layers"/[0-9a-f]*; do
		[ -d "$layer" ] || continue
		diff -r "$T/tree" "$layer/fs" || fail "half a layer after $delay hundredths"
		rm -rf "$layer"
	done
	delay=$((delay + 3))
done
note "killed $killed times, $(find "$layers/.staging" -mindepth 1 -maxdepth 1 | wc -l) leftovers"

# A collector leaves alone what somebody still uses, so wait until the last one is really dead.
tries=0
while "$RECOND_BIN/recond-layer" collect "$T/state" && [ -n "$(ls "$layers/.staging")" ]; do
	tries=$((tries + 1))
	[ $tries -lt 50 ] || fail "leftovers stay: $(ls "$layers/.staging")"
	sleep 0.1
done
ok "leftovers are collected"

# Several at once, for one layer.
pids=
for _ in 1 2 3 4; do
	"$TOOL" unpack "$T/state" web >/dev/null &
	pids="$pids $!"
done
for pid in $pids; do
	wait "$pid" || fail "one of several unpackings failed"
done
diff -r "$T/tree" "$layers"/[0-9a-f]*/fs || fail "the layer differs from its tree"
[ -z "$(ls "$layers/.staging")" ] || fail "the slower ones left something"
ok "concurrent unpackings make one layer"
