# enter.sh FOLDER COMMAND-LINE INIT SEALED PROBE BUSYBOX [FILE...]: PID 1 of new namespaces becomes our init, as the kernel starts it.
#
# `/` is a file system in memory, as an initramfs is; the root is an overlay of two more folders in memory. Nothing of the
# machine's is in it but its kernel and its devices, read-only: what PID 1 unmounts and deletes is its own.
set -eu
[ $$ = 1 ] || exit 99
folder=$1 cmdline=$2 init=$3 sealed=$4 probe=$5 busybox=$6
shift 6
mount --make-rprivate /
mount -t tmpfs -o mode=0755 initramfs "$folder"
cd "$folder"
mkdir proc sys dev root old layers
mount -t proc proc proc
mount -t sysfs sysfs sys
# The terminal that this runs in is the console; there are no disks, and no cgroups.
mount -t tmpfs -o mode=0755 class sys/class
mkdir -p sys/class/tty/console
echo console > sys/class/tty/console/active
mount -t tmpfs -o ro nothing sys/fs
mount -t devtmpfs dev dev
mount --bind "$(tty)" dev/console
mount -o remount,bind,ro dev
printf '%s\n' "$cmdline" > cmdline
: > nothing
mount --bind cmdline proc/cmdline
mount --bind nothing proc/swaps
# On a device of their own, since PID 1 empties the initramfs.
mount -t tmpfs -o mode=0755 layers layers
mkdir -p layers/upper layers/work layers/lower/bin
cp "$probe" layers/lower/probe
cp "$@" layers/lower/
cp "$busybox" layers/lower/bin/busybox
for name in sh sleep; do ln -s busybox "layers/lower/bin/$name"; done
# What a test adds to the root.
[ -z "${MORE:-}" ] || cp -r "$MORE/." layers/lower/
cp "$init" init
cp "$sealed" sealed
cp "$busybox" busybox
# To be counted by callgrind (test/bench/instructions.ts): two NICs, and a place that is the same in both roots.
if [ "${COUNTER:-}" ]; then
	cp "$COUNTER" counter
	mkdir -p tmp layers/lower/tmp sys/class/counts sys/class/net whole
	mount -t sysfs sysfs whole
	mount --bind whole/class/net sys/class/net
	umount -l whole
	# The entrypoint: what the tool has written; callgrind writes for each part of the boot, from one child that PID 1 starts
	# to the next.
	printf '%s\n' '#!/bin/sh' 'cd /sys/class/counts' 'for part in part.*; do echo "[$part]"; cat "$part"; done' 'echo "[end]"' > layers/lower/tell
	chmod 755 layers/lower/tell
	mkdir -p layers/lower/sbin
	ln -s ../tell layers/lower/sbin/zinit
	n=0
	for mac in 54:43:83:2b:2f:8f fe:1a:39:0c:77:21; do
		ip link add "eth$n" address $mac type veth peer name "peer$n"
		ip link set "peer$n" up
		n=$((n + 1))
	done
	# A disk that is no device, and its content: the name is a path from /dev on.
	if [ "${SEED:-}" ]; then
		cp -r "$SEED" seed
		mkdir -p "sys/class/block/..!seed!disk"
	fi
fi
pivot_root . old
exec ./busybox chroot . ./busybox sh -euc '
	umount -l old
	rmdir old
	# PID 1 ends all processes that it sees, and deletes all files of its file system: here, nobody else`s.
	[ $$ = 1 ] && [ "$(./busybox stat -f -c %T /)" = tmpfs ] && [ -e /layers/lower/probe ] || exit 99
	echo pid1 begins
	[ "${COUNTER:-}" ] || exec /sealed /init
	export VALGRIND_LAUNCHER=/counter VALGRIND_LIB=/
	exec /sealed /counter $COUNTER_OPTIONS /init
'
