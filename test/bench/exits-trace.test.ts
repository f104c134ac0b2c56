import { describe, expect, it } from 'vitest'
import { type Exits, STAGES, traceReader } from './exits-trace.ts'

const MARKS = { init: 0x409fc6, container: 0x20000123, end: 0x21000000 }

const access = (device: string, kind = 'read'): string =>
  `memory_region_ops_${kind} cpu 0 mr 0x55d0c0ffee00 addr 0x3f8 value 0x41 size 1 name '${device}'`

/** As QEMU's disassembler writes a block. */
const translated = (address: number): string[] => [
  '----------------',
  'IN: ',
  `0x${address.toString(16).padStart(8, '0')}:  31 ed                    xorl     %ebp, %ebp`,
  '',
]

function read(lines: readonly string[]): Record<string, Record<string, number>> {
  const reader = traceReader(MARKS)
  for (const line of lines) reader.line(line)
  const exits: Exits = reader.end()
  return Object.fromEntries(STAGES.map((stage) => [stage, Object.fromEntries(exits[stage])]))
}

const ENDS = [MARKS.init, MARKS.container, MARKS.end].flatMap(translated)

describe('the trace of a boot', () => {
  it('is told apart by its stages', () => {
    const lines = [
      access('pci-conf-idx', 'write'),
      access('fwcfg.dma'),
      access('pcspk'),
      access('serial', 'write'),
      ...translated(MARKS.init),
      access('serial'),
      access('serial', 'write'),
      ...translated(MARKS.container),
      access('virtio-pci-isr-virtio-net'),
      ...translated(MARKS.end),
      access('acpi-cnt', 'write'),
    ]
    expect(read(lines)).toEqual({
      firmware: { 'pci-conf-idx': 1, 'fwcfg.dma': 1 },
      kernel: { pcspk: 1, serial: 1 },
      'PID 1': { serial: 2 },
      container: { 'virtio-pci-isr-virtio-net': 1 },
      'way down': { 'acpi-cnt': 1 },
    })
  })

  it('is the firmware’s up to its last look at its configuration', () => {
    const { firmware, kernel } = read([
      ...['rtc', 'fwcfg', 'rtc', 'fwcfg.dma', 'rtc', 'rtc'].map((device) => access(device)),
      ...ENDS,
    ])
    expect([firmware, kernel]).toEqual([{ rtc: 2, fwcfg: 1, 'fwcfg.dma': 1 }, { rtc: 2 }])
  })

  it('does not go back where a program’s entry is translated again', () => {
    const lines = [...translated(MARKS.init), ...translated(MARKS.container), ...translated(MARKS.init)]
    const stages = read([...lines, access('serial'), ...translated(MARKS.end)])
    expect(stages['container']).toEqual({ serial: 1 })
  })

  it('is whole only where each stage was reached', () => {
    const reader = traceReader(MARKS)
    for (const line of translated(MARKS.container)) reader.line(line)
    expect(() => reader.end()).toThrow('the boot did not reach: PID 1, way down')
  })
})
