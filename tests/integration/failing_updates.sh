#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Ten updates that fail, each in its own way, against real containers and a client that never stops
# asking the pods that are ready. Each has to be held for its own reason, cost that client nothing,
# and leave the last good version serving. Then a changed ConfigMap together with a broken image, and
# with a program that is not there: who runs keeps the old content, also when restarted.
#
# RECOND_TABLE=1 prints the rows as Markdown. What happens is asserted, never how long it takes.
# timeout: 400
. "$SOURCE_DIR/tests/lib/sh/harness.sh"
. "$SOURCE_DIR/tests/lib/sh/app.sh"
need_root
need_cmd crun curl ip busybox python3 skopeo

COUNTS=$T/counts

# --- the app --------------------------------------------------------------------------------------

# good: what is pushed next is the good version, but for what is said after this. SERVES_FIRST: its
# pods are ready for a while, so a request may hit their end and has to be put again.
good() {
	GREETING=hello
	KEY=greeting
	IMAGE=web
	# shellcheck disable=SC2016 # the container's shell is to expand it
	COMMAND='["sh", "-c", "echo \"$GREETING\" >index.html; exec httpd -f -p 8080"]'
	READY_PATH=/index.html
	MIN_READY=0
	DEADLINE=60
	LIVENESS=null
	MEMORY=64Mi
	SERVES_FIRST=no
}

# push: write the manifest, as an editor does (rename): ConfigMap and Deployment change at once.
push() {
	cat >"$T/app.yaml" <<-EOM
		apiVersion: v1
		kind: ConfigMap
		metadata: {name: web}
		data: {greeting: "$GREETING"}
		---
		apiVersion: apps/v1
		kind: Deployment
		metadata:
		  name: web
		  annotations: {recond.dev/verify-seconds: "0"}
		spec:
		  replicas: 2
		  minReadySeconds: $MIN_READY
		  progressDeadlineSeconds: $DEADLINE
		  selector:
		    matchLabels: {app: web}
		  template:
		    metadata:
		      labels: {app: web}
		    spec:
		      terminationGracePeriodSeconds: 3
		      containers:
		      - name: web
		        image: $IMAGE
		        command: $COMMAND
		        env:
		        - name: GREETING
		          valueFrom: {configMapKeyRef: {name: web, key: $KEY}}
		        ports:
		        - containerPort: 8080
		        resources: {limits: {memory: $MEMORY}}
		        lifecycle: {preStop: {exec: {command: [sleep, "2"]}}}
		        readinessProbe:
		          httpGet: {path: $READY_PATH, port: 8080}
		          periodSeconds: 1
		          timeoutSeconds: 5
		        livenessProbe: $LIVENESS
	EOM
	mv "$T/app.yaml" "$SRC/web/app.yaml"
}

# An image of the store, copied there by the usual tool, that is made for another processor.
foreign_image() {
	skopeo copy -q "oci:$STATE/images:web:latest" "dir:$T/foreign"
	config_=$(sed -nE 's/.*"config":\{[^}]*"sha256:([0-9a-f]{64})".*/\1/p' "$T/foreign/manifest.json")
	sed 's/"architecture":"[a-z0-9]*"/"architecture":"s390x"/' "$T/foreign/$config_" >"$T/config"
	changed_=$(sha256sum "$T/config" | cut -d ' ' -f 1)
	mv "$T/config" "$T/foreign/$changed_"
	sed -i -E "s/$config_/$changed_/; s/(\"config\":\{[^}]*\"size\":)[0-9]+/\1$(stat -c %s "$T/foreign/$changed_")/" \
		"$T/foreign/manifest.json"
	skopeo copy -q "dir:$T/foreign" "oci:$STATE/images:foreign:1"
}

# --- the rows -------------------------------------------------------------------------------------

app_field() {
	app_json | python3 -c '
import functools, json, sys
print(functools.reduce(lambda j, key: j.get(key, {}), sys.argv[1].split("."), json.load(sys.stdin)))' "$1"
}

# counted N: a number of the client's, see there.
counted() {
	cut -d ' ' -f "$1" "$COUNTS"
}

asked_more_than() {
	[ "$(counted 1)" -gt "$1" ]
}

restored() {
	pods_are 2 && pods_serve 2 hello
}

restarts() {
	rc get pods -o json | tr -d '\n ' | grep -o '"restartCount":[0-9]*' | awk -F: '{ n += $2 } END { print n }'
}

lost_nothing() {
	kill -0 "$CLIENT_PID" || fail "the client ended: $(cat "$T/client.log")"
	[ "$(counted 3) $(counted 4)" = "0 0" ] || fail "$1: requests lost: $(cat "$COUNTS")"
}

# print_row CELL...
print_row() {
	if [ -n "${RECOND_TABLE:-}" ]; then
		printf '| %s | %s | %s | %s | %s | %s | %s |\n' "$@"
	else
		printf '#   %-20s %-30s decided after %6s, %4s requests, %s lost, %s put again, %s\n' "$@"
	fi
}

print_head() {
	[ -n "${RECOND_TABLE:-}" ] || return 0
	printf '\n| the update | held for | decided after | requests meanwhile | lost | put again | afterwards |\n'
	printf '|---|---|---|---|---|---|---|\n'
}

