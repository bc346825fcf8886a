#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Images from Dockerfiles with real containers: every instruction's effect, what skopeo reads, what
# a rebuild does not do, and what a build must never see or leave behind.
# timeout: 180
. "$SOURCE_DIR/tests/lib/sh/harness.sh"
. "$SOURCE_DIR/tests/build/lib.sh"

busybox_context "$T/base"
build base "$T/base"
[ "$(count run)" = 2 ] || fail "steps: $(cat "$LAST")"
base=$(digest)
ok "FROM scratch, COPY, RUN in exec form"

# --- nothing changed: nothing runs ----------------------------------------------------------------
build base "$T/base"
[ "$(digest)" = "$base" ] && [ "$(count run)" = 0 ] || fail "rebuild: $(cat "$LAST")"
ok "a rebuild with nothing changed runs nothing and gives the same image"

touch "$T/base/busybox"
build base "$T/base"
[ "$(digest)" = "$base" ] || fail "a time stamp changed the image"
ok "time stamps are no content"

# The image's record is gone, the steps' records are not.
key=$("$BUILDCTL" plan "$STATE" "$T/base" | sed 's/.*"key":"sha256:\([0-9a-f]*\)".*/\1/')
rm "$STATE/build/cache/$key.json"
build base "$T/base"
[ "$(digest)" = "$base" ] && [ "$(count cached)" = 2 ] || fail "from step records: $(cat "$LAST")"
ok "the same image comes out of cached steps alone"

"$BUILDCTL" plan "$STATE" "$T/base" | grep -q "\"current\":\"$base\"" || fail "plan: not current"
ok "the plan knows the image is current"

# --- one image with everything --------------------------------------------------------------------
c=$T/app
mkdir -p "$c/site/sub" "$c/conf.d"
echo one >"$c/site/index.html"
echo two >"$c/site/sub/page.html"
echo x >"$c/site/sub/ignored.tmp"
ln -s /etc/shadow "$c/site/shadow"
ln -s index.html "$c/site/home.html"
echo a >"$c/conf.d/a.conf"
echo b >"$c/conf.d/b.conf"
echo no >"$c/conf.d/readme"
printf '#!/bin/sh\necho started "$@"\n' >"$c/run.sh"
chmod 755 "$c/run.sh"
printf '**/*.tmp\n' >"$c/.dockerignore"
cat >"$c/Dockerfile" <<'END'
# syntax=docker/dockerfile:1
ARG BASE=base
FROM ${BASE} AS build
ARG VERSION=1
ENV NAME="world $VERSION"
RUN mkdir /out && \
    # a comment in between
    echo "built $NAME" >/out/result && chown 5:6 /out/result
RUN ["/bin/sh", "-c", "ln /out/result /out/hard; rm /bin/ed"]

FROM scratch AS unneeded
COPY does-not-exist /

