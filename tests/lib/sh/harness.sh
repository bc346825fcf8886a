# SPDX-License-Identifier: Apache-2.0
#
# What every script of tests/integration begins with:
#
#	. "$SOURCE_DIR/tests/lib/sh/harness.sh"
#	need_root
#	need_cmd crun ip
#
# It gives the script a directory of its own ($T), names no other test uses ($BRIDGE, $POD_CIDR,
# $STATE, $SOCK), a daemon under test, polling with deadlines instead of sleeps, and removes at the
# end whatever the test left on the host. ctest sets RECOND_BIN, RECOND_LIBEXEC and SOURCE_DIR; by
# hand: RECOND_BIN=build/dev/bin tests/integration/x.sh
set -eu

: "${SOURCE_DIR:=$(cd "$(dirname "$0")/../.." && pwd)}"
: "${RECOND_BIN:=$SOURCE_DIR/build/dev/bin}"
: "${RECOND_LIBEXEC:=$RECOND_BIN}"
export SOURCE_DIR RECOND_BIN RECOND_LIBEXEC

TEST_NAME=$(basename "$0" .sh)
SANITIZER_TEXT='LeakSanitizer|AddressSanitizer|runtime error:'

# --- messages -------------------------------------------------------------------------------------

# ok TEXT...: one thing was seen to hold.
ok() {
	printf 'ok: %s\n' "$*"
}

note() {
	printf '#   %s\n' "$*"
}

# fail TEXT...: end the test; the daemon's last lines are printed on the way out.
fail() {
	printf 'FAIL: %s\n' "$*" >&2
	exit 1
}

skip() {
	printf 'skipped: %s\n' "$*"
	exit 77
}

need_root() {
	[ "$(id -u)" = 0 ] || skip "needs root"
}

need_cmd() {
	for need in "$@"; do
		command -v "$need" >/dev/null || skip "needs $need"
	done
}

# --- time -----------------------------------------------------------------------------------------

# Hundredths of a second since boot.
now_cs() {
	read -r up_ _ </proc/uptime
	echo "${up_%.*}${up_#*.}"
}

# wait_until SECONDS COMMAND...: run COMMAND until it succeeds; fails the test after SECONDS.
wait_until() {
	wait_deadline_=$(($(now_cs) + $1 * 100))
	wait_limit_=$1
	shift
	until "$@" >/dev/null 2>&1; do
		if [ "$(now_cs)" -ge "$wait_deadline_" ]; then
			("$@") >&2 || :
			fail "not within ${wait_limit_} s: $*"
		fi
		[ -z "${RECOND_PID:-}" ] || recond_alive || fail "the daemon died while waiting for: $*"
		sleep 0.05
	done
}

# holds_for SECONDS COMMAND...: COMMAND succeeds at every look for SECONDS.
holds_for() {
	holds_deadline_=$(($(now_cs) + $1 * 100))
	shift
	while [ "$(now_cs)" -lt "$holds_deadline_" ]; do
		"$@" >/dev/null 2>&1 || fail "did not hold: $*"
		sleep 0.1
	done
}

# --- names of this test ---------------------------------------------------------------------------

# A number below 200 that no other running test holds, kept by a lock on fd 9.
slot_take_() {
	mkdir -p /tmp/recond-test-slots
	SLOT=0
	while [ "$SLOT" -lt 200 ]; do
		exec 9>"/tmp/recond-test-slots/$SLOT"
		if flock -n 9; then
			return 0
		fi
		SLOT=$((SLOT + 1))
	done
	fail "no free test slot in /tmp/recond-test-slots"
}

# What the network of this test's names still is on the host: its bridge with the ports, its rules.
links_remove_() {
	for link_ in $(ip -o link show master "$BRIDGE" 2>/dev/null | sed -E 's/^[0-9]+: ([^:@]*).*/\1/'); do
		ip link delete "$link_" 2>/dev/null || :
	done
	ip link delete "$BRIDGE" 2>/dev/null || :
	nft delete table ip "recond-$BRIDGE" 2>/dev/null || :
}

