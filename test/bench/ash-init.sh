#!/bin/busybox sh
# What a person would write in the place of this project: the same container, with busybox, ip, mount and blkid. It knows
# the keys that a host uses today, trusts them, and checks next to nothing. It becomes the entrypoint: who wants to know
# its exit code, or to have it stopped, has to write that too.

export PATH=/bin

mount -t proc -o nosuid,nodev,noexec proc /proc
mount -t sysfs -o nosuid,nodev,noexec sysfs /sys
mount -t devtmpfs -o nosuid,mode=0755,size=4m,nr_inodes=64k devtmpfs /dev

# --- configuration: the command line, then the seed ---------------------------------------------------------------------

root=vroot rootfstype=virtiofs init=/sbin/init host='' addresses='' routes='' dns='' mounts='' arguments='' rest=''
for token in $(cat /proc/cmdline); do
	key=${token%%=*} value=${token#*=}
	if [ -n "$rest" ]; then
		arguments="$arguments $token"
		continue
	fi
	case $key in
	--) rest=1 ;;
	root | rootfstype | init | host) eval "$key=\$value" ;;
	net_eth*) for one in $(echo "$value" | tr ';' ' '); do addresses="$addresses ${key#net_},$one"; done ;;
	net_r4 | net_r6) routes="$routes $(echo "$value" | tr ';' ' ')" ;;
	net_dns) dns=$(echo "$value" | tr ';' ' ') ;;
	vd?) mounts="$mounts /dev/$key,$value,auto" ;;
	qsfs_*) mounts="$mounts ${key#qsfs_},$value,virtiofs" ;;
	esac
done

# The name of the NIC with a MAC.
nic_of() {
	for nic in /sys/class/net/*; do
		[ "$(cat "$nic/address")" = "$1" ] && echo "${nic##*/}"
	done
}

environment='' keys=''
seed=$(blkid -o device -t LABEL=cidata || blkid -o device -t LABEL=CIDATA)
if [ -n "$seed" ]; then
	mkdir -p /seed
	mount -t "$(blkid -o value -s TYPE "$seed")" -o ro,nosuid,nodev,noexec "$seed" /seed
	host=$(sed -n 's/^local-hostname: //p' /seed/meta-data)
	# Of YAML as much as this host writes.
	eval "$(awk '
		/^  eth[0-9]*:/ { list = "" }
		/macaddress:/ { mac = $2 }
		/addresses:/ { list = servers ? "dns" : "addresses"; servers = 0; next }
		/nameservers:/ { servers = 1; next }
		/routes:/ { list = "routes"; next }
		/gateway[46]:/ { print "routes=\"$routes default," $2 "," mac "\"" }
		list == "addresses" && $1 == "-" { print "addresses=\"$addresses $(nic_of " mac ")," $2 "\"" }
		list == "dns" && $1 == "-" { print "dns=\"$dns " $2 "\"" }
		list == "routes" && $2 == "to:" { to = $3 }
		list == "routes" && $1 == "via:" { print "routes=\"$routes " to "," $2 "," mac "\"" }
	' /seed/network-config)"
	eval "$(awk '
		/^mounts:/ { part = "mounts"; next }
		/^users:/ { part = "users"; next }
		part == "mounts" && $1 == "-" && $2 == "-" { source = $3; field = 0; next }
		part == "mounts" && $1 == "-" {
			if (++field == 1) target = $2
			if (field == 2) print "mounts=\"$mounts " source "," target "," $2 "\""
		}
		part == "users" && /ssh_authorized_keys:/ { keys = 1; next }
		keys && $1 == "-" { sub(/^ *- /, ""); key = $0; next }
		keys { sub(/^ */, ""); key = key " " $0 }
		END { if (key != "") print "keys=\"" key "\"" }
	' /seed/user-data)"
	environment=$(sed -n 's/^export //p' /seed/zosrc)
	eval "$(grep '^init=' /seed/zosrc)"
	arguments=$(sed -n "s/^set -- //p" /seed/zosrc | tr -d "'")
	umount /seed
fi

# --- root ---------------------------------------------------------------------------------------------------------------

