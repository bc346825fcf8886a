#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# timeout: 300
#
# The Debian package under a true systemd, on a clean root of this distribution: it installs and
# starts, pods live through restart, stop, a daemon that hangs, an upgrade and a removal, and end
# with recond-pods.service.
. "$SOURCE_DIR/tests/lib/sh/harness.sh"
need_root
need_cmd cpack dpkg-deb dpkg-shlibdeps ip mmdebstrap pgrep systemd-analyze
. "$SOURCE_DIR/tests/lib/sh/systemd.sh"

RELEASE=$SOURCE_DIR/build/release
grep -qx 'CMAKE_INSTALL_PREFIX:PATH=/usr' "$RELEASE/CMakeCache.txt" 2>/dev/null ||
	skip "needs build/release, configured with -DCMAKE_INSTALL_PREFIX=/usr, as contrib/run-tests does it"

cpack --config "$RELEASE/CPackConfig.cmake" -G DEB -B "$T" >"$T/cpack.log" 2>&1 ||
	fail "cpack: $(tail -n 5 "$T/cpack.log")"
DEB=$(echo "$T"/recond_*.deb)
ROOT=$SOURCE_DIR/build/systemd-root.tar
sd_root "$ROOT" "$DEB"
sd_start "$ROOT"
ok "systemd is PID 1: $(sd systemctl --version | head -n 1)"

# --- the package installs and starts --------------------------------------------------------------

install_deb() {
	sd sh -c 'cat >/tmp/recond.deb && dpkg -i /tmp/recond.deb' <"$DEB" >"$T/dpkg.log" 2>&1 ||
		fail "dpkg -i: $(cat "$T/dpkg.log")"
}

show() {
	sd systemctl show "${2:-recond.service}" -p "$1" --value
}

install_deb
[ "$(sd systemctl is-active recond.service recond-pods.service recond.socket | sort -u)" = active ] ||
	fail "not active: $(sd systemctl status 'recond*')"
[ "$(sd systemctl is-enabled recond.service recond.socket | sort -u)" = enabled ] || fail "not enabled"
[ "$(show NRestarts)" = 0 ] || fail "it was restarted"
[ "$(show StatusText)" = "0 apps; 0 pods" ] || fail "status: $(show StatusText)"
sd recond get pods >/dev/null 2>&1 || fail "the API does not answer"
ok "the package installs, is enabled, and the daemon says that it is ready"

[ "$(sd stat -c '%U:%G %a' /run/recond/recond.sock)" = "root:recond 660" ] || fail "the socket's permissions"
ok "the socket belongs to the group that sysusers made"

units='recond.service recond-pods.service recond.socket recond.slice'
# shellcheck disable=SC2086 # a list of names
sd systemd-analyze verify --man=no $units >"$T/verify" 2>&1 || fail "systemd-analyze verify: $(cat "$T/verify")"
[ ! -s "$T/verify" ] || fail "systemd-analyze verify: $(cat "$T/verify")"
sd systemd-analyze security --threshold=90 recond.service >"$T/security" || fail "$(tail -n 1 "$T/security")"
ok "systemd-analyze finds nothing wrong with the units"

# --- an app ---------------------------------------------------------------------------------------

sd sh -e <<-'EOT'
	mkdir /tmp/web
	cp /bin/busybox /tmp/web
	cat >/tmp/web/Dockerfile <<-'EOF'
		FROM scratch
		COPY busybox /bin/busybox
		RUN ["/bin/busybox", "--install", "-s", "/bin"]
		ENV PATH=/bin
	EOF
	cat >/tmp/web/web.yaml <<-'EOF'
		apiVersion: apps/v1
		kind: Deployment
		metadata:
		  name: web
		spec:
		  replicas: 2
		  selector:
		    matchLabels:
		      app: web
		  template:
		    metadata:
		      labels:
		        app: web
		    spec:
		      containers:
		      - name: web
		        image: web
		        command: [sh, -c, "trap 'exit 0' TERM; while :; do sleep 0.2; done"]
	EOF
	mv /tmp/web /etc/recond/apps/web
EOT
sd recond status --wait --timeout 60s >"$T/status" || fail "the app does not come up: $(cat "$T/status")"
wait_until 10 sh -c "nsenter -t $SD_PID -m -p -C systemctl show recond.service -p StatusText --value |
	grep -qx '1 app: 1 verified; 2 pods: 2 ready'"
ok "an app in the default folder is deployed, and the status line counts it"

# What runs: pid and start time of each container's first process.
containers() {
	sd sh -c 'cat /run/recond/events/*.start' | sed -nE 's/.*"pid":([0-9]+),"start_time":([0-9]+).*/\1 \2/p' |
		while read -r pid start; do
			[ "$(sd cut -d ' ' -f 22 "/proc/$pid/stat" 2>/dev/null)" != "$start" ] || echo "$pid $start"
		done
}

RUNNING=$(containers)
[ "$(echo "$RUNNING" | wc -l)" = 2 ] || fail "containers: $RUNNING"

same_containers() {
	[ "$(containers)" = "$RUNNING" ] || fail "$1: there were $RUNNING, there are $(containers)"
}

for pid in $(echo "$RUNNING" | cut -d ' ' -f 1) $(sd pgrep recond-monitor); do
	sd grep -q '^0::/recond.slice/recond-pods.service/' "/proc/$pid/cgroup" ||
		fail "in another unit: $(sd cat "/proc/$pid/cgroup")"
