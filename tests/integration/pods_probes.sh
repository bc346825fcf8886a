#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Probes and hooks against real containers: readiness by HTTP, liveness by a command, the order of
# init containers and sidecars at start and at stop, preStop before SIGTERM, and a killed daemon that
# takes nobody's readiness away.
# timeout: 240
. "$SOURCE_DIR/tests/lib/sh/harness.sh"
need_root
need_cmd crun curl ip busybox

SRC=$T/src
OUT=$T/out
mkdir -p "$OUT" "$SRC/web" "$SRC/order" "$SRC/broken"
chmod 0777 "$OUT"
busybox_context "$SRC/tool"
touch "$OUT/alive"

cat >"$SRC/web/pod.yaml" <<-EOF
	apiVersion: v1
	kind: Pod
	metadata: {name: web}
	spec:
	  terminationGracePeriodSeconds: 2
	  containers:
	  - name: web
	    image: tool
	    command: [sh, -c, "trap 'exit 0' TERM; httpd -f -p 8080 -h /out & wait"]
	    ports: [{name: http, containerPort: 8080}]
	    readinessProbe: {httpGet: {path: /ready, port: http}, periodSeconds: 1, failureThreshold: 1}
	    livenessProbe: {exec: {command: [test, -e, /out/alive]}, periodSeconds: 1, failureThreshold: 2}
	    volumeMounts: [{name: out, mountPath: /out}]
	  volumes: [{name: out, hostPath: {path: $OUT}}]
EOF

# say WORD: a command that notes WORD; told WORD: a main process that notes its start and its SIGTERM.
say() {
	printf "[sh, -c, 'echo %s >>/out/order']" "$1"
}

told() {
	printf "[sh, -c, 'trap \"echo %s-told >>/out/order; exit 0\" TERM; echo %s >>/out/order; touch /up; while :; do sleep 0.1; done']" "$1" "$1"
}

mount='volumeMounts: [{name: out, mountPath: /out}]'
cat >"$SRC/order/pod.yaml" <<-EOF
	apiVersion: v1
	kind: Pod
	metadata: {name: order}
	spec:
	  terminationGracePeriodSeconds: 20
	  initContainers:
	  - {name: first, image: tool, $mount, command: $(say first)}
	  - name: outer
	    image: tool
	    $mount
	    restartPolicy: Always
	    command: $(told outer)
	    startupProbe: {exec: {command: [test, -e, /up]}, periodSeconds: 1, failureThreshold: 30}
	    lifecycle: {postStart: {exec: {command: $(say outer-started)}}}
	  - {name: inner, image: tool, $mount, restartPolicy: Always, command: $(told inner)}
	  - {name: last, image: tool, $mount, command: [sh, -c, 'sleep 1; echo last >>/out/order']}
	  containers:
	  - name: main
	    image: tool
	    $mount
	    command: $(told main)
	    lifecycle: {preStop: {exec: {command: [sh, -c, 'sleep 1; echo main-before >>/out/order']}}}
	  volumes: [{name: out, hostPath: {path: $OUT}}]
EOF

cat >"$SRC/broken/pod.yaml" <<-EOF
	apiVersion: v1
	kind: Pod
	metadata: {name: broken}
	spec:
	  initContainers:
	  - {name: bad, image: tool, command: ["false"]}
	  containers:
	  - {name: main, image: tool, command: [sleep, "1000"]}
EOF

mkdir "$T/sources.d"
cat >"$T/sources.d/src.yaml" <<-EOF
	apiVersion: recond.dev/v1
	kind: Source
	metadata: {name: src}
	spec:
	  path: $SRC
	  policy: {hostPath: [$OUT]}
EOF

# row POD: its line of the table without its age: READY STATUS RESTARTS.
row() {
	rc get pods | awk -v p="$1" '$1 == p { print $2, $3, $4 }'
}

row_is() {
	[ "$(row "$1")" = "$2" ]
}

event_says() {
	rc get events | grep -qF "$1"
}

ready_since() {
	rc get pod web -o json | tr -d ' \n' | sed 's/.*"type":"Ready"/&/; s/.*"lastTransitionTime":"\([^"]*\)"[^}]*"type":"Ready".*/\1/'
}

recond_start --sources-dir "$T/sources.d"
wait_until 30 row_is web "0/1 Running 0"
wait_until 20 event_says "Readiness probe failed: HTTP probe failed with statuscode: 404"
ok "a container that answers 404 runs and is not ready"

touch "$OUT/ready"
wait_until 20 row_is web "1/1 Running 0"
ok "it is ready once it answers"

wait_until 40 row_is order "3/3 Running 0"
sort "$OUT/order" >"$T/started"
[ "$(head -n 1 "$OUT/order")" = first ] || fail "order: $(cat "$OUT/order")"
[ "$(tr '\n' ' ' <"$T/started")" = "first inner last main outer outer-started " ] || fail "ran: $(cat "$OUT/order")"
before() {
	sed -n "/^$1\$/,\$p" "$OUT/order" | grep -qx "$2"
}
for pair in "first outer" "outer inner" "outer-started inner" "inner last" "last main"; do
	# shellcheck disable=SC2086
	before $pair || fail "not in the order '$pair': $(cat "$OUT/order")"
done
ok "init containers run in order, each to its end, sidecars until they have started"

recond_kill
since=$(date -u +%s)
recond_start --sources-dir "$T/sources.d"
holds_for 3 row_is web "1/1 Running 0"
row_is order "3/3 Running 0" || fail "after a restart: $(row order)"
[ -n "$since" ] && [ "$(grep -c . "$OUT/order")" = 6 ] || fail "something ran again: $(cat "$OUT/order")"
ok "a killed daemon takes nobody's readiness away and runs no init container again"

rm "$OUT/alive"
wait_until 20 event_says "Container web failed liveness probe, will be restarted"
touch "$OUT/alive"
restarted() {
	[ "$(row web | cut -d ' ' -f 1,2)" = "1/1 Running" ] && [ "$(row web | cut -d ' ' -f 3)" -ge 1 ]
}
wait_until 40 restarted
ok "a failed liveness probe restarts the container"

in_init_backoff() {
	case $(row broken) in "0/1 Init:CrashLoopBackOff "*) return 0 ;; esac
	return 1
}
wait_until 40 in_init_backoff
rc get pod broken -o json | grep -q 'back-off [0-9]*s restarting failed container=bad pod=broken_default(' ||
	fail "no back-off message"
ok "an init container that fails holds the pod in Init:CrashLoopBackOff"

rm -r "$SRC/order"
gone() {
	[ -z "$(row order)" ]
}
wait_until 40 gone
[ "$(tail -n +7 "$OUT/order" | tr '\n' ' ')" = "main-before main-told inner-told outer-told " ] ||
	fail "stopped in this order: $(tail -n +7 "$OUT/order")"
ok "preStop comes before SIGTERM, sidecars end last and in reverse order"