until mount -t "$rootfstype" "$root" /root; do sleep 1; done
mkdir -p /root/proc /root/sys /root/dev /root/run /root/etc /root/tmp
chmod 1777 /root/tmp
mkdir -p /dev/pts /dev/shm /dev/mqueue
mount -t devpts -o nosuid,noexec,mode=0620,gid=5,ptmxmode=0666 devpts /dev/pts
mount -t tmpfs -o nosuid,nodev,mode=1777 tmpfs /dev/shm
mount -t mqueue -o nosuid,nodev,noexec mqueue /dev/mqueue
mount -t tmpfs -o nosuid,nodev,mode=0755,size=20%,nr_inodes=800k tmpfs /root/run
mount -t cgroup2 -o nosuid,nodev,noexec,nsdelegate,memory_recursiveprot cgroup2 /sys/fs/cgroup
ln -s /proc/self/fd /dev/fd
ln -s /proc/self/fd/0 /dev/stdin
ln -s /proc/self/fd/1 /dev/stdout
ln -s /proc/self/fd/2 /dev/stderr
hostname "$host"

# --- network ------------------------------------------------------------------------------------------------------------

ip link set lo up
for nic in /sys/class/net/eth*; do
	nic=${nic##*/}
	echo 1 >"/proc/sys/net/ipv4/conf/$nic/arp_notify"
	echo 1 >"/proc/sys/net/ipv6/conf/$nic/ndisc_notify"
	echo 0 >"/proc/sys/net/ipv6/conf/$nic/accept_ra"
	# Usable at once, without duplicate address detection.
	echo 0 >"/proc/sys/net/ipv6/conf/$nic/accept_dad"
	echo 0 >"/proc/sys/net/ipv6/conf/$nic/dad_transmits"
	ip link set "$nic" up
done
for one in $addresses; do ip addr add "${one#*,}" dev "${one%%,*}"; done
for one in $routes; do
	to=${one%%,*} via=${one#*,}
	family=-4
	case $via in *:*) family=-6 ;; esac
	case $via in
	# A link-local gateway needs its NIC.
	fe80:*) ip $family route add "$to" via "${via%%,*}" dev "$(nic_of "${via#*,}")" ;;
	*) ip $family route add "$to" via "${via%%,*}" ;;
	esac
done

# --- mounts and files ---------------------------------------------------------------------------------------------------

for one in $mounts; do
	source=${one%%,*} target=${one#*,}
	type=${target#*,} target=${target%,*}
	[ "$type" = auto ] && type=$(blkid -o value -s TYPE "$source")
	mkdir -p "/root$target"
	mount -t "$type" "$source" "/root$target"
done
echo "$host" >/root/etc/hostname
printf '127.0.0.1\tlocalhost\n::1\tlocalhost\n127.0.1.1\t%s\n' "$host" >/root/etc/hosts
for one in $dns; do echo "nameserver $one"; done >/root/etc/resolv.conf
if [ -n "$keys" ]; then
	mkdir -p -m 700 /root/root/.ssh
	echo "$keys" >/root/root/.ssh/authorized_keys
	chmod 600 /root/root/.ssh/authorized_keys
fi

# --- a cgroup, and the entrypoint ---------------------------------------------------------------------------------------

controllers=''
for one in $(cat /sys/fs/cgroup/cgroup.controllers); do controllers="$controllers +$one"; done
echo "$controllers" >/sys/fs/cgroup/cgroup.subtree_control
mkdir /sys/fs/cgroup/container
available=$(awk '/^MemAvailable/ { print $2 }' /proc/meminfo)
echo $(((available - 8192) * 1024)) >/sys/fs/cgroup/container/memory.max
echo $$ >/sys/fs/cgroup/container/cgroup.procs
ulimit -Sn 1024

mount -o move /proc /root/proc
mount -o move /sys /root/sys
mount -o move /dev /root/dev
IFS='
'
for one in $environment; do eval "export $one"; done
unset IFS
export HOME=/root TERM=linux PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
# shellcheck disable=SC2086
exec /bin/switch_root -c /dev/console /root "$init" $arguments
