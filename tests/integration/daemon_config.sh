#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# timeout: 180
#
# Sources by files of the configuration: what a check of it says, what a source may ask for, how a
# problem of a source is shown, and what a reload changes and leaves alone.
. "$SOURCE_DIR/tests/lib/sh/harness.sh"
need_root
need_cmd crun ip python3

D=$T/sources.d
mkdir -p "$D" "$T/shop/front" "$T/shop/admin" "$T/tools/cron"

# source_file NAME [LINE...]: a Source of $T/NAME, with further lines of its spec.
source_file() {
	source_file_=$D/$1.yaml
	printf 'apiVersion: recond.dev/v1\nkind: Source\nmetadata: {name: %s}\nspec:\n  path: %s\n' \
		"$1" "$T/$1" >"$T/new"
	shift
	for line_ in "$@"; do
		printf '  %s\n' "$line_" >>"$T/new"
	done
	mv "$T/new" "$source_file_"
}

# config_map FILE NAME
config_map() {
	printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\ndata: {a: b}\n' "$2" >"$1"
}

check() {
	"$RECOND_BIN/recond" --check-config --config "$T/recond.conf" >"$T/check" 2>&1
}

says() {
	grep -qF "$1" "$T/check" || {
		cat "$T/check" >&2
		fail "does not say: $1"
	}
}

refused() {
	status_=0
	check || status_=$?
	[ "$status_" = 2 ] || fail "status $status_ instead of 2"
}

source_json() {
	rc get source "$1" -o json
}

source_is() {
	source_json "$1" | grep -q "\"phase\": \"$2\""
}

app_is() {
	rc get app "$1" -o json | grep -q "\"phase\": \"$2\""
}

reload() {
	kill -HUP "$RECOND_PID"
}

# --- the check ---

config_map "$T/shop/front/a.yaml" front
config_map "$T/tools/cron/a.yaml" cron
cat >"$T/shop/admin/pod.yaml" <<-EOF
	apiVersion: v1
	kind: Pod
	metadata: {name: admin}
	spec:
	  hostNetwork: true
	  volumes:
	  - {name: etc, hostPath: {path: /etc}}
	  containers: [{name: c, image: nothing-here}]
EOF
echo "sources-dir = $D" >"$T/recond.conf"
source_file shop
source_file tools
check || fail "a good configuration is refused: $(cat "$T/check")"
says "source shop: $T/shop"
ok "a good configuration: status 0 and what would be used"

echo "bridge = a b" >>"$T/recond.conf"
echo "sauce = /x" >>"$T/recond.conf"
refused
says "$T/recond.conf:2: bridge: 'a b' is not a name"
says "$T/recond.conf:3: unknown key 'sauce' (did you mean 'source'?)"
echo "sources-dir = $D" >"$T/recond.conf"

source_file tools "polcy: {}"
refused
says "$D/tools.yaml:6:3: Source/tools: spec.polcy: SourceSpec has no such field (did you mean policy?)"
source_file tools "notify: [{command: [/bin/true], user: no-such-user}]"
refused
says "$D/tools.yaml:1:1: Source/tools: spec.notify[0].user: there is no user 'no-such-user'"
echo key >"$T/key"
source_file tools "notify: [{webhook: {url: 'http://127.0.0.1/x', secretFile: $T/key}}]"
refused
says "$T/key: others can read it (mode 0644): chmod go= it"
ok "a check names file, line, object and remedy: status 2"

source_file tools
chmod 0666 "$D/tools.yaml"
refused
says "$D/tools.yaml: others can change it (mode 0666): chmod go-w it"
chmod 0644 "$D/tools.yaml"
chmod 0777 "$D"
refused
says "$D: others can change it (mode 0777): chmod go-w it"
chmod 0755 "$D"
chown 12345 "$D/tools.yaml"
refused
says "$D/tools.yaml: belongs to user 12345, who could change it: chown root it"
chown 0 "$D/tools.yaml"
chmod 0646 "$T/recond.conf"
refused
says "$T/recond.conf: others can change it"
chmod 0644 "$T/recond.conf"
ok "files that others can write are refused"

source_file twice
sed -i "s|path: .*|path: $T/shop/|" "$D/twice.yaml"
refused
says "$D/twice.yaml:1:1: Source/twice: '$T/shop' is the source 'shop' already ($D/shop.yaml:1:1)"
rm "$D/twice.yaml"
ok "one folder is one source"

# --- what a source may ask for ---

status_=0
"$RECOND_BIN/recond" --dry-run --config "$T/recond.conf" --state-dir "$STATE" --socket "$SOCK" \
	>"$T/check" 2>&1 || status_=$?
