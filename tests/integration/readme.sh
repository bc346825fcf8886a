#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The tour of the README, typed as it stands there; only places and names are those of this test, and
# where a person waits a moment it waits until what was pushed is settled.
# timeout: 180
. "$SOURCE_DIR/tests/lib/sh/harness.sh"
need_root
need_cmd crun ip curl git busybox

cat >"$T/tour.sh" <<'EOF'
# Settled at ten looks in a row: a daemon that was just started shows first what the last one saw.
settle() {
	tries=0
	good=0
	until [ "$good" = 10 ]; do
		if settled; then good=$((good + 1)); else good=0; fi
		tries=$((tries + 1))
		[ "$tries" -lt 300 ] || return 1
		sleep 0.1
	done
}
settled() {
	recond status 2>/dev/null | awk -v want="$(git rev-parse --short=12 HEAD)" '
		NR == 1 { next }
		/^$/ { exit }
		/^[^ ]/ { n++; ok += $3 == want && $2 ~ /^(Verified|Held|Invalid)$/ }
		END { exit n == 0 || ok < n }' && ! recond get pods --no-headers 2>/dev/null | grep -qv Running
}
EOF
awk '/^## / { tour = ($0 == "## A tour") }
	/^```/ { code = tour && $0 == "```sh"; next }
	code' "$SOURCE_DIR/README.md" | sed 's|^sleep .*|settle|' >>"$T/tour.sh"
grep -q '^git push' "$T/tour.sh" || fail "the README has no tour"
sed -i -e "s|/tmp/tour|$T/tour|g" -e "s|\$PWD/build/release/bin|$RECOND_BIN|" -e "s|recond0|$BRIDGE|" \
	-e "s|^recond --state-dir|& $T/tour/state --bridge $BRIDGE --pod-cidr $POD_CIDR --state-dir|" "$T/tour.sh"

cd "$SOURCE_DIR"
mkdir "$T/tour"
RECOND_LOG=$T/tour/log
if ! timeout 150 sh -eu "$T/tour.sh" >"$T/out" 2>&1 9>&-; then
	cat "$T/out"
	fail "a command of the tour fails"
fi
seen() {
	grep -q -e "$1" "$T/out" || { cat "$T/out" && fail "the tour does not show '$1'"; }
}

seen '^plan: 2 to build, 5 to create$'
seen '<h1>Hello from recond</h1>'
[ "$(grep -c '<h1>It is me</h1>' "$T/out")" = 3 ] || fail "the edit does not show, or not while held: $(cat "$T/out")"
[ "$(grep -c '^\(app \)*hello.* Held .*' "$T/out")" -ge 2 ] || fail "not held before and after the kill: $(cat "$T/out")"
seen '^      +  replicas: 5$'
seen '^plan: 1 to update$'
tail -n 1 "$T/out" | grep -q '^No resources found' || fail "something is left: $(tail "$T/out")"
ok "the tour of the README works as typed"
[ -z "$(host_leftovers)" ] || fail "left: $(host_leftovers)"
ok "and leaves nothing"
