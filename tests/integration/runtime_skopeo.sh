#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Other tools read the image layout in place, take images out of it and put images into it; a tree that
# goes all the way round comes back as it was.
# timeout: 120
. "$SOURCE_DIR/tests/lib/sh/harness.sh"
need_root
need_cmd skopeo tar python3
TOOL=$RECOND_BIN/../tests/tools/image_tool
[ -x "$TOOL" ] || skip "needs image_tool of the build tree"

mkdir "$T/state" "$T/tree"
images=$T/state/images

# --- a tree with a bit of everything --------------------------------------------------------------
(
	cd "$T/tree"
	mkdir -p bin etc/deep a a.d
	printf 'hello\n' >etc/deep/file
	head -c 300000 /dev/urandom >bin/prog
	ln bin/prog bin/other
	ln -s prog bin/link
	mkfifo etc/fifo
	chmod 4750 bin/prog
	chown 1000:70000 etc/deep/file
	touch "$(printf 'e\314\201')" "$(printf 'b\377')"
	# Layers carry whole seconds.
	find . -depth -exec touch -h -d '2020-02-02 02:02:02' {} +
)
listing() {
	(cd "$1" && find . -mindepth 1 -printf '%p %y %m %U %G %n %T@ %l\n' | sort &&
		find . -type f -exec sha256sum {} + | sort)
}
listing "$T/tree" >"$T/want"

for how in gzip zstd none; do
	"$TOOL" commit "$T/state" "$T/tree" "web:$how" "$how" >"$T/out" || fail "commit $how"
	read -r digest _ <"$T/out"
	skopeo inspect "oci:$images:web:$how" >"$T/inspect" || fail "skopeo inspect $how"
	grep -q "\"Digest\": \"$digest\"" "$T/inspect" || fail "skopeo sees another digest"
done
ok "skopeo inspects what was committed, in place"

# --- out to an archive and back in -----------------------------------------------------------------
skopeo copy -q "oci:$images:web:gzip" "docker-archive:$T/web.tar:example/web:1" || fail "copy to an archive"
tar -tf "$T/web.tar" | grep -q manifest.json || fail "no manifest.json in the archive"
skopeo copy -q "docker-archive:$T/web.tar:example/web:1" "oci:$images:back:2" || fail "copy back"
"$TOOL" list "$T/state" >"$T/list"
python3 - "$T/list" <<-'EOF' || fail "what skopeo wrote is not listed as it should be"
	import json, sys
	rows = {(r["repository"], r["tag"]): r for r in json.load(open(sys.argv[1]))}
	assert ("back", "2") in rows and "error" not in rows["back", "2"], rows
	assert rows["web", "gzip"]["sizeBytes"] < rows["web", "none"]["sizeBytes"], rows
EOF
ok "what skopeo copies into the layout shows up"

dir=$("$TOOL" unpack "$T/state" back:2) || fail "unpack"
listing "$dir" >"$T/got"
diff "$T/want" "$T/got" || fail "the tree changed on its way"
ok "a tree comes back as it was"

# --- names ---------------------------------------------------------------------------------------------
"$TOOL" tag "$T/state" web:gzip localhost/x/y:3 || fail "tag"
skopeo inspect "oci:$images:localhost/x/y:3" >/dev/null || fail "skopeo does not see a new name"
"$TOOL" untag "$T/state" web:gzip || fail "untag"
if skopeo inspect "oci:$images:web:gzip" >/dev/null 2>&1; then
	fail "skopeo still sees a removed name"
fi
skopeo inspect "oci:$images:localhost/x/y:3" >/dev/null || fail "another name went with it"
ok "names given and taken are seen by skopeo"