done
ok "containers and monitors are in recond-pods.service"

fields=$(sd journalctl -u recond.service -o json --no-pager RECOND_APP=web | grep '"MESSAGE":"verified ')
for field in RECOND_REVISION '"PRIORITY":"6"' CODE_FUNC CODE_FILE CODE_LINE '"SYSLOG_IDENTIFIER":"recond"'; do
	echo "$fields" | grep -qF "$field" || fail "no $field in the journal: $fields"
done
ok "the journal has the fields of an entry"

# --- the daemon comes and goes --------------------------------------------------------------------

sd systemctl restart recond.service
same_containers restart
[ "$(show StatusText)" = "1 app: 1 verified; 2 pods: 2 ready" ] || fail "status: $(show StatusText)"
ok "restart: every container goes on"

sd systemctl stop recond.service 2>/dev/null
[ "$(sd systemctl is-active recond.service)" = inactive ] || fail "not stopped"
same_containers stop
sd recond get pods -o name | grep -q web || fail "the socket does not bring the daemon back"
[ "$(sd systemctl is-active recond.service)" = active ] || fail "not started by its socket"
same_containers "start by the socket"
ok "stop: every container goes on, and a client brings the daemon back"

pid=$(show MainPID)
sd systemctl reload recond.service || fail "reload: $(sd journalctl -u recond.service -n 5 --no-pager)"
sd sh -c 'echo "scoket = /x" >>/etc/recond/recond.conf'
sd systemctl reload recond.service 2>/dev/null && fail "a wrong configuration is reloaded"
sd journalctl -u recond.service --no-pager -o cat | grep -q "unknown key 'scoket'" || fail "nothing is said"
sd sed -i '/^scoket/d' /etc/recond/recond.conf
[ "$(show MainPID)" = "$pid" ] || fail "reload is a restart"
same_containers reload
ok "reload: the same daemon goes on, and refuses a wrong configuration"

sd kill -KILL "$pid"
wait_until 20 sh -c "[ \"\$(nsenter -t $SD_PID -m -p -C systemctl show recond.service -p NRestarts --value)\" = 1 ]"
wait_until 20 sd systemctl --quiet is-active recond.service
same_containers "kill -9"
ok "kill -9: systemd starts it again, every container goes on"

sd sh -e <<-'EOT'
	mkdir -p /etc/systemd/system/recond.service.d
	printf '[Service]\nWatchdogSec=2\nTimeoutAbortSec=1\n' >/etc/systemd/system/recond.service.d/watchdog.conf
	systemctl daemon-reload
	systemctl restart recond.service
EOT
restarts=$(show NRestarts)
pid=$(show MainPID)
holds_for 5 sh -c "[ \"\$(nsenter -t $SD_PID -m -p -C systemctl show recond.service -p MainPID --value)\" = $pid ]"
ok "a daemon that is well feeds its watchdog"
sd kill -STOP "$pid"
wait_until 30 sh -c "[ \"\$(nsenter -t $SD_PID -m -p -C systemctl show recond.service -p NRestarts --value)\" -gt $restarts ]"
wait_until 20 sd systemctl --quiet is-active recond.service
sd journalctl -u recond.service --no-pager -o cat | grep -q 'Watchdog timeout' || fail "it was not the watchdog"
same_containers watchdog
ok "a daemon that hangs is restarted by the watchdog, every container goes on"

# --- the package goes -----------------------------------------------------------------------------

install_deb
sd systemctl --quiet is-active recond.service || fail "not started after an upgrade"
same_containers upgrade
ok "upgrade: every container goes on"

sd dpkg --remove recond >"$T/dpkg.log" 2>&1 || fail "dpkg --remove: $(cat "$T/dpkg.log")"
same_containers remove
sd test -e /var/lib/recond/recond.db || fail "state is gone"
sd dpkg --purge recond >"$T/dpkg.log" 2>&1 || fail "dpkg --purge: $(cat "$T/dpkg.log")"
same_containers purge
grep -q 'systemctl stop recond-pods.service' "$T/dpkg.log" || fail "nothing is said about containers"
ok "removal leaves containers and state, and so does a purge while containers run"

sd systemctl stop recond-pods.service
[ -z "$(containers)" ] || fail "still running: $(containers)"
sd pgrep recond-monitor && fail "a monitor still runs"
ok "stopping recond-pods.service ends every container and monitor"

install_deb
sd recond status --wait --timeout 60s >"$T/status" || fail "the app does not come up again: $(cat "$T/status")"
RUNNING=$(containers)
sd dpkg --remove recond >"$T/dpkg.log" 2>&1 || fail "dpkg --remove: $(cat "$T/dpkg.log")"
sd systemctl stop recond-pods.service
sd dpkg --purge recond >"$T/dpkg.log" 2>&1 || fail "dpkg --purge: $(cat "$T/dpkg.log")"
for path in /var/lib/recond /run/recond /etc/recond/recond.conf /etc/systemd/system/multi-user.target.wants/recond.service; do
	sd test ! -e "$path" || fail "a purge leaves $path"
done
sd ip link show recond0 >/dev/null 2>&1 && fail "a purge leaves the bridge"
sd grep -q recond /proc/self/mountinfo && fail "a purge leaves mounts"
ok "a purge without containers leaves nothing but the folder of apps"

sd_stop
[ -z "$(find /sys/fs/cgroup -type d -name "$SD_GROUP*")" ] || fail "control groups are left"
ok "the host of the test is gone"
