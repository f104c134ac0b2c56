# sandbox.sh FOLDER COPY COMMAND...: runs a command in COPY, where nothing that it writes, kills or unmounts is this
# computer's: a mutant of PID 1 may delete files and end processes that it should not. To be run by unshare(1) in new
# namespaces (mutants.ts); everything is gone with the command.
set -eu
folder=$1 copy=$2
shift 2
mount --make-rprivate /
mount -t tmpfs -o mode=0755 sandbox "$folder"
mkdir "$folder/root"
over() { # over LOWER PLACE NAME: what is written to PLACE stays in memory
	mkdir "$folder/$3" "$folder/$3.work"
	mount -t overlay -o "lowerdir=$1,upperdir=$folder/$3,workdir=$folder/$3.work" overlay "$2"
}
over / "$folder/root" upper
cd "$folder/root"
mount -t proc proc proc
mount --rbind /sys sys
mount --rbind /dev dev
mount -o remount,bind,ro dev
mount -t tmpfs -o mode=0755 run run
# The project itself may lie here.
over /tmp tmp tmp
# Other file systems of this computer, where the cache may be, can be read.
while read -r _ place _; do
	case $place in
	/ | /proc | /proc/* | /sys | /sys/* | /dev | /dev/* | /tmp | /tmp/* | /run | /run/* | "$folder" | "$folder"/*) ;;
	*) mount --bind "$place" ".$place" && mount -o remount,bind,ro ".$place" ;;
	esac
done < /proc/mounts
mkdir -p ".$copy"
over "$copy" ".$copy" copy
mkdir -p .before
pivot_root . .before
umount -l .before
ip link set lo up
cd "$copy"
exec "$@"