slot_take_
T=$(mktemp -d "${TMPDIR:-/tmp}/recond-$TEST_NAME.XXXXXX")
STATE=$T/state
SOCK=$T/recond.sock
BRIDGE=rct$SLOT
POD_CIDR=10.213.$SLOT.0/24
RECOND_PID=
RECOND_RUNS=0
RECOND_LOG=
export T
# The slot's last holder may have been killed before it could take its network down.
[ "$(id -u)" != 0 ] || links_remove_

# --- the daemon -----------------------------------------------------------------------------------

# recond_start [FLAG...] SOURCE...: start the daemon on the names of this test and wait for its
# socket. Its output is in $RECOND_LOG.
recond_start() {
	[ -z "$RECOND_PID" ] || fail "recond_start: already running"
	RECOND_RUNS=$((RECOND_RUNS + 1))
	RECOND_LOG=$T/daemon.$RECOND_RUNS.log
	rm -f "$SOCK"
	"$RECOND_BIN/recond" --state-dir "$STATE" --socket "$SOCK" --bridge "$BRIDGE" \
		--pod-cidr "$POD_CIDR" "$@" >"$RECOND_LOG" 2>&1 9>&- &
	RECOND_PID=$!
	wait_until 20 test -S "$SOCK"
}

recond_alive() {
	[ -n "$RECOND_PID" ] && kill -0 "$RECOND_PID" 2>/dev/null
}

# recond_ended_: collect its exit status and look for what a sanitizer said.
recond_ended_() {
	recond_status_=0
	wait "$RECOND_PID" 2>/dev/null || recond_status_=$?
	RECOND_PID=
	if grep -qE "$SANITIZER_TEXT" "$RECOND_LOG"; then
		fail "a sanitizer reported in $RECOND_LOG"
	fi
}

# recond_stop: SIGTERM; fails unless it ends with 0 within 20 s. Pods live on, as they should.
recond_stop() {
	kill -TERM "$RECOND_PID"
	recond_stop_deadline_=$(($(now_cs) + 2000))
	while recond_alive; do
		[ "$(now_cs)" -lt "$recond_stop_deadline_" ] || fail "the daemon ignores SIGTERM"
		sleep 0.02
	done
	recond_ended_
	[ "$recond_status_" = 0 ] || fail "the daemon ended with $recond_status_"
}

# recond_kill: SIGKILL, as a crash.
recond_kill() {
	kill -KILL "$RECOND_PID"
	recond_ended_
}

# rc WORD...: the command line against this daemon.
rc() {
	rc_word_=$1
	shift
	"$RECOND_BIN/recond" "$rc_word_" --socket "$SOCK" "$@"
}

# --- sources --------------------------------------------------------------------------------------

# busybox_context DIR: a build context whose image is a static busybox with its applets in /bin.
busybox_context() {
	need_cmd busybox
	mkdir -p "$1"
	cp "$(command -v busybox)" "$1/busybox"
	cat >"$1/Dockerfile" <<-EOF
		FROM scratch
		COPY busybox /bin/busybox
		RUN ["/bin/busybox", "--install", "-s", "/bin"]
		ENV PATH=/bin
	EOF
}

# --- the host -------------------------------------------------------------------------------------

# host_leftovers: what this test still has on the host: processes, mounts, links, pods' cgroups. A
# daemon keeps its bridge and the empty cgroups above its pods; the bridge is listed, those are not.
host_leftovers() {
	for pid_ in $(leftover_pids_); do
		echo "process $pid_ $(tr '\0' ' ' 2>/dev/null <"/proc/$pid_/cmdline")"
	done
	awk -v t="$T/" 'index($5, t) == 1 { print "mount", $5 }' /proc/self/mountinfo
	if command -v ip >/dev/null; then
		ip -o link show dev "$BRIDGE" 2>/dev/null | awk -F': ' '{ print "link", $2 }'
		ip -o link show master "$BRIDGE" 2>/dev/null | awk -F': ' '{ print "link", $2 }'
	fi
	leftover_cgroups_ | sed -n 's|^.*/pod|cgroup &|p'
}

# host_clean: succeeds when this test has nothing on the host any more, else prints what it has.
host_clean() {
	host_left_=$(host_leftovers)
	[ -z "$host_left_" ] || {
		printf '%s\n' "$host_left_"
		return 1
	}
}

