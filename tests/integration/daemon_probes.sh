#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Probes and hooks through the whole way, with real containers: readiness by httpGet decides who is
# ready, liveness by exec restarts, startup by tcpSocket holds the others back, postStart and preStop
# run. When the last check is gone, so are the workers that ran them.
# timeout: 180
. "$SOURCE_DIR/tests/lib/sh/harness.sh"
. "$SOURCE_DIR/tests/lib/sh/app.sh"
need_root
need_cmd crun curl ip busybox

# pod_json: the only pod of web that is not on its way out.
pod_json() {
	rc get pods -o json | tr -d '\n '
}

ready_is() {
	pod_json | grep -q "\"ready\":$1"
}

restarts_are() {
	pod_json | grep -q "\"restartCount\":$1"
}

# at FILE: the path of FILE in the container, from the host.
at() {
	echo "/proc/$(pod_pid)/root$1"
}

pod_pid() {
	for start_ in "$STATE"/run/events/*.start; do
		pid_=$(sed -nE 's/.*"pid":([0-9]+).*/\1/p' "$start_")
		[ ! -d "/proc/$pid_/root/www" ] || echo "$pid_"
	done | tail -n 1
}

event_seen() {
	rc get events -A | grep -q "$1"
}

app_new 1 hello
cat >"$SRC/web/app.yaml" <<-EOF
	apiVersion: apps/v1
	kind: Deployment
	metadata:
	  name: web
	  annotations: {recond.dev/verify-seconds: "0"}
	spec:
	  selector:
	    matchLabels: {app: web}
	  template:
	    metadata:
	      labels: {app: web}
	    spec:
	      terminationGracePeriodSeconds: 5
	      volumes:
	      - name: out
	        hostPath: {path: $T/out}
	      containers:
	      - name: web
	        image: web
	        command: ["sh", "-c", "touch /tmp/alive; exec httpd -f -p 8080"]
	        ports:
	        - {name: http, containerPort: 8080}
	        volumeMounts:
	        - {name: out, mountPath: /out}
	        lifecycle:
	          postStart:
	            exec: {command: ["sh", "-c", "echo started >>/out/hooks"]}
	          preStop:
	            exec: {command: ["sh", "-c", "echo stopping >>/out/hooks"]}
	        startupProbe:
	          tcpSocket: {port: http}
	          periodSeconds: 1
	        readinessProbe:
	          httpGet: {path: /index.html, port: http}
	          periodSeconds: 1
	          failureThreshold: 1
	        livenessProbe:
	          exec: {command: ["test", "-e", "/tmp/alive"]}
	          periodSeconds: 1
	          failureThreshold: 2
EOF
mkdir -p "$T/out" "$T/sources.d"
cat >"$T/sources.d/src.yaml" <<-EOF
	apiVersion: recond.dev/v1
	kind: Source
	metadata: {name: src}
	spec:
	  path: $SRC
	  policy: {hostPath: [$T/out]}
EOF
sed -i 's|WORKDIR /www|RUN ["mkdir", "-p", "/tmp"]\n&|' "$SRC/web/Dockerfile"
recond_start --sources-dir "$T/sources.d"
wait_until 60 app_phase_is Verified
wait_until 10 ready_is true
grep -qx started "$T/out/hooks" || fail "postStart did not run: $(cat "$T/out/hooks")"
ok "a pod is ready when its probes say so, and postStart ran"

mv "$(at /www/index.html)" "$(at /www/away.html)"
wait_until 20 ready_is false
wait_until 10 event_seen 'Readiness probe failed: HTTP probe failed with statuscode: 404'
restarts_are 0 || fail "an unready pod was restarted"
mv "$(at /www/away.html)" "$(at /www/index.html)"
wait_until 20 ready_is true
ok "readiness goes and comes with the answer, and its reason is in an event"

rm "$(at /tmp/alive)"
wait_until 40 restarts_are 1
wait_until 20 ready_is true
wait_until 10 event_seen 'Liveness probe failed'
grep -qx stopping "$T/out/hooks" || fail "preStop did not run before a restart: $(cat "$T/out/hooks")"
ok "a failed liveness probe restarts the container, preStop first"

recond_kill
recond_start --sources-dir "$T/sources.d"
wait_until 20 ready_is true
rm "$(at /tmp/alive)"
wait_until 40 restarts_are 2
ok "probes go on under the next daemon"

pgrep -P "$RECOND_PID" -f recond-prober >/dev/null || fail "no worker runs the probes"
recond_stop
recond_cleanup --purge >/dev/null || fail "cleanup fails"
if pgrep -f "crun --root $STATE/run/crun .*exec" >/dev/null; then fail "a crun exec is left"; fi
ok "nothing of a check is left"