[ "$status_" = 2 ] || fail "a dry run of what is not allowed ended with $status_"
says "'hostNetwork: true' in spec.policy of $D/shop.yaml"
ok "a dry run says what the policy does not allow"

recond_start --config "$T/recond.conf"
wait_until 20 app_is front Verified
wait_until 20 app_is cron Verified
wait_until 20 app_is admin Invalid
rc status >"$T/check" || :
says "admin/pod.yaml:5:16: Pod/admin: spec.hostNetwork: the policy of source 'shop' does not allow it"
says "'hostPath: [/etc]'"
ok "what the policy does not allow makes its app invalid, and no other"

source_file shop "policy: {hostNetwork: true, hostPath: [/etc]}"
reload
wait_until 20 app_is admin Held
source_is shop Ready || fail "shop is not ready"
ok "a reload brings another policy into force"

# --- what the service manager hears ---

cat >"$T/listen.py" <<-'EOF'
	import os, socket, sys
	s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
	s.bind(sys.argv[1] + ".new")
	os.rename(sys.argv[1] + ".new", sys.argv[1])
	while True:
	    with open(sys.argv[2], "a") as f:
	        f.write(s.recv(65536).decode().replace("\n", " ") + "\n")
EOF
recond_stop
python3 "$T/listen.py" "$T/manager" "$T/heard" 9>&- &
wait_until 20 test -S "$T/manager"
NOTIFY_SOCKET=$T/manager
export NOTIFY_SOCKET
recond_start --config "$T/recond.conf"
unset NOTIFY_SOCKET
wait_until 20 grep -q '^READY=1' "$T/heard"
: >"$T/heard"
printf 'sources-dir = %s\nlog-level = debug\nsocket-group = elsewhere\n' "$D" >"$T/recond.conf"
reload
wait_until 20 grep -q '^READY=1' "$T/heard"
grep -Eq '^RELOADING=1 MONOTONIC_USEC=[0-9]+$' "$T/heard" || fail "heard: $(cat "$T/heard")"
grep -q 'needs a restart.*setting=socket-group' "$RECOND_LOG" || fail "what needs a restart is not said"
touch "$T/shop/front/b.yaml"
config_map "$T/shop/front/b.yaml" debug
wait_until 20 grep -q ' debug ' "$RECOND_LOG"
ok "a reload tells the service manager, and takes the log level"

# --- sources that cannot be read ---

source_file gone
reload
wait_until 20 source_is gone Failed
source_json gone | grep -q '"reason": "SourceMissing"' || fail "no reason"
rc status >"$T/check" || :
says "SourceMissing"
says "make it, or correct where the source is configured to be"
mkdir -p "$T/gone/late"
config_map "$T/gone/late/a.yaml" late
wait_until 20 source_is gone Ready
wait_until 20 app_is late Verified
ok "a source that is missing is shown with a remedy, and waited for"

# --- a reload that fails, and one that takes away ---

current() {
	source_json shop | tr -d ' \n' | grep -q "\"status\":\"$1\",\"type\":\"ConfigurationCurrent\""
}

current True || fail "the configuration is not called current"
source_file tools "polcy: {}"
reload
wait_until 20 current False
grep -qF "the new configuration is not used" "$RECOND_LOG" || fail "nothing in the log"
app_is cron Verified || fail "an invalid configuration changed what runs"
source_file tools
reload
wait_until 20 current True
ok "an invalid configuration changes nothing and is shown"

rm "$D/tools.yaml"
reload
wait_until 20 source_is tools NotConfigured
rc get cm cron >/dev/null || fail "an object went with its configuration"
rc status >"$T/check" || :
says "no configuration names it any more: its apps are left running"
recond_kill
recond_start --config "$T/recond.conf"
wait_until 20 source_is tools NotConfigured
rc get cm cron >/dev/null || fail "an object went with its configuration, at a start"
ok "apps of a source that is configured no more are left, also by a restart"

mv "$T/tools" "$T/instead"
source_file instead
reload
wait_until 20 app_is cron Verified
wait_until 20 source_is instead Ready
rc get sources >"$T/check"
! grep -q '^tools' "$T/check" || fail "tools is still there"
rc get app cron -o json | grep -q '"source": "instead"' || fail "the app does not say whose it is"
config_map "$T/instead/cron/b.yaml" other
wait_until 20 rc get cm other
ok "another source takes over apps that belong to none"

sed -i "s|path: .*|path: $T/other|" "$D/instead.yaml"
mkdir -p "$T/other/cron"
config_map "$T/other/cron/a.yaml" cron
config_map "$T/other/cron/c.yaml" third
reload
wait_until 20 rc get cm third
ok "a source that moved is read where it is now"
recond_stop
