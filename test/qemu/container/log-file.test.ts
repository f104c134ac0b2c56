/** `zmachine.log_file`: the container's output, kept in the root as well as on the console. */

import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { needProgram } from '../../../src/host/lib/programs.ts'
import { type Boot, bootContainer, booted } from '../lib/boot.ts'
import { makeExt4, probeProgram, readExt4, type Tree } from '../lib/files.ts'

interface Entry {
  readonly log: string
  readonly stream: string
  readonly time: string
}

const LOG = '.zmachine/log/container.log'

/** As readers of Docker's json-file logs do. */
const entriesOf = (text = ''): Entry[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Entry)

const textOf = (boot: Boot, stream?: string): string =>
  entriesOf(boot.file(LOG))
    .filter((entry) => stream === undefined || entry.stream === stream)
    .map(({ log }) => log)
    .join('')

describe('a log file', () => {
  let first = ''
  const boot = booted(async (folder) => {
    const options = {
      cmdline: 'zmachine.log_file host=kept',
      probe: 'report , say one two , exit 3'.split(' '),
    }
    first = (await bootContainer(folder, options)).file(LOG) ?? ''
    return options
  })

  test('has each line of the output, which is on the console too', () => {
    expect(boot().container?.code).toBe(3)
    expect(textOf(boot(), 'stdout')).toContain('probe: one two\r\n')
    expect(boot().console).toContain('probe: one two')
  })

  test('has PID 1’s lines, those from before there was a file and the last one', () => {
    const lines = textOf(boot(), 'stderr')
    expect(lines).toMatch(/^zmachine: starting \/probe after \d+ ms$/m)
    expect(lines).toMatch(/^zmachine: exited code=3 signal=none reason=exit uptime=[\d.]+$/m)
    expect(boot().console).toMatch(/^zmachine: exited code=3 /m)
  })

  test('has times that Docker’s readers take, in order', () => {
    const times = entriesOf(boot().file(LOG)).map(({ time }) => time)
    for (const time of times) expect(time).toMatch(/^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/)
    expect(times).toEqual([...times].sort())
    expect(Math.abs(Date.parse(times.at(-1) ?? '') - Date.now())).toBeLessThan(3_600_000)
  })

  test('goes on in the next boot', () => {
    expect(first).not.toBe('')
    expect(boot().file(LOG)?.startsWith(first)).toBe(true)
    expect(boot().file(LOG)?.length).toBeGreaterThan(first.length)
  })

  test('leaves the end of the output in the exit record', () => {
    const { output } = JSON.parse(boot().file('.zmachine/exit.json') ?? '{}') as { output: string }
    expect(output.endsWith('probe: one two\r\n')).toBe(true)
    expect(output.length).toBeLessThanOrEqual(2048)
  })

  test('leaves the container a terminal, which it controls', () => {
    const { terminals, descriptors, sid } = boot().report()
    for (const fd of [0, 1, 2]) expect(descriptors.get(fd)).toMatch(/^\/dev\/pts\/\d+$/)
    expect(terminals).toEqual([0, 1, 2].map(() => ({ terminal: true, session: sid })))
  })
})

/** Prints so many numbered lines of 100 bytes, and their end on the standard error. */
const FLOOD = [
  '#!/bin/sh',
  'i=0; while [ $i -lt $1 ]; do i=$((i + 1)); printf "%099d\\n" $i; done',
  'echo "the end of $1" >&2',
  '',
].join('\n')

const shell = (script: string): Tree => ({
  'bin/busybox': { copy: needProgram('busybox', 'busybox-static') },
  'bin/sh': { link: 'busybox' },
  'bin/dd': { link: 'busybox' },
  'bin/flood': { text: FLOOD, mode: 0o755 },
  script: { text: `#!/bin/sh\n${script}\n`, mode: 0o755 },
})

describe('a log file of 64 KB', () => {
  const boot = booted({
    cmdline: 'zmachine.log_file=64k',
    files: shell('flood 700; exit 5'),
    init: '/script',
  })

  test('is rotated once, and holds the end of the output', () => {
    const newest = boot().file(LOG) ?? ''
    const older = boot().file(`${LOG}.1`) ?? ''
    for (const text of [newest, older]) expect(text.length).toBeLessThanOrEqual(65_536)
    const lines = entriesOf(older + newest).map(({ log }) => log.trimEnd())
    expect(lines.at(-2)).toBe('the end of 700')
    const numbers = lines.filter((line) => /^\d{99}$/.test(line)).map(Number)
    expect(numbers.at(-1)).toBe(700)
    expect(numbers).toEqual(numbers.map((_, at) => (numbers[0] ?? 0) + at))
    expect(numbers.length).toBeGreaterThan(250)
  })

  test('takes nothing from the console', () => {
    const numbers = [...boot().console.matchAll(/^(\d{99})\r*$/gm)].map(([, number]) => Number(number))
    expect(numbers).toEqual(Array.from({ length: 700 }, (_, at) => at + 1))
    expect(boot().container?.code).toBe(5)
  })
})

