# SPDX-License-Identifier: Apache-2.0
#
# For tests/integration/builder_*.sh: builds through buildctl, which plays the daemon.

need_root
need_cmd crun skopeo busybox
BUILDCTL=${RECOND_BIN%/bin}/tests/build/buildctl
mkdir -p "$STATE"
LAST=$T/last

# build NAME CONTEXT [KEY=VALUE...]: must succeed; the events are in $LAST.
build() {
	build_name_=$1
	build_context_=$2
	shift 2
	"$BUILDCTL" build "$STATE" "$build_context_" name="$build_name_" "$@" >"$LAST" 2>&1 ||
		fail "build of $build_name_: $(cat "$LAST")"
}

# build_fails WANT CONTEXT [KEY=VALUE...]: must fail with an error that contains WANT.
build_fails() {
	build_want_=$1
	shift
	if "$BUILDCTL" build "$STATE" "$@" >"$LAST" 2>&1; then
		fail "built, want: $build_want_"
	fi
	grep '^error ' "$LAST" | grep -qF -- "$build_want_" ||
		fail "want an error with '$build_want_', got: $(cat "$LAST")"
}

# digest: of the image built last.
digest() {
	sed -n 's/^done //p' "$LAST"
}

# count WORD: how many steps of the last build were "run" or "cached".
count() {
	grep -c "^step [0-9/]* $1 " "$LAST" || :
}

# config NAME: the image's configuration as skopeo reads it, on one line.
config() {
	skopeo inspect --config "oci:$STATE/images:$1:latest" | tr -d '\n' | sed 's/  */ /g'
}

# unpack NAME DIR: the image's file system as skopeo and tar see it, whiteouts left as files.
unpack() {
	rm -rf "$T/dir" && mkdir -p "$2"
	skopeo copy -q "oci:$STATE/images:$1:latest" "dir:$T/dir"
	for unpack_layer_ in $(skopeo inspect "oci:$STATE/images:$1:latest" | sed -n 's/^ *"sha256:\([0-9a-f]*\)",*$/\1/p'); do
		tar -xzpf "$T/dir/$unpack_layer_" -C "$2" --numeric-owner
	done
}

# nothing_left: no mount, process, control group or working directory of a build.
nothing_left() {
	left_=$(host_leftovers)
	[ -z "$left_" ] || fail "left behind: $left_"
	[ -z "$(ls -A "$STATE/build/tmp")" ] || fail "left in build/tmp: $(ls -A "$STATE/build/tmp")"
}
