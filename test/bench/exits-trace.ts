/**
 * Reads what QEMU writes of a boot with `-d trace:memory_region_ops_*,in_asm`: each access to an emulated device, in the
 * order in which they were made, and between them the first translation of a program's entry. Pure.
 */

/** In their order. */
export const STAGES = ['firmware', 'kernel', 'PID 1', 'container', 'way down'] as const
export type Stage = (typeof STAGES)[number]

/** Accesses by device, for each stage. */
export type Exits = Readonly<Record<Stage, ReadonlyMap<string, number>>>

/** Where programs begin, which tells a stage from the one before: addresses of instructions. */
export interface Marks {
  /** PID 1's entry. */
  readonly init: number
  /** The container's first instruction. */
  readonly container: number
  /** Its last function. */
  readonly end: number
}

export interface TraceReader {
  readonly line: (text: string) => void
  /** Throws where a stage was not reached. */
  readonly end: () => Exits
}

const ACCESS = /memory_region_ops_(?:read|write) .* name '([^']*)'$/
/** `0x00409fc6:  31 ed   xorl %ebp, %ebp`, the first instruction of a block. */
const TRANSLATED = /^0x0*([0-9a-f]+): /

export function traceReader(marks: Marks): TraceReader {
  const stages = STAGES.map(() => new Map<string, number>())
  const begins = new Map<string, Stage>([
    [marks.init.toString(16), 'PID 1'],
    [marks.container.toString(16), 'container'],
    [marks.end.toString(16), 'way down'],
  ])
  let stage: Stage = 'firmware'
  const reached = new Set<Stage>(['firmware', 'kernel'])
  /** Since the last access to the firmware's configuration: the kernel's, if no other follows. */
  let pending = new Map<string, number>()
  const of = (name: Stage): Map<string, number> => stages[STAGES.indexOf(name)] ?? new Map()

  const access = (device: string): void => {
    add(stage === 'firmware' ? pending : of(stage), device)
    if (stage !== 'firmware' || !device.startsWith('fwcfg')) return
    // Nothing but firmware reads it: what came before was the firmware's as well.
    for (const [name, times] of pending) add(of('firmware'), name, times)
    pending = new Map()
  }
  const translated = (address: string): void => {
    const next = begins.get(address)
    // Code that is thrown away is translated again.
    if (next === undefined || STAGES.indexOf(next) <= STAGES.indexOf(stage)) return
    if (stage === 'firmware') for (const [name, times] of pending) add(of('kernel'), name, times)
    stage = next
    reached.add(next)
  }
  return {
    line(text) {
      const [, device] = ACCESS.exec(text) ?? []
      const [, address] = TRANSLATED.exec(text) ?? []
      if (device !== undefined) access(device)
      else if (address !== undefined) translated(address)
    },
    end() {
      const missed = STAGES.filter((each) => !reached.has(each))
      if (missed.length > 0) throw new Error(`the boot did not reach: ${missed.join(', ')}`)
      return {
        firmware: of('firmware'),
        kernel: of('kernel'),
        'PID 1': of('PID 1'),
        container: of('container'),
        'way down': of('way down'),
      }
    },
  }
}

function add(counts: Map<string, number>, name: string, times = 1): void {
  counts.set(name, (counts.get(name) ?? 0) + times)
}
