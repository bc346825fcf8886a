# SPDX-License-Identifier: Apache-2.0
#
# One app for tests of the whole way: a page in an image of its own, served by a Deployment.
#
#	. "$SOURCE_DIR/tests/lib/sh/app.sh"
#	app_new 3 "hello 1"; recond_start "$SRC"; app_phase_is Verified

SRC=$T/src
PAGE=$SRC/web/index.html

# app_new REPLICAS TEXT
app_new() {
	busybox_context "$SRC/web"
	cat >>"$SRC/web/Dockerfile" <<-EOF
		WORKDIR /www
		COPY index.html .
		CMD ["httpd", "-f", "-p", "8080"]
	EOF
	printf '%s\n' "$2" >"$PAGE"
	app_manifest "$1" web
}

# app_manifest REPLICAS IMAGE: write the Deployment, as an editor does (rename).
app_manifest() {
	cat >"$T/app.yaml" <<-EOF
		apiVersion: apps/v1
		kind: Deployment
		metadata:
		  name: web
		spec:
		  replicas: $1
		  selector:
		    matchLabels: {app: web}
		  template:
		    metadata:
		      labels: {app: web}
		    spec:
		      terminationGracePeriodSeconds: 2
		      containers:
		      - name: web
		        image: $2
		        ports:
		        - containerPort: 8080
	EOF
	mv "$T/app.yaml" "$SRC/web/app.yaml"
}

# app_unwatched: verified as soon as it is up, so what happens to it afterwards is no failure of its
# rollout. After app_new, before it is deployed.
app_unwatched() {
	sed -i 's|^  name: web$|&\n  annotations: {recond.dev/verify-seconds: "0"}|' "$SRC/web/app.yaml"
}

app_json() {
	rc get app web -o json
}

# app_phase_is PHASE [REASON]
app_phase_is() {
	app_json | grep -q "\"phase\": \"$1\"" || return 1
	[ -z "${2:-}" ] || app_json | grep -q "\"reason\": \"$2\""
}

# pod_ips: addresses of the pods that are Running, one a line.
pod_ips() {
	# Not by the number of a column: RESTARTS may be "1 (2m ago)".
	rc get pods -o wide | awk '$3 == "Running" { for (i = 4; i <= NF; i++) if ($i ~ /^[0-9]+[.][0-9.]+$/) print $i }'
}

# pods_serve COUNT TEXT: that many pods run and every one of them answers TEXT.
pods_serve() {
	pods_serve_ips_=$(pod_ips)
	# shellcheck disable=SC2086
	set -- "$1" "$2" $pods_serve_ips_
	[ $# -eq $(($1 + 2)) ] || return 1
	pods_serve_text_=$2
	shift 2
	for pods_serve_ip_ in "$@"; do
		[ "$(curl -s --max-time 2 "http://$pods_serve_ip_:8080/")" = "$pods_serve_text_" ] || return 1
	done
}

# pods_are COUNT: that many pods in all, none of them on its way out.
pods_are() {
	[ "$(rc get pods -o name | wc -l)" -eq "$1" ]
}

# crun_ids: what crun itself says runs.
crun_ids() {
	crun --root "$STATE/run/crun" list -q | sort
}

# app_remove_all: take the daemon's pods down by emptying the source, confirmed.
app_remove_all() {
	rm -rf "$SRC/web"
	wait_until 20 app_phase_is Held PruneRefused
	app_remove_revision_=$(app_json | sed -n 's/.*--confirm-prune \(sha256:[0-9a-f]*\).*/\1/p' | head -n 1)
	recond_stop
	recond_start --confirm-prune "$app_remove_revision_" "$SRC"
	wait_until 60 no_pods_left
	recond_stop
}

no_pods_left() {
	[ -z "$(crun_ids)" ] && [ -z "$(rc get pods -A -o name)" ]
}