describe('a root that is full', () => {
  let disk = ''
  const boot = booted(async (folder) => {
    disk = await makeExt4(
      join(folder, 'root.ext4'),
      shell('dd if=/dev/zero of=/filler bs=1k; flood 300; echo done'),
      {
        megabytes: 8,
      },
    )
    return {
      root: 'none',
      disks: [{ file: disk }],
      cmdline: 'root=/dev/vda zmachine.log_file=1m',
      init: '/script',
    }
  })

  test('stops neither the container nor its output on the console', () => {
    expect(boot().container?.code).toBe(0)
    expect(boot().console).toMatch(/^done\r*$/m)
  })

  test('is reported, with how much is missing', () => {
    expect(boot().console).toContain(
      'zmachine: warning: /.zmachine/log/container.log: ENOSPC (no space left on device)',
    )
    const [, missing] =
      /container\.log: (\d+) lines of the container's output are missing/.exec(boot().console) ?? []
    expect(Number(missing)).toBeGreaterThan(100)
  })

  test('leaves whole entries', async () => {
    expect(entriesOf(await readExt4(disk, `/${LOG}`)).length).toBeGreaterThan(0)
  })
})

describe('a read-only root', () => {
  const boot = booted(async (folder) => ({
    root: 'none',
    disks: [
      {
        file: await makeExt4(join(folder, 'root.ext4'), { probe: { copy: await probeProgram() } }),
        readOnly: true,
      },
    ],
    cmdline: 'root=/dev/vda ro zmachine.log_file',
    probe: 'report - , exit 6'.split(' '),
  }))

  test('has no log file, which is a warning, and the console as without', () => {
    expect(boot().console).toMatch(
      /zmachine: warning: \/\.zmachine\/log\/container\.log: EROFS .*goes to the console only/,
    )
    expect(boot().report().descriptors.get(1)).toBe('/dev/ttyS0')
    expect(boot().container?.code).toBe(6)
  })
})

describe('what is typed', () => {
  const boot = booted({
    cmdline: 'zmachine.log_file',
    files: shell(
      'trap "echo interrupted; exit 7" INT; echo ready; read line; echo "read: $line"; echo waiting; while :; do sleep 1; done',
    ),
    init: '/script',
    during: async (machine) => {
      for await (const line of machine.console.lines()) {
        if (line.startsWith('ready')) machine.write('secret word\r')
        if (line.startsWith('waiting')) machine.write('\x03')
      }
    },
  })

  test('reaches the container, and is echoed once', () => {
    expect(boot().console).toMatch(/^read: secret word\r*$/m)
    expect(boot().console.match(/secret word/g)).toHaveLength(2)
  })

  test('interrupts it', () => {
    expect(boot().console).toMatch(/^\^C?.*interrupted\r*$/m)
    expect(boot().container?.code).toBe(7)
  })
})

describe('an entrypoint that is started again', () => {
  const boot = booted({
    cmdline: 'zmachine.log_file zmachine.on_exit=restart',
    files: shell('echo "run of $$"; echo -n "cut off"'),
    init: '/script',
    during: async (machine) => {
      let runs = 0
      for await (const line of machine.console.lines()) if (line.includes('run of') && ++runs === 3) break
      await machine.powerdown()
    },
  })

  test('goes on in the same file, with a terminal each time', () => {
    const runs = textOf(boot(), 'stdout').match(/run of \d+\r\n/g)
    expect(runs?.length).toBeGreaterThanOrEqual(3)
    expect(textOf(boot())).toContain('restarting in')
  })
})

describe('an image with an init of its own', () => {
  const boot = booted({
    cmdline: 'zmachine.log_file zmachine.mode=exec',
    probe: ['exit', '0'],
    last: /probe: pid 1 ends, code 0/,
  })

  test('has no log file, which is a warning', () => {
    expect(boot().console).toContain('zmachine: warning: zmachine.log_file: not in mode exec')
    expect(boot().file(LOG)).toBeUndefined()
  })
})
