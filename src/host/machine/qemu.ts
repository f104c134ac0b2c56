/** QEMU's command line for a machine's options: data to data. */

import type { Disk, MachineOptions, Nic, Root } from './options.ts'

/**
 * The machine type. Measured with QEMU 7.2 under TCG to the guest's `Run /init`, medians of three on a busy computer:
 * Debian's cloud kernel 6.1 needs 1.48 s on `q35`, 1.42 s on `pc` trimmed as here, 0.99 s on `microvm` with PCIe; a
 * minimal 6.12 needs 0.62 s on either of the first two. `microvm` is out all the same: it can neither plug in a device
 * while running nor show PCI to a kernel without MMCONFIG. `pc` hot-plugs on its root bus without spare ports and has
 * the ACPI power button. Its keyboard controller stays, since the host's `reboot=k` resets the machine by it.
 */
const MACHINE_TYPE = 'pc,hpet=off,vmport=off,smbus=off,usb=off'

/** What a zos host always passes, but the root. */
const HOST_CMDLINE = 'rw console=ttyS0 reboot=k panic=1 rootdelay=30 boot.shell_on_fail'

/** QEMU's QMP monitor is the socket at this descriptor. */
export const QMP_FD = 3

/** What is written to this descriptor reaches the port that PID 1 reads the terminal's size from. */
export const WINDOW_FD = 4

/** The tag of the root file system, as zos hosts name it. */
const DEFAULT_ROOT_TAG = 'vroot'

/** A virtiofs device's place: its tag and the socket of its virtiofsd. */
export interface VirtiofsSocket {
  readonly tag: string
  readonly socket: string
}

/** The kernel command line: the host's own keys, the root's, then the caller's. */
export function kernelCmdline({ root, cmdline }: MachineOptions): string {
  const line = [HOST_CMDLINE, rootCmdline(root), cmdline ?? ''].filter((part) => part !== '').join(' ')
  const length = Buffer.byteLength(line)
  if (length >= COMMAND_LINE_SIZE) {
    throw new Error(
      `the kernel command line has ${length} bytes, and an x86 kernel takes ${COMMAND_LINE_SIZE - 1}: QEMU would start nothing. Put what is long on a seed.`,
    )
  }
  return line
}

/** arch/x86/include/asm/setup.h, its NUL included */
const COMMAND_LINE_SIZE = 2048

/**
 * All that QEMU can emulate but ERMS, by which Linux clears memory with `rep stosb`: TCG makes 4,096 turns of it for a page,
 * and without it 512. Sixty programs started in a row, in memory, take 0.16 s instead of 0.26 s.
 */
const EMULATED_CPU = 'max,-erms'

/** Who controls QEMU: this process by QMP, or a person by keys (Ctrl-A X ends it). */
export type Control = 'qmp' | 'keys'

/** QEMU's arguments. `sockets` has one entry for each virtiofs file system, the root first. */
export function qemuArgs(
  options: MachineOptions,
  accel: 'tcg' | 'kvm',
  sockets: readonly VirtiofsSocket[],
  control: Control = 'qmp',
): string[] {
  const memory = `${options.memoryMB ?? 256}M`
  return [
    ...['-name', 'zmachine', '-nodefaults', '-no-user-config', '-display', 'none'],
    ...(options.resets === true ? [] : ['-no-reboot']),
    ...['-machine', `${MACHINE_TYPE},memory-backend=memory`, '-m', memory, '-smp', String(options.cpus ?? 1)],
    // virtiofsd reads the guest's memory, so it must be shared.
    ...['-object', `memory-backend-memfd,id=memory,size=${memory},share=on`],
    ...(accel === 'kvm' ? ['-accel', 'kvm', '-cpu', 'host'] : ['-accel', 'tcg', '-cpu', EMULATED_CPU]),
    ...(control === 'qmp' ? QMP_CONTROL : KEY_CONTROL),
    ...['-serial', 'chardev:console'],
    ...(control === 'qmp' && options.window === true ? windowArgs() : []),
    ...(options.kernel === undefined ? [] : ['-kernel', options.kernel, '-append', kernelCmdline(options)]),
    ...(options.initramfs === undefined ? [] : ['-initrd', options.initramfs]),
    ...(options.firmware === undefined ? [] : firmwareArgs(options.firmware)),
    ...sockets.flatMap(virtiofsArgs),
    ...(options.root?.kind === '9p' ? ninePArgs(options.root) : []),
    ...(options.disks ?? []).flatMap(diskArgs),
    ...(options.nics ?? []).flatMap(nicArgs),
    ...(options.qemuArgs ?? []),
  ]
}

