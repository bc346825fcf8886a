# SPDX-License-Identifier: Apache-2.0
#
# A host of its own for a test, after harness.sh: a clean root of this distribution, in which a true
# systemd is PID 1 of a set of namespaces.
#
#	sd_root FILE DEB   make an archive of the root with mmdebstrap, once
#	sd_start FILE      unpack it to memory and boot
#	sd CMD...          run CMD in it, as root
#	sd_stop            end it, and all that runs in it
#
# Its control groups are those of this host, one level down;
# its devices are the harmless ones. Its network has nothing but loopback.

SD_GROUP=recond-sd-$SLOT
SD_CONTROLLERS='memory cpu cpuacct pids freezer blkio cpuset devices hugetlb'
SD_PARENT=
SD_PID=

# What the root holds: systemd, what the package depends on, and what tests look with.
SD_PACKAGES='systemd systemd-sysv dbus iproute2 procps kmod crun nftables busybox-static ca-certificates curl
	init-system-helpers'

# The packages that DEB depends on, without versions, so that it installs without a network.
sd_depends_() {
	dpkg-deb -f "$1" Depends Pre-Depends | sed -e 's/^[^:]*: //' | tr ',' '\n' |
		sed -e 's/([^)]*)//' -e 's/|.*//' -e 's/ //g'
}

# sd_root FILE DEB: make the archive FILE unless it is there for the same list of packages.
sd_root() {
	need_cmd mmdebstrap
	sd_list_=$(for name_ in $SD_PACKAGES $(sd_depends_ "$2"); do echo "$name_"; done | sort -u | paste -sd, -)
	sd_suite_=$(. /etc/os-release && echo "$VERSION_CODENAME")
	mkdir -p "$(dirname "$1")"
	exec 7>"$1.lock"
	flock 7
	if [ ! -s "$1" ] || [ "$(cat "$1.made" 2>/dev/null)" != "$sd_suite_ $sd_list_" ]; then
		rm -f "$1" "$1.made"
		sd_mmdebstrap_ "$1" || fail "mmdebstrap: $(tail -n 20 "$T/mmdebstrap.log")"
		echo "$sd_suite_ $sd_list_" >"$1.made"
	fi
	exec 7>&-
}

# In memory: unpacking packages is thousands of small files.
sd_mmdebstrap_() {
	note "making $1 ($sd_suite_), once"
	mkdir "$T/mmdebstrap"
	mount -t tmpfs tmpfs "$T/mmdebstrap"
	sd_made_=0
	# It hands descriptors to dash, which knows those below 10 only: leave these to it.
	TMPDIR=$T/mmdebstrap mmdebstrap --variant=minbase --include="$sd_list_" --format=tar \
		--aptopt='APT::Install-Recommends "false"' --dpkgopt=force-unsafe-io \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
		"$sd_suite_" "$1" >"$T/mmdebstrap.log" 2>&1 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- || sd_made_=$?
	umount "$T/mmdebstrap"
	return "$sd_made_"
}

# sd_start FILE: boot what sd_root made; succeeds when systemd says that it is up.
sd_start() {
	mkdir "$T/sd"
	sd_boot_script_ >"$T/sd.boot"
	sh -c '
		for procs in $1; do
			echo $$ >"$procs" || exit 1
		done
		shift
		exec setsid unshare --mount --pid --fork --cgroup --uts --ipc --net --kill-child=SIGKILL "$@"
	' sh "$(sd_join_groups_)" sh "$T/sd.boot" "$1" "$T/sd" </dev/null >"$T/sd.log" 2>&1 9>&- &
	SD_PARENT=$!
	wait_until 60 sd_is_up_
}

sd_is_up_() {
	kill -0 "$SD_PARENT" || fail "PID 1 ended: $(cat "$T/sd.log")"
	SD_PID=$(pgrep -P "$SD_PARENT" | head -n 1)
	[ -n "$SD_PID" ] || return 1
	sd systemctl is-system-running | grep -qE 'running|degraded'
}

