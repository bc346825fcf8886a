# SPDX-License-Identifier: Apache-2.0
#
# For tests/integration/pods_*.sh: podctl as the daemon, on the names of harness.sh. Events are JSON
# lines in $T/events; a test waits for lines that match, it never sleeps for a result.

need_root
need_cmd crun busybox ip

PODCTL=${RECOND_BIN%/bin}/tests/pods/podctl
[ -x "$PODCTL" ] || skip "podctl is not built"
RUN=$T/run
EVENTS=$T/events
PODCTL_CGROUP_PARENT=/recond-test/$SLOT
export PODCTL_CGROUP_PARENT
PODS_PID=

# crun 1.8 refuses a hybrid host whose v2 side has a controller left.
if [ -s /sys/fs/cgroup/unified/cgroup.controllers ]; then
	mkdir -p /sys/fs/cgroup/hugetlb
	mount -t cgroup -o hugetlb cgroup /sys/fs/cgroup/hugetlb 2>/dev/null || :
fi

# Not those of slot 20 with those of slot 2.
pods_cgroups_remove_() {
	find /sys/fs/cgroup -depth -type d \( -path "*$PODCTL_CGROUP_PARENT" -o -path "*$PODCTL_CGROUP_PARENT/*" \) \
		-exec rmdir {} + 2>/dev/null || :
}

# What a failed test of this slot left.
pods_cgroups_remove_
mkdir -p "$STATE"
: >"$EVENTS"

# pods_image [CONFIG-MEMBERS]: an image with a static busybox; its digest in $IMAGE. With
# $ROOT_EXTRA set, that shell code is run in the root directory first.
pods_image() {
	rm -rf "$T/root"
	mkdir -p "$T/root/bin" "$T/root/tmp" "$T/root/etc"
	cp "$(command -v busybox)" "$T/root/bin/busybox"
	"$T/root/bin/busybox" --install -s "$T/root/bin" 2>/dev/null || :
	for link_ in "$T"/root/bin/*; do
		[ ! -L "$link_" ] || ln -sf /bin/busybox "$link_"
	done
	printf 'root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n' >"$T/root/etc/passwd"
	printf 'root:x:0:\napp:x:1000:\nextra:x:2000:app\n' >"$T/root/etc/group"
	(cd "$T/root" && eval "${ROOT_EXTRA:-:}")
	tar -C "$T/root" -cf "$T/layer.tar" .
	IMAGE=$("$PODCTL" image "$STATE" "${2:-web}" "$T/layer.tar" "{\"architecture\":\"$(go_arch_)\",
		\"os\":\"linux\",\"config\":{\"Env\":[\"PATH=/bin\"]${1:+,$1}},
		\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}}")
}

go_arch_() {
	case $(uname -m) in
	x86_64) echo amd64 ;;
	aarch64) echo arm64 ;;
	*) uname -m ;;
	esac
}

# pods_start [LOG-BYTES]: start the daemon's stand-in.
pods_start() {
	rm -f "$T/in"
	mkfifo "$T/in"
	"$PODCTL" serve "$STATE" "$RUN" "$BRIDGE" "$POD_CIDR" "$@" <"$T/in" >>"$EVENTS" 2>>"$T/podctl.log" &
	PODS_PID=$!
	exec 8>"$T/in"
}

# pods_kill: as a crash; pods_stop: as an orderly end.
pods_kill() {
	kill -KILL "$PODS_PID"
	wait "$PODS_PID" 2>/dev/null || :
	exec 8>&-
}

pods_stop() {
	exec 8>&-
	wait "$PODS_PID" || fail "podctl ended with $?: $(cat "$T/podctl.log")"
	pods_cgroups_remove_
	if grep -qE "$SANITIZER_TEXT" "$T/podctl.log"; then
		fail "a sanitizer reported: $(cat "$T/podctl.log")"
	fi
}

# mark: events are looked for after this line from now on.
MARK=1
mark() {
	MARK=$(($(wc -l <"$EVENTS") + 1))
}

seen() {
	tail -n +"$MARK" "$EVENTS" | grep -qE "$1"
}

# event PATTERN: wait until a line after the mark matches; it is in $EVENT then.
event() {
	event_end_=$(($(now_cs) + 2000))
	until seen "$1"; do
		[ "$(now_cs)" -lt "$event_end_" ] ||
			fail "no event '$1' in: $(tail -n +"$MARK" "$EVENTS"; cat "$T/podctl.log")"
		sleep 0.02
	done
	EVENT=$(tail -n +"$MARK" "$EVENTS" | grep -E "$1" | tail -n 1)
}

# field NAME: the member NAME of $EVENT, a number or a string without quotes in it.
field() {
	echo "$EVENT" | sed -nE "s/.*\"$1\":\"?([^,\"}]*).*/\1/p"
}

# up UID [MEMBERS]: make a sandbox and wait for it.
up() {
	printf '{"op":"up","request":{"uid":"%s","namespace":"default","name":"%s","hostname":"%s","cgroup":{"qos":"Burstable"}%s}}\n' \
		"$1" "$1" "$1" "${2:+,$2}" | tr -d '\n\t' >&8
	echo >&8
	event "sandbox_ready.*\"uid\":\"$1\""
}

# json_text_ TEXT: the inside of a JSON string.
json_text_() {
	printf '%s\n' "$1" | sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/\t/ /g' |
		awk '{ printf "%s%s", sep, $0; sep = "\\n" }'
}

# start UID NAME ATTEMPT SHELL-CODE [MEMBERS]: start a container, without waiting.
start() {
	printf '{"op":"start","request":{"podUid":"%s","namespace":"default","podName":"%s","name":"%s","attempt":%s,"image":"%s","command":["/bin/sh","-c","%s"]%s}}' \
		"$1" "$1" "$2" "$3" "$IMAGE" "$(json_text_ "$4")" "${5:+,$5}" | tr -d '\n\t' >&8
	echo >&8
}

# down UID: end the pod and wait until it is gone.
down() {
	echo "{\"op\":\"down\",\"uid\":\"$1\"}" >&8
	event "pod_gone.*\"uid\":\"$1\""
}

# log UID NAME ATTEMPT: the text of the container's log.
log() {
	sed -E 's/^[^ ]+ std(out|err) [FP] //' "$STATE/logs/default_$1_$1/$2/$3.log"
}

# left: what pods have on the host.
left() {
	grep -F "$T/" /proc/self/mountinfo || :
	ip -o link show master "$BRIDGE" 2>/dev/null || :
	find /sys/fs/cgroup -type d -path "*$PODCTL_CGROUP_PARENT/*/pod*" 2>/dev/null || :
	find "$RUN/pods" "$RUN/events" "$RUN/crun" "$STATE/pods" "$STATE/logs" -mindepth 1 2>/dev/null || :
}

# nothing_left: succeeds when they have nothing, else prints it. To be waited for: the kernel takes the
# links of a network namespace away some milliseconds after it.
nothing_left() {
	left_=$(left)
	[ -z "$left_" ] || {
		printf '%s\n' "$left_"
		return 1
	}
}
