#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# What people ask of an app, with real containers: history, diff, undo, retry, pause, resume,
# approve, undelete.
# timeout: 180
. "$SOURCE_DIR/tests/lib/sh/harness.sh"
. "$SOURCE_DIR/tests/lib/sh/app.sh"
need_root
need_cmd crun curl ip busybox

rolled() {
	wait_until 30 pods_serve 2 "$1" && wait_until 20 app_phase_is Verified
}

there() {
	rc get "$@" >/dev/null 2>&1
}

gone() {
	! there "$@"
}

app_new 2 "hello 1"
recond_start "$SRC"
rolled "hello 1" || fail "the first revision does not come up"
echo "hello 2" >"$PAGE"
rolled "hello 2" || fail "the second revision does not come up"

[ "$(rc history web --no-headers | awk '{ print $1, $4 }' | tr '\n' ' ')" = "1 Verified 2 Verified " ] ||
	fail "history: $(rc history web)"
rc diff web@1 web@2 >"$T/diff" && fail "diff of different entries ends with 0"
grep -q '^changed Deployment' "$T/diff" || fail "diff does not name the Deployment: $(cat "$T/diff")"
rc diff web@2 >/dev/null || fail "diff of an entry with itself does not end with 0"
ok "history and diff show what was rolled out"

rc undo web >"$T/out" || fail "undo was refused"
grep -q 'back to 1' "$T/out" || fail "undo does not say to what: $(cat "$T/out")"
wait_until 20 pods_serve 2 "hello 1" || fail "undo does not bring the first page back"
app_phase_is Held Undone || fail "undo does not show as such"
recond_kill
recond_start "$SRC"
holds_for 2 pods_serve 2 "hello 1"
ok "undo goes back and outlives a restart"

rc retry web >/dev/null || fail "retry was refused"
rolled "hello 2" || fail "retry does not go on"
rc retry web 2>"$T/err" && fail "retry of an app that is not held ends with 0"
grep -q 'NotHeld' "$T/err" || fail "retry: $(cat "$T/err")"
ok "retry releases it"

rc pause web >/dev/null || fail "pause was refused"
echo "hello 3" >"$PAGE"
holds_for 3 pods_serve 2 "hello 2"
rc resume web >/dev/null || fail "resume was refused"
rolled "hello 3" || fail "resume does not go on"
ok "a paused app waits"

mkdir "$SRC/other"
printf 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: other\ndata: {a: b}\n' >"$SRC/other/c.yaml"
wait_until 20 there cm other
mv "$SRC/web" "$T/web.gone"
wait_until 10 app_phase_is Held PruneRefused
holds_for 1 pods_serve 2 "hello 3"
rc approve web >/dev/null || fail "approve was refused"
ok "what takes most of a source away waits for approval"
wait_until 30 pods_are 0 || fail "a removed app leaves pods"
wait_until 10 gone app web
rc undelete web >/dev/null || fail "undelete was refused"
wait_until 20 pods_serve 2 "hello 3" || fail "undelete does not bring it back"
app_phase_is Held Undeleted || fail "undelete does not show as such"
mv "$T/web.gone" "$SRC/web"
wait_until 20 app_phase_is Verified || fail "its source does not release it"
ok "a deleted app is brought back"

rc undo nobody 2>"$T/err" && fail "undo of an unknown app ends with 0"
grep -q 'NotFound' "$T/err" || fail "unknown app: $(cat "$T/err")"
ok "an unknown app is named"

recond_stop
recond_cleanup --purge >/dev/null
wait_until 10 host_clean