# recond_cleanup [FLAG...]: what the instance of this test has on the host goes, as an operator does it.
recond_cleanup() {
	"$RECOND_BIN/recond" cleanup --state-dir "$STATE" "$@"
}

# host_snapshot: what this test could change on the host, one thing a line, for host_same.
host_snapshot() {
	ip -o link 2>/dev/null | sed -nE "s/^[0-9]+: ($BRIDGE)[:@].*/link \\1/p"
	ip -o link show master "$BRIDGE" 2>/dev/null | sed -nE 's/^[0-9]+: ([^:@]*).*/port \1/p' || :
	nft list tables 2>/dev/null | grep -F "recond-$BRIDGE" || :
	awk -v t="$T/" 'index($5, t) == 1 { print "mount", $5 }' /proc/self/mountinfo
	leftover_cgroups_ | sed 's/^/cgroup /'
	for pid_ in $(leftover_pids_); do
		echo "process $(tr '\0' ' ' 2>/dev/null <"/proc/$pid_/cmdline")"
	done
}

# host_same FILE: the host is as in that snapshot, else what differs is printed. The kernel takes links
# away some milliseconds after their namespace.
host_same() {
	host_same_end_=$(($(now_cs) + 500))
	# By descriptor: diff's own command line must not name the directory that processes are known by.
	while ! host_snapshot | diff /dev/fd/3 - 3<"$1" >"$T/host.diff"; do
		[ "$(now_cs)" -lt "$host_same_end_" ] || {
			cat "$T/host.diff"
			return 1
		}
		sleep 0.05
	done
}

# The daemon's cgroups stand below a name made from its run directory: 32-bit FNV-1a, in hex.
leftover_cgroups_() {
	fnv_=2166136261
	rest_=$STATE/run
	while [ -n "$rest_" ]; do
		char_=${rest_%"${rest_#?}"}
		fnv_=$((((fnv_ ^ $(printf '%d' "'$char_")) * 16777619) & 0xffffffff))
		rest_=${rest_#?}
	done
	name_=$(printf '%08x' "$fnv_")
	find /sys/fs/cgroup -depth -type d -path "*/recond/$name_*" 2>/dev/null
}

# Processes that carry this test's directory in their command line: monitors, workers, the daemon.
leftover_pids_() {
	# The pattern comes from a pipe, or grep would find itself.
	printf '%s/\n' "$T" | grep -alF -f - /proc/[0-9]*/cmdline 2>/dev/null | while IFS=/ read -r _ _ pid_ _; do
		[ "$pid_" = $$ ] || [ ! -d "/proc/$pid_" ] || echo "$pid_"
	done
}

# Containers of this test, killed and deleted through crun, wherever the daemon keeps crun's state.
containers_remove_() {
	find "$T" -maxdepth 5 -type d -name crun 2>/dev/null | while read -r root_; do
		for id_ in $(crun --root "$root_" list -q 2>/dev/null); do
			crun --root "$root_" delete --force "$id_" >/dev/null 2>&1 || :
		done
	done
}

cleanup_() {
	status_=$?
	trap - EXIT INT TERM
	set +e
	if [ "$status_" != 0 ] && [ "$status_" != 77 ] && [ -n "$RECOND_LOG" ]; then
		echo "--- end of $RECOND_LOG" >&2
		tail -n 60 "$RECOND_LOG" >&2
	fi
	if [ -n "$RECOND_PID" ]; then
		kill -KILL "$RECOND_PID" 2>/dev/null
		wait "$RECOND_PID" 2>/dev/null
	fi
	if [ "$(id -u)" = 0 ]; then
		containers_remove_
		for pid_ in $(leftover_pids_); do
			kill -KILL "$pid_" 2>/dev/null
		done
		# Innermost first: later mounts come later in mountinfo.
		awk -v t="$T/" 'index($5, t) == 1 { print $5 }' /proc/self/mountinfo | tac |
			while read -r mount_; do
				umount -l "$mount_" 2>/dev/null
			done
		links_remove_
		leftover_cgroups_ | xargs -r rmdir 2>/dev/null
	fi
	if [ -n "${KEEP:-}" ]; then
		echo "kept: $T" >&2
	else
		rm -rf --one-file-system "$T"
	fi
	exit "$status_"
}
trap cleanup_ EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
