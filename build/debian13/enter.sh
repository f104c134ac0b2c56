# enter.sh ROOT CACHE NPM ARCHIVES COMMAND [ARGUMENT...]: runs a command with ROOT as its /, in new mount and PID namespaces.
#
# By pivot_root and not by chroot, since in a chroot nobody may make the user and mount namespaces that the Rust virtiofsd
# locks itself into. The three folders of the machine's cache appear where the root's programs look for them.
set -eu
[ $$ = 1 ] || exit 99
root=$1 cache=$2 npm=$3 archives=$4
shift 4
mount --make-rprivate /
mount --bind "$root" "$root"
cd "$root"
mount -t proc proc proc
mount --rbind /sys sys
mount --rbind /dev dev
mount -t tmpfs -o mode=0755 run run
mkdir -p root/.cache/zmachine-init root/.npm var/cache/apt/archives old
mount --bind "$cache" root/.cache/zmachine-init
mount --bind "$npm" root/.npm
mount --bind "$archives" var/cache/apt/archives
pivot_root . old
exec chroot . sh -euc 'umount -l /old; rmdir /old; cd /src; exec "$@"' sh "$@"