/** Started, but with its processors stopped until QMP's `cont`. */
const QMP_CONTROL = [
  ...['-S', '-chardev', `socket,id=qmp,fd=${QMP_FD}`, '-mon', 'chardev=qmp,mode=control'],
  ...['-chardev', 'stdio,id=console,signal=off'],
]

const KEY_CONTROL = ['-chardev', 'stdio,mux=on,id=console,signal=off', '-mon', 'chardev=console']

/** The MAC of the NIC at an index, where the options give none. */
export const defaultMac = (index: number): string =>
  `52:54:00:00:00:${(index + 1).toString(16).padStart(2, '0')}`

/** The tag of a root directory. */
export const rootTag = (root: { readonly tag?: string }): string => root.tag ?? DEFAULT_ROOT_TAG

/** A file name inside QEMU's option lists, where a comma separates and is doubled to stand for itself. */
export const escapeComma = (text: string): string => text.replaceAll(',', ',,')

function rootCmdline(root: Root | undefined): string {
  if (root === undefined || root.kind === 'none') return ''
  if (root.kind === 'virtiofs') return `root=${rootTag(root)} rootfstype=virtiofs`
  return `root=${rootTag(root)} rootfstype=9p rootflags=trans=virtio,version=9p2000.L`
}

/** A port of this name is what PID 1 looks for (supervise/window.ts). */
function windowArgs(): string[] {
  return [
    ...['-chardev', `socket,id=window,fd=${WINDOW_FD}`, '-device', 'virtio-serial-pci'],
    ...['-device', 'virtserialport,chardev=window,name=zmachine.window'],
  ]
}

/** The firmware in flash memory, as OVMF's README describes it: code that nobody writes to, and variables. */
function firmwareArgs({ code, variables }: NonNullable<MachineOptions['firmware']>): string[] {
  return [
    ...['-drive', `if=pflash,unit=0,format=raw,readonly=on,file=${escapeComma(code)}`],
    ...['-drive', `if=pflash,unit=1,format=raw,file=${escapeComma(variables)}`],
  ]
}

function virtiofsArgs({ tag, socket }: VirtiofsSocket, index: number): string[] {
  return [
    ...['-chardev', `socket,id=fs${index},path=${escapeComma(socket)}`],
    ...['-device', `vhost-user-fs-pci,chardev=fs${index},tag=${escapeComma(tag)}`],
  ]
}

function ninePArgs(root: Root & { kind: '9p' }): string[] {
  const path = escapeComma(root.directory)
  const readOnly = root.readOnly === true ? ',readonly=on' : ''
  return [
    ...['-fsdev', `local,id=nine,path=${path},security_model=none,multidevs=remap${readOnly}`],
    ...['-device', `virtio-9p-pci,fsdev=nine,mount_tag=${escapeComma(rootTag(root))}`],
  ]
}

function diskArgs({ file, readOnly, serial }: Disk, index: number): string[] {
  const access = readOnly === true ? 'on' : 'off'
  return [
    ...['-drive', `if=none,id=disk${index},format=raw,read-only=${access},file=${escapeComma(file)}`],
    ...['-device', `virtio-blk-pci,drive=disk${index}${serial === undefined ? '' : `,serial=${serial}`}`],
  ]
}

function nicArgs({ mac, backend, capture }: Nic, index: number): string[] {
  // romfile= : no network boot firmware, which would only cost time.
  const device = `virtio-net-pci,netdev=nic${index},mac=${mac ?? defaultMac(index)},romfile=`
  const dump = `filter-dump,id=dump${index},netdev=nic${index},file=${escapeComma(capture ?? '')}`
  return [
    ...['-netdev', netdev(backend, `nic${index}`), '-device', device],
    ...(capture === undefined ? [] : ['-object', dump]),
  ]
}

function netdev(backend: Nic['backend'], id: string): string {
  if (backend.kind === 'hub') return `hubport,id=${id},hubid=${backend.hub}`
  if (backend.kind === 'tap') {
    return `tap,id=${id},ifname=${escapeComma(backend.interface)},script=no,downscript=no`
  }
  const { forwards = [], outbound = false, ipv4 } = backend
  const network =
    ipv4 === undefined
      ? ''
      : `,net=${ipv4.network},host=${ipv4.gateway},dns=${ipv4.dns},dhcpstart=${ipv4.guest}`
  const forwarded = forwards.map(
    ({ protocol, hostAddress = '127.0.0.1', hostPort, guestPort }) =>
      `,hostfwd=${protocol}:${hostAddress}:${hostPort}-${ipv4?.guest ?? ''}:${guestPort}`,
  )
  return `user,id=${id},restrict=${outbound ? 'off' : 'on'}${network}${forwarded.join('')}`
}
