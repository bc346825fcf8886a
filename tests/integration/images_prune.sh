#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Collecting images with real ones: what nothing needs goes, what runs and what an app may go back to
# stays whole, builds are waited for, and a full disk is reason enough.
# timeout: 180
. "$SOURCE_DIR/tests/lib/sh/harness.sh"
. "$SOURCE_DIR/tests/lib/sh/app.sh"
need_root
need_cmd crun curl ip busybox flock
TOOL=$RECOND_BIN/../tests/tools/image_tool
[ -x "$TOOL" ] || skip "needs image_tool of the build tree"

# spare NAME: an image of one layer that nothing else has, unpacked; its diff_id in $SPARE.
spare() {
	mkdir -p "$T/spare"
	echo "$1" >"$T/spare/file"
	SPARE=$("$TOOL" commit "$STATE" "$T/spare" "$1" | awk '{ print $2 }')
	"$TOOL" unpack "$STATE" "$1" >/dev/null
	[ -d "$STATE/layers/${SPARE#sha256:}/fs" ] || fail "the layer of $1 is not unpacked"
}

# digests: of all images in the store.
digests() {
	rc images -o wide | awk 'NR > 1 { print $NF }' | sort -u
}

app_new 2 "hello 1"
recond_start "$SRC"
wait_until 40 app_phase_is Verified
first=$(rc images -o wide | awk '$1 == "web" { print $NF }')
echo "hello 2" >"$PAGE"
wait_until 30 pods_serve 2 "hello 2"
wait_until 20 app_phase_is Verified
[ -n "$first" ] && digests | grep -q "$first" || fail "the image of the first version is not in the store"

spare kept
kept=$SPARE
spare spare
"$TOOL" untag "$STATE" spare
rc images prune >"$T/out" || fail "prune: $(cat "$T/out")"
grep -q '^1 images, 1 layers' "$T/out" || fail "prune: $(cat "$T/out")"
[ ! -e "$STATE/layers/${SPARE#sha256:}" ] || fail "the layer of the spare image is still there"
[ -d "$STATE/layers/${kept#sha256:}/fs" ] || fail "an image with a name was removed"
ok "an image without a name goes with its layer, one with a name stays"

digests | grep -q "$first" || fail "the image of the history is gone"
pods_serve 2 "hello 2" || fail "the pods do not serve"
rc delete pods -l app=web >/dev/null
wait_until 30 pods_serve 2 "hello 2"
echo "hello 1" >"$PAGE"
wait_until 30 pods_serve 2 "hello 1"
ok "what runs, and what the app was before, is whole"

spare spare
"$TOOL" untag "$STATE" spare
(
	exec 9<>"$STATE/store.lock"
	flock -s 9
	touch "$T/held"
	while [ ! -e "$T/go" ]; do sleep 0.05; done
) &
holder=$!
wait_until 10 test -e "$T/held"
rc images prune >"$T/out" 2>&1 &
prune=$!
holds_for 2 test -d "$STATE/layers/${SPARE#sha256:}/fs"
touch "$T/go"
wait "$prune" || fail "prune: $(cat "$T/out")"
wait "$holder"
[ ! -e "$STATE/layers/${SPARE#sha256:}" ] || fail "nothing was collected after the build"
ok "a collection waits until nobody builds or unpacks"

rc images prune --all >"$T/out" || fail "prune --all: $(cat "$T/out")"
[ ! -e "$STATE/layers/${kept#sha256:}" ] || fail "--all left a named image that nobody needs"
pods_serve 2 "hello 1" || fail "--all took something that runs"
rc images | grep -q '^web ' || fail "--all took the image that runs"
ok "with --all named images go, too, but none that is needed"

recond_stop
spare spare
"$TOOL" untag "$STATE" spare
recond_start --image-gc 2:1 "$SRC"
wait_until 60 test ! -e "$STATE/layers/${SPARE#sha256:}"
wait_until 20 app_phase_is Verified
pods_serve 2 "hello 1" || fail "the pods do not serve"
[ -z "$(ls -A "$STATE/layers/.staging")" ] || fail "left in staging: $(ls "$STATE/layers/.staging")"
ok "a full disk begins a collection by itself"

app_remove_all
