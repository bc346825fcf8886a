#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# timeout: 180
#
# Hooks of a source: a command and a server get each event as it is; hooks that hang, die or fail
# change nothing but what is said of them.
. "$SOURCE_DIR/tests/lib/sh/harness.sh"
need_root
need_cmd crun ip python3 openssl

D=$T/sources.d
OUT=$T/out
mkdir -p "$D" "$OUT" "$T/srv/web" "$T/http"
chmod 0711 "$T"
chmod 0777 "$OUT"

# A program for hooks, in the hands of root alone.
hook() {
	cat >"$T/$1"
	chmod 0755 "$T/$1"
}

hook tell <<-EOF
	#!/bin/sh
	cat >>"$OUT/told"
	id -un >>"$OUT/users"
	printf '%s %s %s\n' "\$1" "\$RECOND_EVENT" "\$RECOND_APP" >>"$OUT/words"
EOF
hook hang <<-EOF
	#!/bin/sh
	echo \$\$ >>"$OUT/hanging"
	setsid sh -c 'sleep 1000 & echo \$! >>"$OUT/hanging"; wait' &
	sleep 1000
EOF
hook die <<-EOF
	#!/bin/sh
	echo "no way out" >&2
	kill -9 \$\$
EOF

printf 'secret\n' >"$T/key"
chmod 0600 "$T/key"
# Ended with what else is left of the test.
python3 "$SOURCE_DIR/tests/lib/hook_server.py" "$T/http/" 9>&- &
wait_until 20 test -s "$T/http/port"
PORT=$(cat "$T/http/port")

# source_file HOOK...: the source with these elements of spec.notify.
source_file() {
	{
		printf 'apiVersion: recond.dev/v1\nkind: Source\nmetadata: {name: srv}\nspec:\n'
		printf '  path: %s\n  notify:\n' "$T/srv"
		for hook_ in "$@"; do
			printf '  - %s\n' "$hook_"
		done
	} >"$T/new"
	mv "$T/new" "$D/srv.yaml"
}

app_is() {
	rc get app web -o json | grep -q "\"phase\": \"$1\""
}

# good N: what the app is, and can be. bad N: what it cannot be.
good() {
	printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\ndata: {n: "%s"}\n' "$1" >"$T/new"
	mv "$T/new" "$T/srv/web/a.yaml"
	rm -f "$T/srv/web/b.yaml"
}

bad() {
	printf 'apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  containers: [{name: c, image: "none:%s"}]\n' \
		"$1" >"$T/new"
	mv "$T/new" "$T/srv/web/b.yaml"
}

# field FILE LINE NAME: a member of the event in a line of FILE.
field() {
	sed -n "$2p" "$1" | python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$3"
}

told() {
	[ -e "$OUT/told" ] && [ "$(wc -l <"$OUT/told")" -eq "$1" ]
}

posted() {
	[ -e "$T/http/requests" ] && [ "$(wc -l <"$T/http/requests")" -ge "$1" ]
}

warned() {
	rc get events -A -o json | grep -qF "$1"
}

# --- what is told ---

good 1
source_file "{command: [$T/tell, first]}" \
	"{webhook: {url: 'http://127.0.0.1:$PORT/x?y', headers: {X-Team: shop}, secretFile: $T/key}}"
recond_start --sources-dir "$D"
wait_until 20 app_is Verified
wait_until 20 told 1
[ "$(field "$OUT/told" 1 type)" = verified ] || fail "not verified: $(cat "$OUT/told")"
revision=$(rc get app web -o json | sed -n 's/.*"revision": "\(.*\)".*/\1/p' | head -n 1)
python3 - "$OUT/told" "$revision" <<-'EOF' || fail "not what was to be told: $(cat "$OUT/told")"
	import json, re, sys
	line = open(sys.argv[1]).readline()
	event = json.loads(line)
	assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$", event.pop("time")), line
	assert event == {"type": "verified", "app": "web", "source": "srv", "revision": sys.argv[2],
	                 "effective": sys.argv[2], "reason": "", "message": ""}, line
