#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# An image that recond built leaves it by standard ways: skopeo reads it in place and copies it to an
# archive, which podman loads and runs. (Peer tools; skipped where they are not installed.)
# timeout: 120
. "$SOURCE_DIR/tests/lib/sh/harness.sh"
. "$SOURCE_DIR/tests/lib/sh/app.sh"
need_root
need_cmd crun ip busybox skopeo podman

busybox_context "$SRC/web"
echo 'CMD ["/bin/echo", "hello from the archive"]' >>"$SRC/web/Dockerfile"

image_is_built() {
	skopeo inspect "oci:$STATE/images:web:latest" >"$T/inspect"
}

podman_here() {
	podman --root "$T/podman" --runroot "$T/podman-run" --cgroup-manager=cgroupfs --storage-driver=vfs "$@"
}

recond_start "$SRC"
wait_until 40 image_is_built
ok "skopeo reads the image in place"
skopeo copy -q "oci:$STATE/images:web:latest" "docker-archive:$T/web.tar:web:latest"
podman_here load -q -i "$T/web.tar" >"$T/loaded"
said=$(podman_here run --rm --network=none --ulimit nofile=1024:1024 --ulimit nproc=4096:4096 \
	docker.io/library/web:latest) || fail "podman cannot run it"
[ "$said" = "hello from the archive" ] || fail "it says '$said'"
ok "podman loads the archive and runs it"
recond_stop
ip link del "$BRIDGE"
