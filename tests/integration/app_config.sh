#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# ConfigMap, Secret and a change that cannot come up in one revision. While that still rolls, and its
# content is in the objects, a container of an old pod is killed, an old pod is deleted and the daemon
# is killed: what comes back has the old content, as variable and as file, and the new pod the new.
# timeout: 180
. "$SOURCE_DIR/tests/lib/sh/harness.sh"
. "$SOURCE_DIR/tests/lib/sh/app.sh"
need_root
need_cmd crun curl ip busybox

# push WORD READY_PATH DEADLINE: write the manifest, as an editor does (rename).
push() {
	cat >"$T/app.yaml" <<-EOM
		apiVersion: v1
		kind: ConfigMap
		metadata: {name: web}
		data: {word: "$1"}
		---
		apiVersion: v1
		kind: Secret
		metadata: {name: web}
		stringData: {key: "key-$1"}
		---
		apiVersion: apps/v1
		kind: Deployment
		metadata:
		  name: web
		  annotations: {recond.dev/verify-seconds: "0"}
		spec:
		  replicas: 2
		  progressDeadlineSeconds: $3
		  selector:
		    matchLabels: {app: web}
		  template:
		    metadata:
		      labels: {app: web}
		    spec:
		      terminationGracePeriodSeconds: 2
		      containers:
		      - name: web
		        image: web
		        command: [sh, -c, 'echo "\$WORD \$(cat /etc/key/key)" >index.html; exec httpd -f -p 8080']
		        env:
		        - name: WORD
		          valueFrom: {configMapKeyRef: {name: web, key: word}}
		        volumeMounts:
		        - {name: key, mountPath: /etc/key}
		        readinessProbe:
		          httpGet: {path: $2, port: 8080}
		          periodSeconds: 1
		      volumes:
		      - name: key
		        secret: {secretName: web}
	EOM
	mv "$T/app.yaml" "$SRC/web/app.yaml"
}

# pods_of SET: names of the pods of that ReplicaSet.
pods_of() {
	rc get pods -o name | sed -n "s|^pod/\($1-.*\)|\1|p"
}

# serves POD TEXT
serves() {
	ip_=$(rc get pod "$1" -o json | sed -n 's/.*"podIP": "\([0-9.]*\)".*/\1/p' | head -n 1)
	[ "$(curl -s --max-time 2 "http://$ip_:8080/index.html")" = "$2" ]
}

all_serve() {
	for pod_ in $(pods_of "$1"); do
		serves "$pod_" "$2" || return 1
	done
}

pods_of_are() {
	[ "$(pods_of "$1" | wc -l)" -eq "$2" ]
}

restarts_are() {
	rc get pod "$1" -o json | grep -q "\"restartCount\": $2"
}

# kill_container POD: by crun's own list, as a number remembered in a file may be another process's.
kill_container() {
	id_=$(rc get pod "$1" -o json | sed -n 's/.*"containerID": "\([0-9a-f]*\)".*/\1/p' | head -n 1)
	kill -KILL "$(crun --root "$STATE/run/crun" list | awk -v id="$id_" '$1 == id { print $2 }')"
}

# comes_back_old POD: its container is killed, and the next one has the old content.
comes_back_old() {
	kill_container "$1"
	wait_until 30 restarts_are "$1" 1
	wait_until 30 serves "$1" "old key-old"
}

config_is() {
	rc get cm web -o yaml | grep -q "word: $1\$"
}

app_new 2 unused
push old /index.html 60
recond_start "$SRC"
wait_until 60 app_phase_is Verified
OLD=$(rc get pods -o name | sed -n '1s|^pod/\(.*\)-[^-]*$|\1|p')
wait_until 20 all_serve "$OLD" "old key-old"

push new /nope 600
wait_until 60 pods_are 3
wait_until 20 config_is new
NEW=$(rc get pods -o name | sed -n 's|^pod/\(.*\)-[^-]*$|\1|p' | grep -vx "$OLD")
wait_until 20 all_serve "$NEW" "new key-new"
ok "a set is on its way, and its configuration is in the objects"

comes_back_old "$(pods_of "$OLD" | head -n 1)"
ok "a container of an old pod is started again with the old content"

gone=$(pods_of "$OLD" | tail -n 1)
stays=$(pods_of "$OLD" | head -n 1)
rc delete pod "$gone" >/dev/null
wait_until 30 pods_of_are "$OLD" 2
made=$(pods_of "$OLD" | grep -vx -e "$stays" -e "$gone")
wait_until 30 serves "$made" "old key-old"
ok "an old pod that is made again has the old content, variable and file"

recond_kill
recond_start "$SRC"
comes_back_old "$made"
all_serve "$NEW" "new key-new" || fail "the new pod has not kept the new content"
app_phase_is Progressing || fail "the roll is over: $(app_json)"
config_is new || fail "the ConfigMap was put back while its set was on its way"
ok "also after the daemon was killed"

push newer /nope 3
wait_until 60 app_phase_is Held ProgressDeadlineExceeded
wait_until 30 config_is old
wait_until 30 pods_are 2
all_serve "$OLD" "old key-old" || fail "the old content does not serve"
ok "when the set is held, the old pods and the old content serve"

push newer /index.html 60
wait_until 60 app_phase_is Verified
wait_until 30 pods_are 2
wait_until 10 pods_serve 2 "newer key-newer"
ok "the change without the mistake has the new content"

app_remove_all
ip link del "$BRIDGE"
rm -rf "$STATE"
wait_until 10 host_clean
ok "nothing is left on the host"