EOF
[ "$(cat "$OUT/users")" = nobody ] || fail "runs as $(cat "$OUT/users")"
[ "$(cat "$OUT/words")" = "first verified web" ] || fail "words: $(cat "$OUT/words")"
ok "a command gets the event on standard input, as nobody"

wait_until 20 posted 1
python3 - "$T/http/requests" "$OUT/told" <<-'EOF' || fail "posted: $(cat "$T/http/requests")"
	import hashlib, hmac, json, sys
	request = json.loads(open(sys.argv[1]).readline())
	body = request["body"]
	assert body + "\n" == open(sys.argv[2]).readline(), body
	headers = request["headers"]
	assert request["path"] == "/x?y"
	assert headers["content-type"] == "application/json"
	assert headers["user-agent"].startswith("recond/")
	assert headers["x-recond-event"] == "verified"
	assert headers["x-team"] == "shop"
	assert headers["x-recond-signature-256"] == "sha256=" + hmac.new(b"secret", body.encode(), hashlib.sha256).hexdigest()
EOF
ok "a server gets the same JSON, signed"

bad 1
wait_until 20 app_is Held
wait_until 20 told 2
[ "$(field "$OUT/told" 2 type)" = held ] || fail "not held"
[ "$(field "$OUT/told" 2 reason)" = ErrImagePull ] || fail "reason $(field "$OUT/told" 2 reason)"
[ "$(field "$OUT/told" 2 effective)" = "$revision" ] || fail "what runs is not told"
good 2
wait_until 20 app_is Verified
wait_until 20 told 4
[ "$(field "$OUT/told" 3 type)" = released ] || fail "not released"
[ "$(field "$OUT/told" 4 type)" = verified ] || fail "not verified again"
wait_until 20 posted 4
ok "held, released and verified are told in order"

# --- hooks that do not work ---

reload() {
	logs_=$(grep -c 'configuration read again' "$RECOND_LOG" || :)
	kill -HUP "$RECOND_PID"
	wait_until 20 reloaded
}

reloaded() {
	[ "$(grep -c 'configuration read again' "$RECOND_LOG")" -gt "$logs_" ]
}

none_hangs() {
	[ -s "$OUT/hanging" ] || return 1
	while read -r pid_; do
		! kill -0 "$pid_" 2>/dev/null || return 1
	done <"$OUT/hanging"
}

source_file "{command: [$T/hang], timeoutSeconds: 1}" "{command: [$T/die]}" \
	"{command: [$T/gone], events: [verified]}" "{command: [$T/tell, last], events: [verified]}"
reload
good 3
wait_until 20 app_is Verified
wait_until 20 told 5
wait_until 20 warned "spec.notify[0], event verified of app web: did not end within 1 s"
wait_until 20 warned "spec.notify[1], event verified of app web: the command ended with 137: no way out"
wait_until 20 warned "spec.notify[2], event verified of app web: '$T/gone': No such file or directory"
wait_until 20 none_hangs
[ "$(wc -l <"$OUT/hanging")" -eq 2 ] || fail "the hook did not leave anything behind to end"
app_is Verified || fail "a hook changed the app"
ok "hooks that hang, die or are missing change nothing and leave nothing"

: >"$T/http/requests"
touch "$T/http/fail"
source_file "{webhook: {url: 'http://127.0.0.1:$PORT/'}, events: [verified]}"
reload
good 4
wait_until 20 posted 2
rm "$T/http/fail"
wait_until 20 posted 3
ok "a server that is not well is tried again"
touch "$T/http/refuse"
good 5
wait_until 20 warned "the server answers with status 400"
ok "a server that refuses is not"
rm "$T/http/refuse"

touch "$T/http/hang"
source_file "{webhook: {url: 'http://127.0.0.1:$PORT/'}, timeoutSeconds: 1}"
reload
good 6
wait_until 20 rc get cm web -o name
wait_until 20 app_is Verified
recond_stop
rm "$T/http/hang"
ok "a delivery that is under way does not keep the daemon from ending"