# Make a control group in each hierarchy and print the files that move a process into them.
sd_join_groups_() {
	if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
		mkdir -p "/sys/fs/cgroup/$SD_GROUP"
		echo '+cpu +memory +pids' >/sys/fs/cgroup/cgroup.subtree_control
		echo "/sys/fs/cgroup/$SD_GROUP/cgroup.procs"
		return
	fi
	for sd_name_ in systemd unified $SD_CONTROLLERS; do
		sd_dir_=/sys/fs/cgroup/$sd_name_
		mountpoint -q "$sd_dir_" || continue
		mkdir -p "$sd_dir_/$SD_GROUP"
		if [ "$sd_name_" = cpuset ]; then
			cat "$sd_dir_/cpuset.cpus" >"$sd_dir_/$SD_GROUP/cpuset.cpus"
			cat "$sd_dir_/cpuset.mems" >"$sd_dir_/$SD_GROUP/cpuset.mems"
		fi
		echo "$sd_dir_/$SD_GROUP/cgroup.procs"
	done
}

# What runs as PID 1 until it becomes systemd: $1 the archive, $2 a directory to unpack it in.
sd_boot_script_() {
	cat <<-'EOF'
	set -e
	mount --make-rprivate /
	mount -t tmpfs -o mode=755 tmpfs "$2"
	tar -C "$2" --numeric-owner -xpf "$1"
	v2=
	[ ! -e /sys/fs/cgroup/cgroup.controllers ] || v2=yes
	cd "$2"
	hostname sdtest
	mount -t proc proc proc
	mount -t sysfs -o ro sysfs sys
	if [ -n "$v2" ]; then
		mount -t cgroup2 cgroup2 sys/fs/cgroup
	else
		mount -t tmpfs -o mode=755 tmpfs sys/fs/cgroup
		mkdir sys/fs/cgroup/systemd sys/fs/cgroup/unified
		mount -t cgroup -o none,name=systemd cgroup sys/fs/cgroup/systemd
		for name in memory cpu cpuacct pids freezer blkio cpuset devices hugetlb; do
			mkdir "sys/fs/cgroup/$name"
			mount -t cgroup -o "$name" cgroup "sys/fs/cgroup/$name" || rmdir "sys/fs/cgroup/$name"
		done
		mount -t cgroup2 cgroup2 sys/fs/cgroup/unified
	fi
	for dir in run tmp dev; do
		mount -t tmpfs -o mode=755 tmpfs "$dir"
	done
	chmod 1777 tmp
	mkdir dev/pts dev/shm
	mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
	ln -s pts/ptmx dev/ptmx
	mount -t tmpfs tmpfs dev/shm
	for node in null zero full random urandom tty; do
		touch "dev/$node"
		mount --bind "/dev/$node" "dev/$node"
	done
	ln -s /proc/self/fd dev/fd
	ln -s /proc/self/fd/0 dev/stdin
	ln -s /proc/self/fd/1 dev/stdout
	ln -s /proc/self/fd/2 dev/stderr
	touch dev/console
	: >etc/machine-id
	ln -sf /dev/null etc/systemd/system/console-getty.service
	mkdir -p .old
	pivot_root . .old
	umount -l /.old
	ip link set lo up
	exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin container=lxc TERM=dumb \
		/lib/systemd/systemd --log-target=journal multi-user.target
	EOF
}

sd() {
	nsenter -t "$SD_PID" -m -p -C -u -i -n -- "$@"
}

sd_stop() {
	if [ -n "$SD_PARENT" ]; then
		kill -KILL "$SD_PARENT" 2>/dev/null || :
		wait "$SD_PARENT" 2>/dev/null || :
		while [ -n "$SD_PID" ] && [ -d "/proc/$SD_PID" ]; do
			sleep 0.05
		done
	fi
	SD_PARENT=
	SD_PID=
	find /sys/fs/cgroup -depth -type d -path "*/$SD_GROUP*" -exec rmdir {} + 2>/dev/null || :
}

sd_cleanup_() {
	sd_status_=$?
	trap - EXIT
	set +e
	if [ "$sd_status_" != 0 ] && [ -n "$SD_PID" ]; then
		sd journalctl --no-pager -n 40 -u 'recond*' >&2
	fi
	sd_stop
	(exit "$sd_status_")
	cleanup_
}
trap sd_cleanup_ EXIT
