/** `zmachine run --help`. */

export const RUN_HELP = `zmachine run: boots a root directory as a zos host does

  zmachine run [options] ROOT [-- ENTRYPOINT [ARG...]]

ROOT is a directory, or a .tar, .tar.gz, .tar.xz or .tar.zst of one, which is unpacked into a cache. Its content decides:
  /image.raw       a VM: UEFI firmware boots the image from the first --disk
  /boot/vmlinuz    a container with the image's own kernel, /boot/initrd.img and init (zmachine adopt puts ours there)
  neither          a container with this package's kernel and PID 1
The terminal is the container's console. The exit code is the entrypoint's.
What the container writes stays in ROOT; --read-only prevents that. The cache has a limit, and what has not been used
for long is deleted (zmachine cache --help): keep data on a --volume or a --disk.

Entrypoint
  ENTRYPOINT ARG...         default: what /.startup.toml, /.zosrc or /sbin/init of ROOT says
      --entrypoint PROGRAM  the program; what follows -- are then only its arguments
  -e, --env NAME=VALUE      sets a variable; NAME alone takes the value from your environment. Repeatable
      --env-file FILE       reads variables from a file of such lines; lines that start with # are comments
  -u, --user USER[:GROUP]   names from the root's /etc/passwd and /etc/group, or numbers
  -w, --workdir DIR         working directory
  -i, --interactive         passes on a stdin that is not a terminal; a terminal is always passed on (-t is accepted)
      --hostname NAME       default: the name of ROOT
      --ssh-key KEY|FILE    adds a public key, or a file of them, to root's authorized_keys. Repeatable

Resources
  -m, --memory SIZE         default 256M (512M with --pid1 node); K, M, G are powers of 1024, a plain number is MB
      --cpus N              default 1
  -v, --volume DIR:TARGET[:ro]              shares a directory of this computer (virtiofs)
      --disk FILE[:TARGET[:TYPE[:OPTIONS]]] attaches a raw disk image, and mounts it on TARGET if there is one
      --disk new:SIZE:TARGET[:TYPE]         makes a disk (default ext4) that is deleted with the machine
      --read-only           the root is read-only, enforced on this side
      --fresh               unpacks an archive again; what earlier runs wrote is deleted

Network
      --network user        outgoing connections through this computer, incoming ones by -p (default)
      --network isolated    the same without outgoing connections
      --network none        no NIC
      --network tap=IFACE   an existing tap interface; DHCP unless --ip is given
  -p, --publish [ADDRESS:][PORT:]CONTAINER_PORT[/udp]
                            publishes a port on this computer: on 127.0.0.1 without ADDRESS, on a free port without PORT
      --ip CIDR             an address, IPv4 or IPv6. Repeatable
      --gateway ADDRESS     default route, one for IPv4 and one for IPv6
      --dns ADDRESS         name server. Repeatable

Boot
      --kernel FILE         another kernel for a container: a bzImage, or an ELF with a PVH entry
      --initramfs FILE      another initramfs
      --pid1 lean|node      build of PID 1: lean (default), or node for a debugger (--cmdline zmachine.inspect=PORT)
      --cmdline TEXT        appended to the kernel command line, for example zmachine.grace=3
      --protocol seed       passes the configuration on a seed disk, as zos hosts do (default)
      --protocol cmdline    passes it on the kernel command line, as the older generation did
      --accel auto          kvm if the processor's module is loaded, else tcg (default; or kvm, tcg)
      --timeout SECONDS     then presses the power button; the exit code is 124

Inspection
      --print               prints a shell script that runs the same machine, and runs nothing
      --verbose             shows the kernel's and PID 1's messages
      --log FILE            writes the whole console to FILE
  -h, --help                this text

Ending it
  Ctrl-C is the container's in a terminal. Ctrl-] three times within a second ends the machine at once.
  SIGTERM, SIGINT and SIGHUP press the power button, as --timeout does: the container gets SIGTERM, and SIGKILL after
  10 s (--cmdline zmachine.grace=SECONDS). 10 s after that, or at a second signal, the machine is ended at once.

Exit code
  the entrypoint's, or 128+N for signal N
  2 wrong usage, 124 --timeout, 125 the machine did not start or ended without an exit code

Examples
  zmachine run ./rootfs -- /bin/sh
  zmachine run -p 8080:80 -v ./site:/usr/share/nginx/html:ro nginx.tar.zst -- nginx -g 'daemon off;'
  zmachine run --disk data.ext4:/var/lib/postgresql -m 512M ./postgres
  zmachine run --disk vm.raw -m 1G ./ubuntu-image
`