FROM base
RUN adduser -D -u 1234 app 2>/dev/null || { echo 'app:x:1234:1235::/home/app:/bin/sh' >>/etc/passwd; echo 'app:x:1235:' >>/etc/group; }
WORKDIR /srv
COPY site www
COPY conf.d/*.conf /etc/app/
COPY --chown=app:app --chmod=750 run.sh /usr/local/bin/start
COPY --from=build /out /artifacts/
COPY --from=base /bin/busybox /opt/copy-of-busybox
USER app
WORKDIR mine
RUN id -u >/srv/mine/id 2>/dev/null || id -u >/tmp/id; echo "$HOME"
LABEL org.example.a="1 2" b=c
EXPOSE 80 53/udp
ENTRYPOINT ["/usr/local/bin/start"]
CMD ["now"]
END
mkdir -p "$T/passwd/etc"
echo 'root:x:0:0::/root:/bin/sh' >"$T/passwd/etc/passwd"
echo 'root:x:0:' >"$T/passwd/etc/group"
printf 'FROM base\nCOPY etc /etc\nRUN mkdir -p /home /tmp && chmod 1777 /tmp\n' >"$T/passwd/Dockerfile"
build base:users "$T/passwd"
sed -i 's/^FROM base$/FROM base:users/' "$c/Dockerfile"
SECRET_CANARY=leaked build app "$c" arg.VERSION=7
ok "several stages, all instructions"

root=$T/root
unpack app "$root"
[ "$(cat "$root/srv/www/index.html" "$root/srv/www/sub/page.html")" = "one
two" ] || fail "COPY of a directory takes its contents"
[ "$(readlink "$root/srv/www/shadow")" = /etc/shadow ] || fail "a symlink is not copied as one"
[ "$(readlink "$root/srv/www/home.html")" = index.html ] || fail "a symlink is not copied as one"
[ ! -e "$root/srv/www/sub/ignored.tmp" ] || fail "an ignored file was copied"
[ "$(ls "$root/etc/app" | tr '\n' ' ')" = "a.conf b.conf " ] || fail "glob: $(ls "$root/etc/app")"
[ "$(stat -c '%u:%g %a' "$root/usr/local/bin/start")" = "1234:1235 750" ] ||
	fail "--chown --chmod: $(stat -c '%u:%g %a' "$root/usr/local/bin/start")"
[ "$(cat "$root/artifacts/result")" = "built world 7" ] || fail "COPY --from a stage"
[ "$(stat -c '%u:%g %h' "$root/artifacts/hard")" = "5:6 2" ] ||
	fail "owner and hard link of a stage's file: $(stat -c '%u:%g %h' "$root/artifacts/hard")"
cmp -s "$root/opt/copy-of-busybox" "$(command -v busybox)" || fail "COPY --from an image"
[ "$(stat -c %u "$root/srv/mine")" = 1234 ] || fail "WORKDIR belongs to USER"
[ "$(cat "$root/srv/mine/id")" = 1234 ] || fail "RUN as USER"
grep -q '^log /home/app$' "$LAST" || fail "HOME of USER: $(grep '^log' "$LAST")"
[ ! -e "$root/out" ] || fail "an earlier stage's files are in the image"
ok "the file system is what the Dockerfile says"

json=$(config app)
for want in '"User": "app"' '"Entrypoint": [ "/usr/local/bin/start" ]' '"Cmd": [ "now" ]' \
	'"WorkingDir": "/srv/mine"' '"80/tcp": {}' '"53/udp": {}' '"org.example.a": "1 2"' '"b": "c"'; do
	case $json in
	*"$want"*) ;;
	*) fail "no $want in $json" ;;
	esac
done
layers=$(skopeo inspect "oci:$STATE/images:app:latest" | grep -c '^ *"sha256:')
entries=$(skopeo inspect --config "oci:$STATE/images:app:latest" | grep -c '"created_by"')
empty=$(skopeo inspect --config "oci:$STATE/images:app:latest" | grep -c '"empty_layer": true')
[ $((entries - empty)) = "$layers" ] || fail "$entries history lines, $empty empty, $layers layers"
ok "configuration and history are what skopeo expects"

for place in "$STATE" "$LAST"; do
	! grep -rqa leaked "$place" || fail "the daemon's environment is in $(grep -rla leaked "$place")"
done
ok "the daemon's environment is nowhere"

# --- the image runs -------------------------------------------------------------------------------
mkdir -p "$T/bundle" && mv "$root" "$T/bundle/rootfs"
(cd "$T/bundle" && crun spec &&
	sed -i 's/"terminal": true/"terminal": false/; s|"sh"|"/usr/local/bin/start", "now"|
		s/"uid": 0/"uid": 1234/; s/"gid": 0/"gid": 1235/' config.json)
crun --root "$T/crun" --cgroup-manager=disabled run --bundle "$T/bundle" "build-$SLOT" >"$T/out" 2>&1 ||
	fail "the image does not run: $(cat "$T/out")"
[ "$(cat "$T/out")" = "started now" ] || fail "the image says: $(cat "$T/out")"
ok "the image runs"

# --- changes --------------------------------------------------------------------------------------
steps=$(($(count run) + $(count cached)))
build app "$c" arg.VERSION=7
[ "$(count run)" = 0 ] || fail "rebuild runs $(cat "$LAST")"
app=$(digest)
echo changed >"$c/conf.d/a.conf"
build app "$c" arg.VERSION=7
[ "$(digest)" != "$app" ] || fail "a changed file gave the same image"
grep -q '^step [0-9/]* cached [0-9]* COPY site' "$LAST" || fail "before: $(cat "$LAST")"
grep -q '^step [0-9/]* run [0-9]* COPY conf.d' "$LAST" || fail "changed: $(cat "$LAST")"
grep -q '^step [0-9/]* cached [0-9]* RUN mkdir /out' "$LAST" || fail "other stage: $(cat "$LAST")"
[ $(($(count run) + $(count cached))) = "$steps" ] || fail "number of steps: $(cat "$LAST")"
ok "only the steps behind a changed file run"

echo a >"$c/conf.d/a.conf"
build app "$c" arg.VERSION=7
[ "$(digest)" = "$app" ] && [ "$(count run)" = 0 ] || fail "back again: $(cat "$LAST")"
ok "the old content gives the old image, nothing runs"

# The stage is built anew, its output is the same: what copies from it stays cached.
mkdir "$T/early"
printf 'FROM base AS a\nRUN mkdir /o && echo same >/o/f && echo %s >/noise\nFROM base\nCOPY --from=a /o/f /f\nRUN true\n' 1 >"$T/early/Dockerfile"
build early "$T/early"
sed -i 's/echo 1/echo 2/' "$T/early/Dockerfile"
build early "$T/early"
[ "$(count run)" = 1 ] && [ "$(count cached)" = 2 ] || fail "equal output of a stage: $(cat "$LAST")"
ok "a stage rebuilt with the same output invalidates nothing behind it"

# --- a base image that came from elsewhere ---------------------------------------------------------
here=$STATE
STATE=$T/state3
mkdir -p "$STATE" "$T/import"
"$BUILDCTL" plan "$STATE" "$T/base" >/dev/null
[ -z "$(ls -A "$STATE")" ] || fail "planning made $(ls -A "$STATE")"
ok "planning writes nothing"
printf 'FROM localhost/imported:1\nRUN [ "$(busybox echo a)" = a ] && rm /bin/vi\nCOPY --from=localhost/imported:1 /bin/vi /opt/\n' >"$T/import/Dockerfile"
skopeo copy -q "oci:$here/images:base:latest" "oci:$STATE/images:localhost/imported:1"
build import "$T/import"
unpack import "$T/imported"
[ -e "$T/imported/bin/.wh.vi" ] && cmp -s "$T/imported/opt/vi" "$(command -v busybox)" ||
	fail "on an imported base: $(ls "$T/imported/bin" "$T/imported/opt")"
STATE=$here
ok "a base image that skopeo put into the layout is unpacked and built upon"

rm -rf "$STATE/layers"
printf 'FROM base\nRUN echo again\n' >"$T/import/Dockerfile"
build again "$T/import"
ok "unpacked layers that are gone come back from their blobs"

# --- what must fail, and how ----------------------------------------------------------------------
f=$T/fail
mkdir "$f"
printf 'FROM base\nRUN exit 3\n' >"$f/Dockerfile"
build_fails 'Dockerfile:2: process "/bin/sh -c exit 3" did not complete successfully: exit code: 3' "$f"
build_fails 'exit code: 3' "$f"
[ "$(count cached)" = 0 ] || fail "a failed step was cached"
ok "a failing step names file, line, command and exit code, and is not cached"
printf 'FROM base\nCOPY ../etc/passwd /\n' >"$f/Dockerfile"
build_fails 'invalid BuildFailed Dockerfile:2: COPY: "/etc/passwd": not found' "$f"
printf 'FROM base\nCOPY --from=0 /nope /\n' >"$f/Dockerfile"
build_fails 'circular dependency' "$f"
printf 'FROM base AS a\nFROM base\nCOPY --from=a ../../nope /\n' >"$f/Dockerfile"
build_fails 'Dockerfile:3: "/nope": not found' "$f"
printf 'FROM no/such:image\n' >"$f/Dockerfile"
build_fails "transient ErrImagePull base image 'no/such:image' is not present" "$f"
printf 'FROM base\nRNU x\n' >"$f/Dockerfile"
build_fails 'Dockerfile:2: unknown instruction: RNU (did you mean RUN?)' "$f"
printf 'FROM base\nRUN ["/nope"]\n' >"$f/Dockerfile"
build_fails 'Dockerfile:2: process "/nope" did not complete' "$f"
printf 'FROM base\nUSER nobody-here\nRUN true\n' >"$f/Dockerfile"
build_fails 'Dockerfile:3: ' "$f"
ok "errors say what is wrong and where"

echo old >"$f/file"
printf 'FROM base\nCOPY file /\n' >"$f/Dockerfile"
"$BUILDCTL" list "$f" >"$T/listing"
echo new >"$f/file"
build_fails "transient BuildFailed Dockerfile:2: 'file' changed while building" "$f" listing="$T/listing"
rm "$f/file"
build_fails "changed while building" "$f" listing="$T/listing"
ln -s /etc/shadow "$f/file"
build_fails "changed while building" "$f" listing="$T/listing"
ok "a context that is not what was listed ends the build, to be tried again"
rm "$f/file"

# --- what RUN cannot do ---------------------------------------------------------------------------
printf 'FROM base\nRUN [ "$(ls /sys/class/net)" = lo ] && ! ip route | grep . && ! env | grep -i canary\nRUN [ "$(cat /proc/sys/kernel/hostname)" = recond-build ] && ! (echo x >/proc/sys/kernel/hostname) 2>/dev/null\n' >"$f/Dockerfile"
SECRET_CANARY=leaked build sandbox "$f"
ok "RUN has no network and none of our environment"

# The files that RUN resolves names with are not the image's.
printf 'FROM base\nRUN grep -q localhost /etc/hosts && ! (echo x >>/etc/hosts) 2>/dev/null && [ ! -s /etc/resolv.conf ]\n' >"$f/Dockerfile"
build names "$f"
rm -rf "$T/names" && unpack names "$T/names"
[ ! -e "$T/names/etc" ] || fail "left in the image: $(find "$T/names/etc")"
printf 'FROM base\nRUN [ "$(wc -c </etc/resolv.conf)" = %s ] && ip link | grep -q lo\n' "$(wc -c </etc/resolv.conf)" >"$f/Dockerfile"
build names "$f" network=host
ok "RUN has hosts and resolvers that never get into the image"

printf 'FROM base\nRUN yes | head -c 4000000; echo end\n' >"$f/Dockerfile"
build noisy "$f"
grep -q '^log \[output clipped\]$' "$LAST" && ! grep -q '^log end' "$LAST" || fail "output is not limited"
[ "$(grep -c '^log ' "$LAST")" = 20001 ] || fail "output is not limited: $(grep -c '^log ' "$LAST") lines"
printf 'FROM base\nRUN yes $(seq 2000) | head -c 4000000; echo end\n' >"$f/Dockerfile"
build wide "$f"
grep -q '^log \[output clipped\]$' "$LAST" && ! grep -q '^log end' "$LAST" || fail "output is not limited"
[ "$(wc -c <"$LAST")" -lt 3000000 ] || fail "output is not limited: $(wc -c <"$LAST")"
cat >"$f/Dockerfile" <<'END'
FROM base
RUN printf 'a\tb\033[31mred\r\n'; printf last
END
build escapes "$f"
grep -q '^log a	b\\x1b\[31mred$' "$LAST" && grep -q '^log last$' "$LAST" || fail "escapes: $(cat "$LAST")"
ok "output is limited and escaped"

# A base with hostile links: a write must stay inside.
mkdir -p "$T/evil/x"
ln -s / "$T/evil/x/root" && ln -s ../../../../../../../../../.. "$T/evil/x/up" && ln -s "$T/victim" "$T/evil/x/direct"
printf 'FROM scratch\nCOPY x /\n' >"$T/evil/Dockerfile"
build evil "$T/evil"
echo payload >"$f/file"
mkdir "$T/victim"
printf 'FROM evil\nCOPY file /root/r%s/\nCOPY file /up/%s/u\nCOPY file /direct/d\nWORKDIR /up%s/w\n' "$T/victim" "$T/victim" "$T/victim" >"$f/Dockerfile"
"$BUILDCTL" build "$STATE" "$f" name=evil2 >"$LAST" 2>&1 || :
[ -z "$(ls -A "$T/victim")" ] || fail "written outside of the root: $(ls -A "$T/victim")"
ok "links of an image lead nowhere outside"

# --- reproducible ---------------------------------------------------------------------------------
# File times in layers stay real, except those of directories that WORKDIR makes.
printf 'FROM scratch\nWORKDIR /a/b\nLABEL a=b\n' >"$f/Dockerfile"
build epoch "$f" arg.SOURCE_DATE_EPOCH=1100000000
one=$(digest)
STATE=$T/state2
mkdir "$STATE"
build epoch "$f" arg.SOURCE_DATE_EPOCH=1100000000
[ "$(digest)" = "$one" ] || fail "two hosts, two images: $one $(digest)"
config epoch | grep -q '"created": "2004-11-09T11:33:20Z"' || fail "created: $(config epoch)"
ok "with SOURCE_DATE_EPOCH two stores get the same image"

nothing_left
STATE=$T/state
nothing_left
STATE=$T/state3
nothing_left
ok "nothing is left behind"
