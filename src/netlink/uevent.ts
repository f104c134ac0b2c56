/** The kernel's messages on NETLINK_KOBJECT_UEVENT (lib/kobject_uevent.c): `add@/devices/…`, then KEY=value, each with a NUL. */

/** The kernel's group for `openMonitor`; udev uses others. */
export const UEVENT_GROUP = 1

export interface Uevent {
  /** `add`, `remove`, `change`, … */
  readonly action: string
  /** Below /sys. */
  readonly devpath: string
  /** `block`, `net`, `virtio`, … */
  readonly subsystem: string
  /** The name below /dev: `vda`; or empty. */
  readonly devname: string
  /** A network interface's name; or empty. */
  readonly interface: string
}

/** Parses a datagram, given as a byte string; undefined if it is not from the kernel (udev's begin with `libudev`). */
export function parseUevent(datagram: string): Uevent | undefined {
  const header = datagram.indexOf('\0')
  const at = datagram.indexOf('@')
  if (header < 0 || at < 1 || at > header) return undefined
  return {
    action: datagram.slice(0, at),
    devpath: datagram.slice(at + 1, header),
    subsystem: value(datagram, '\0SUBSYSTEM='),
    devname: value(datagram, '\0DEVNAME='),
    interface: value(datagram, '\0INTERFACE='),
  }
}

function value(datagram: string, key: string): string {
  const found = datagram.indexOf(key)
  if (found < 0) return ''
  const start = found + key.length
  const end = datagram.indexOf('\0', start)
  return datagram.slice(start, end < 0 ? datagram.length : end)
}
