#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The whole way with real containers: a folder becomes running pods, an edit rolls them, a bad image
# and a container that cannot be created hold the app, a restart changes nothing of it.
# timeout: 180
. "$SOURCE_DIR/tests/lib/sh/harness.sh"
. "$SOURCE_DIR/tests/lib/sh/app.sh"
need_root
need_cmd crun curl ip busybox skopeo

app_new 3 "hello 1"
recond_start "$SRC"
wait_until 40 app_phase_is Verified
pods_serve 3 "hello 1" || fail "three pods do not serve the page"
ok "a folder with a Dockerfile and a Deployment is built and runs"

pods=$(rc get pods -o name)
touch "$PAGE"
holds_for 1 test "$(rc get pods -o name)" = "$pods"
ok "a touched file changes nothing"

echo "hello 2" >"$PAGE"
wait_until 20 pods_serve 3 "hello 2"
wait_until 20 app_phase_is Verified
wait_until 20 pods_are 3
ok "an edited page is built and rolled"

pods=$(rc get pods -o name)
app_manifest 3 nope:1
wait_until 5 app_phase_is Held ErrImagePull
rc status >"$T/status" && fail "status of a held app ends with 0"
grep -q 'nope:1' "$T/status" || fail "status does not say which image"
holds_for 1 pods_serve 3 "hello 2"
[ "$(rc get pods -o name)" = "$pods" ] || fail "pods were touched for an image that is not there"
ok "an image that cannot be had holds the app and touches no pod"

recond_kill
recond_start "$SRC"
wait_until 20 app_phase_is Held
pods_serve 3 "hello 2" || fail "the old version does not serve after a restart"
[ "$(rc get pods -o name)" = "$pods" ] || fail "a restart touched pods"
ok "a killed daemon takes over and still holds"

app_manifest 3 web
wait_until 20 app_phase_is Verified
[ "$(rc get pods -o name)" = "$pods" ] || fail "the same set rolled"
app_manifest 2 web
wait_until 20 pods_serve 2 "hello 2"
ok "the image put right releases and rolls"

sed -i 's|image: web|image: web\n        command: ["/no/such/program"]|' "$SRC/web/app.yaml"
wait_until 20 app_phase_is Held RunContainerError
wait_until 20 pods_serve 2 "hello 2"
ok "a container that cannot be created puts the effective set back"

app_manifest 2 web
wait_until 20 app_phase_is Verified
sed -i 's/replicas/replica/' "$SRC/web/app.yaml"
wait_until 10 app_phase_is Invalid
rc status | grep -q 'web/app.yaml:6:.*did you mean' || fail "no place or suggestion: $(rc status)"
pods_serve 2 "hello 2" || fail "an invalid manifest changed what runs"
app_manifest 2 web
wait_until 20 app_phase_is Verified
ok "an invalid manifest is named by place and changes nothing"

awk 'BEGIN { for (i = 0; i < 40000; i++) print "# a line that says nothing, of many" }' >>"$SRC/web/app.yaml"
wait_until 10 app_phase_is Invalid
rc status | grep -q 'web/app.yaml: a manifest of' || fail "a manifest too large is not named"
pods_serve 2 "hello 2" || fail "a manifest too large changed what runs"
app_manifest 2 web
wait_until 20 app_phase_is Verified
ok "a manifest too large to be read is named and changes nothing"

skopeo inspect "oci:$STATE/images:web:latest" >"$T/inspect" || fail "skopeo cannot read the image"
ok "skopeo reads the image in place"

app_remove_all
ip link del "$BRIDGE"
rm -rf "$STATE"
wait_until 10 host_clean
ok "nothing is left on the host"
