import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, test } from 'vitest'
import { UsageError } from '../../../src/host/lib/usage.ts'
import { readTimeline } from '../../../src/host/timeline/timeline.ts'
import { TIMELINE_HELP, timelineCommand } from '../../../src/host/timeline/timeline-command.ts'
import { timelineSvg } from '../../../src/host/timeline/timeline-svg.ts'
import { temporaryFolder } from '../plan/plan-helpers.ts'

const LOG =
  '[    0.500000] Run /init as init process\r\n' +
  'zmachine: timeline 300.0 ms initramfs\r\n' +
  'zmachine: timeline 7.0 ms hostname zoë\r\n' +
  'zmachine: timeline 100.0 ms mount /data (ext4)\r\n' +
  'zmachine: starting /app after 1000 ms\r\n' +
  'zmachine: exited code=139 signal=SIGSEGV reason=signal uptime=3.250\r\n'

const folder = temporaryFolder()
const state = join(folder, 'state')
const last = join(state, 'zmachine/boots/2026-11-28T00-00-00.000Z-1.log')
mkdirSync(join(state, 'zmachine/boots'), { recursive: true })
writeFileSync(last, LOG)

const file = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text)
  return join(folder, name)
}

function show(args: readonly string[], { colours = false, ...environment }: Shown = {}): string {
  const chunks: Uint8Array[] = []
  const output = { colours, write: (bytes: Uint8Array): void => void chunks.push(bytes) }
  expect(timelineCommand(args, output, { XDG_STATE_HOME: state, LANG: 'C.UTF-8', ...environment })).toBe(0)
  return Buffer.concat(chunks).toString()
}

type Shown = { readonly colours?: boolean } & {
  readonly [name in 'LANG' | 'LC_ALL' | 'XDG_STATE_HOME']?: string
}

/** What the error says, and what to do. */
function refusal(args: readonly string[], environment: Shown = {}): string {
  try {
    show(args, environment)
  } catch (error) {
    if (error instanceof UsageError) return `${error.message}\n${error.hint}`
    throw error
  }
  return 'none'
}

test('the last boot is a table', () => {
  expect(show([])).toBe(`       ms    share
    500.0   50.0 %  ████████████████████████  kernel, until it runs /init
    300.0   30.0 %  ██████████████▍           initramfs
      7.0    0.7 %  ▍                         hostname zoë
    100.0   10.0 %  ████▊                     mount /data (ext4)
     93.0    9.3 %  ████▌                     not timed, mostly the console
    500.0   50.0 %                            PID 1 in all
   1000.0  100.0 %                            the whole boot, until the entrypoint
   2250.0                                     entrypoint and the way down: exit code 139, SIGSEGV
`)
})

test('of the last boot the container’s text decides nothing', () => {
  const forged = `${LOG.slice(0, LOG.indexOf('zmachine: exited'))}${LOG.replaceAll('0.0', '9.9')}more\r\n`
  mkdirSync(join(folder, 'forged/zmachine/boots'), { recursive: true })
  writeFileSync(join(folder, 'forged/zmachine/boots/2026.log'), forged)
  const shown = show([], { XDG_STATE_HOME: join(folder, 'forged') })
  expect(shown).toBe(show([]).slice(0, show([]).lastIndexOf('   2250.0')))
})

test('bars are of ASCII where the locale is not UTF-8', () => {
  for (const environment of [{ LANG: 'C' }, { LANG: '' }, { LC_ALL: 'POSIX' }]) {
    expect(show([], environment)).toContain('   30.0 %  ##############            initramfs\n')
  }
  expect(show([], { LANG: 'C', LC_ALL: 'de_DE.utf8' })).toContain('██')
})

test('sums are bold where there are colours', () => {
  const sum = show([])
    .split('\n')
    .find((line) => line.endsWith('PID 1 in all'))
  expect(show([], { colours: true })).toContain(`\x1b[1m${sum}\x1b[0m\n`)
  expect(show([])).not.toContain('\x1b')
})

test('a log without the kernel’s time and the entrypoint’s end has no rows for them', () => {
  const log = file('short.log', 'zmachine: timeline 0.0 ms a\nzmachine: timeline 0.0 ms b\n')
  expect(show([log])).toBe(`       ms    share
      0.0                                     a
      0.0                                     b
      0.0                                     PID 1 in all
`)
})

test('a name does not command the terminal', () => {
  expect(show([file('evil.log', 'zmachine: timeline 1 ms \x1b]0;x\x07\n')])).toContain(' ?]0;x?\n')
})

test('--json is the same for programs', () => {
  const document = JSON.parse(show(['--json', last]))
  expect(document).toMatchObject({ version: 1, log: last, kernel: 500, boot: 1000, exit: { code: 139 } })
  expect(document.spans[1]).toEqual({ kind: 'step', name: 'initramfs', start: 500, milliseconds: 300 })
  const short = JSON.parse(show([file('one.log', 'zmachine: timeline 1.5 ms a\n'), '--json']))
  expect(short).toMatchObject({ kernel: null, exit: null, boot: 1.5 })
})

test('--svg draws into a file, or on the standard output', () => {
  const picture = timelineSvg(readTimeline(LOG))
  const target = join(folder, 'boot.svg')
  expect(show(['--svg', target, last])).toBe('')
  expect(readFileSync(target, 'utf8')).toBe(picture)
  expect(show(['--svg', '-'])).toBe(picture)
  expect(show(['--svg=-', '--', last])).toBe(picture)
})

test('--help is short enough for a terminal and names the options', () => {
  expect(show(['--help', 'ignored'])).toBe(TIMELINE_HELP)
  for (const part of ['--svg', '--json', 'Exit code', 'Examples']) expect(TIMELINE_HELP).toContain(part)
  expect(Math.max(...TIMELINE_HELP.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100)
})

describe('is wrong usage', () => {
  const none = join(folder, 'none')

  test.each<[string, readonly string[], ...string[]]>([
    ['an unknown option', ['--jsn'], 'unknown option --jsn; did you mean --json?'],
    ['a second log', ['a', 'b'], 'unexpected "b"'],
    ['a picture and JSON', ['--svg', '-', '--json'], "--svg and --json can't be combined"],
    ['a picture into a log', ['--svg', last], 'does not end with .svg'],
    ['a picture where none can be', ['--svg', join(none, 'a.svg')], 'cannot be written (ENOENT)'],
    ['a log that is not there', [none], 'none": cannot be read (ENOENT)'],
    ['a log that is a folder', [folder], 'cannot be read (EISDIR)'],
    ['a log without times', [file('empty.log', 'nothing\n')], 'no times', 'zmachine.timeline on the kernel'],
    ['the kernel’s time alone', [file('k.log', '[ 1.0] Run /init as init process\n')], 'zmachine.timeline'],
  ])('%s', (_, args, ...parts) => {
    for (const part of parts) expect(refusal(args)).toContain(part)
  })

  it('before the first boot', () => {
    const said = refusal([], { XDG_STATE_HOME: none })
    expect(said).toContain(`no boot is recorded yet in ${none}/zmachine/boots\n`)
    expect(said).toContain('zmachine run')
  })

  it('and leaves the log as it was', () => {
    refusal(['--svg', last])
    expect([readFileSync(last, 'utf8'), existsSync(none)]).toEqual([LOG, false])
  })
})