# fails_as NAME REASON TEXT: push what was prepared. It is held for REASON, its message says TEXT, and
# the very pods of the good version serve. Then the good version is pushed again.
fails_as() {
	asked_=$(counted 1)
	again_=$(counted 2)
	start_cs_=$(now_cs)
	push
	wait_until 90 app_phase_is Held
	took_cs_=$(($(now_cs) - start_cs_))
	app_phase_is Held "$2" || fail "$1: held, but not for $2: $(app_json)"
	app_field status.message | grep -qE -- "$3" || fail "$1: does not say '$3': $(app_field status.message)"
	wait_until 30 restored
	wait_until 30 asked_more_than "$(($(counted 1) + 4))"
	lost_nothing "$1"
	put_again_=$(($(counted 2) - again_))
	[ "$put_again_" = 0 ] || [ "$SERVES_FIRST" = yes ] || fail "$1: $put_again_ requests failed at first"
	[ "$(rc get pods -o name)" = "$PODS" ] || fail "$1: the pods that served were replaced"
	[ "$(restarts)" = 0 ] || fail "$1: a pod that served was restarted"
	[ "$(app_field status.effective.revision)" = "$REVISION" ] || fail "$1: another revision is effective"
	print_row "$1" "$2" "$((took_cs_ / 100)).$(printf %02d $((took_cs_ % 100))) s" \
		$(($(counted 1) - asked_)) "$(counted 3)" "$put_again_" "the same pods serve"
	good
	push
	wait_until 30 app_phase_is Verified
	[ "$(rc get pods -o name)" = "$PODS" ] || fail "$1: going back to the good version touched its pods"
	REVISION=$(app_field status.effective.revision)
}

# --- it runs --------------------------------------------------------------------------------------

app_new 2 hello
good
push
recond_start "$SRC"
wait_until 60 app_phase_is Verified
wait_until 20 restored
PODS=$(rc get pods -o name)
REVISION=$(app_field status.effective.revision)
python3 "$SOURCE_DIR/tests/lib/steady_client.py" "$SOCK" "$COUNTS" >"$T/client.log" 2>&1 9>&- &
CLIENT_PID=$!
wait_until 20 test -s "$COUNTS"
foreign_image
print_head

IMAGE=web:nope
fails_as "bad tag" ErrImagePull "web:nope.*not found"

IMAGE=registry.example.com/private/web:1
fails_as "private image" ErrImagePull "does not pull from registries"

IMAGE=foreign:1
fails_as "wrong architecture" ErrImagePull "linux/s390x, this host is linux/"

COMMAND='["/no/such/program"]'
fails_as "missing command" RunContainerError "/no/such/program"

COMMAND='["sh", "-c", "exit 3"]'
fails_as "crash at start" CrashLoopBackOff "exit code 3"

COMMAND='["sh", "-c", "httpd -p 8080; sleep 5; exit 4"]'
MIN_READY=7
SERVES_FIRST=yes
fails_as "crash after 5 s" CrashLoopBackOff "exit code 4"

READY_PATH=/nope
DEADLINE=3
fails_as "never ready" ProgressDeadlineExceeded "not ready"

LIVENESS='{exec: {command: ["false"]}, periodSeconds: 1, failureThreshold: 1}'
MIN_READY=7
SERVES_FIRST=yes
fails_as "liveness kills" CrashLoopBackOff "again and again"

COMMAND='["dd", "if=/dev/zero", "of=/dev/null", "bs=96M", "count=1"]'
MEMORY=16Mi
fails_as "out of memory" CrashLoopBackOff "OOMKilled"

KEY=nope
fails_as "bad config key" CreateContainerConfigError "nope"
ok "ten failing updates cost no request and touch no pod that serves"

# --- config and image in one change ---------------------------------------------------------------

restarts_are() {
	[ "$(restarts)" = "$1" ]
}

# By crun's own list: a number remembered in a file may be another process's by now.
kill_one() {
	kill -KILL "$(crun --root "$STATE/run/crun" list | awk '$3 == "running" { print $2; exit }')"
}

# keeps_old_config REASON: what was prepared is held for REASON, and a container of the old pods that
# is started again, writing its page from its environment, gets the old content.
keeps_old_config() {
	push
	wait_until 60 app_phase_is Held "$1"
	wait_until 30 restored
	restarts_=$(restarts)
	kill_one
	wait_until 30 restarts_are $((restarts_ + 1))
	wait_until 30 restored
	[ "$(rc get pods -o name)" = "$PODS" ] || fail "$1: the pods that served were replaced"
	rc get cm web -o yaml | grep -q 'greeting: hello$' || fail "$1: the ConfigMap has the new content"
	lost_nothing "$1"
	good
	push
	wait_until 30 app_phase_is Verified
}

GREETING=changed
IMAGE=web:nope
keeps_old_config ErrImagePull
ok "config changed together with an image that is not there: the old content serves, also after a restart"

GREETING=changed
COMMAND='["/no/such/program"]'
keeps_old_config RunContainerError
ok "config changed together with a program that is not there: the old content was put back"

GREETING=changed
push
wait_until 60 pods_serve 2 changed
wait_until 30 app_phase_is Verified
wait_until 30 pods_are 2
lost_nothing "a good update"
ok "the change without the mistake rolls, and loses nothing either"

kill "$CLIENT_PID"
wait "$CLIENT_PID" 2>/dev/null || :
app_remove_all
ip link del "$BRIDGE"
rm -rf "$STATE"
wait_until 10 host_clean
ok "nothing is left on the host"
