/** What /proc tells of mounts and swap, for the way down. Pure. */

import { words } from '../../lib/text.ts'

export interface Mount {
  readonly target: string
  readonly type: string
}

/** File systems with nothing on a disk or a host. */
const IN_MEMORY: readonly string[] = [
  'proc',
  'sysfs',
  'devtmpfs',
  'devpts',
  'tmpfs',
  'ramfs',
  'rootfs',
  'mqueue',
  'cgroup2',
  'cgroup',
  'bpf',
  'debugfs',
  'tracefs',
  'securityfs',
  'pstore',
  'configfs',
  'hugetlbfs',
  'fusectl',
  'binfmt_misc',
  'nsfs',
]

/** File systems that are served by a program of the host's. */
const SERVED: readonly string[] = ['virtiofs', '9p']

export const isServed = ({ type }: Mount): boolean => SERVED.includes(type)

/** What holds data of the mounts in /proc/self/mounts, the last one first. */
export function parseMounts(text: string): Mount[] {
  const found: Mount[] = []
  for (const line of text.split('\n').reverse()) {
    const [, escaped = '', type = ''] = line.split(' ')
    const target = unescapeMount(escaped)
    // The root's own layer in memory; overlays of the container's keep disks busy.
    const isLayer = target === '/' && type === 'overlay'
    if (target !== '' && !isLayer && !IN_MEMORY.includes(type)) found.push({ target, type })
  }
  return found
}

/** The files of /proc/swaps, whose lines begin with them after a heading (proc(5)). */
export function parseSwaps(text: string): string[] {
  const [, ...lines] = text.split('\n')
  return lines.flatMap((line) => {
    const [file = ''] = words(line)
    return file === '' ? [] : [unescapeMount(file)]
  })
}

/** Whether a path leads through one of these mount points: nobody gets there where their server has died. */
export const isBelow = (path: string, mountPoints: readonly string[]): boolean =>
  mountPoints.some((point) => path.startsWith(point === '/' ? point : `${point}/`) && path !== point)

/** /proc/self/mounts writes space, tab, new line and backslash as \040 and its like (mangle_path). */
export function unescapeMount(text: string): string {
  const [first = '', ...rest] = text.split('\\')
  return (
    first +
    rest.map((part) => String.fromCharCode(Number.parseInt(part.slice(0, 3), 8)) + part.slice(3)).join('')
  )
}
