#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Every example comes up as it lies in the tree, answers over HTTP as its text says, leaves nothing to
# do, and goes again when its directory does.
# timeout: 180
. "$SOURCE_DIR/tests/lib/sh/harness.sh"
need_root
need_cmd crun ip curl busybox

SRC=$T/src
cp -R "$SOURCE_DIR/examples/manifests" "$SRC"
cp "$(command -v busybox)" "$SRC/busybox/busybox"

phase_is() {
	rc get app "$1" -o json | grep -q "\"phase\": \"$2\""
}

# Addresses of the pods with LABEL in namespace NS, one a line.
pod_ips() {
	rc get pods -n "$1" -l "$2" -o yaml | awk '$1 == "podIP:" { gsub("\"", "", $2); print $2 }'
}

# answer NS LABEL PORT PATH: what each of those pods answers, sorted.
answer() {
	for ip in $(pod_ips "$1" "$2"); do
		curl -fsS --max-time 5 --retry 5 --retry-connrefused --retry-delay 1 "http://$ip:$3/${4:-}" || return 1
	done | sort
}

app_is_gone() {
	! rc get app "$1"
}

no_pods_of() {
	[ -z "$(rc get pods -n "$1" -l "$2" -o name)" ]
}

recond_start "$SRC"
rc status --wait --timeout 60s || fail "not every example came up"
for dir in "$SRC"/*/; do
	app=$(basename "$dir")
	phase_is "$app" Verified || fail "$app is not verified"
	ok "$app is verified"
done

[ "$(answer default app=hello 8080 | grep -c 'Version 1')" = 3 ] || fail "hello: not three pages"
[ "$(answer default app=hello 8080 cgi-bin/greet | grep -c '^Good day, this is hello-')" = 3 ] ||
	fail "hello: the greeting of the ConfigMap is missing"
ok "three pods of hello answer, as a user that is not root"
answer clock app=clock 8080 | grep -q 'says the night watch$' || fail "clock: no time"
ok "the containers of clock share a volume and a secret"
answer default app=crm-pod 18001 | grep -q 'Grace, New York' || fail "crm: no customers"
ok "crm serves what its first stage made"

[ "$(answer default app=journal 8080 | grep -c '<h1>Journal</h1>')" = 2 ] || fail "journal: not two pages"
[ "$(rc get pods -l app=journal | awk '$2 == "2/2"' | wc -l)" = 2 ] || fail "journal: $(rc get pods)"
ok "journal is ready with its sidecar, on the page its init container laid out"

part() {
	rc logs "$(rc get pods -l "batch.kubernetes.io/job-completion-index=$1" -o name)"
}
[ "$(part 0) $(part 1) $(part 2)" = "part 0: 25 primes part 1: 21 primes part 2: 16 primes" ] ||
	fail "primes: $(part 0) $(part 1) $(part 2)"
rc get job primes | grep -q 'Complete *3/3' || fail "primes: $(rc get job primes)"
ok "a Job has run each of its parts once"

status=0
"$RECOND_BIN/recond" --dry-run --state-dir "$STATE" --socket "$SOCK" "$SRC" >"$T/plan" || status=$?
[ "$status" = 0 ] || fail "a dry run after the apply wants to change something: $(cat "$T/plan")"
grep -q 'nothing to do' "$T/plan" || fail "dry run: $(cat "$T/plan")"
ok "a dry run has nothing to do"

approved_or_gone() {
	rc approve "$1" >/dev/null 2>&1 || ! rc get app "$1" >/dev/null 2>&1
}

crm=$(rc get pod crm-pod -o yaml | awk '$1 == "uid:" { print $2; exit }')
rm -r "$SRC/hello"
wait_until 30 no_pods_of default app=hello
wait_until 10 app_is_gone hello
[ "$(rc get pod crm-pod -o yaml | awk '$1 == "uid:" { print $2; exit }')" = "$crm" ] ||
	fail "another app's pod was touched"
ok "an app that leaves the source takes its own pods along and no others"

rm -r "$SRC/clock" "$SRC/crm" "$SRC/primes" "$SRC/journal"
for app in clock crm primes journal; do # most of the source: confirmed one by one
	wait_until 10 approved_or_gone "$app"
done
wait_until 30 no_pods_of clock app=clock
wait_until 30 no_pods_of default app=crm-pod
wait_until 30 no_pods_of default app=primes
wait_until 30 no_pods_of default app=journal
recond_stop
[ -z "$(host_leftovers | grep -v "^link $BRIDGE")" ] || fail "left behind: $(host_leftovers)"
ok "nothing but the bridge is left of them"
