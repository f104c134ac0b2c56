/** The log file and the relay of `boot/log`, on terminals of this kernel: one stands for the console. The root is a folder. */

import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest'
import { followLines, setLineEnd } from '../../src/boot/io/console.ts'
import { type LogFile, openLogFile, writeEntries } from '../../src/boot/log/log-file.ts'
import { openRelay, type Relay } from '../../src/boot/log/relay.ts'
import { nodeRuntime } from '../../src/runtime/node/host.ts'
import { ENOSPC } from '../../src/sys/errno.ts'
import { O_NOCTTY, O_NONBLOCK, O_RDWR, TIOCGPTN, TIOCGWINSZ, TIOCSPTLCK } from '../../src/sys/flags.ts'
import {
  close,
  ioctl,
  open,
  poll,
  read,
  SYS_dup3,
  SYS_openat,
  SYS_write,
  text,
  useRuntime,
  write,
} from '../../src/sys/linux.ts'

const TIOCSWINSZ = 0x5414
const TCGETS = 0x5401
const folder = mkdtempSync(join(tmpdir(), 'zmachine-log-'))

let root = ''
let runs = 0
/** What stands for the terminal behind the console, its other end, and what PID 1 says. */
let terminal = ''
let screen = -1
let said = ''
/** The container's standard streams. */
let streams = new Map<number, number>()
let hasPtmx = true
let isFull = false

/** A new terminal: its other end's descriptor, and its name. */
function makeTerminal(): [end: number, name: string] {
  const end = open('/dev/ptmx', O_RDWR | O_NOCTTY | O_NONBLOCK)
  const number = new Uint32Array(1)
  ioctl(end, TIOCSPTLCK, new Uint32Array(1))
  ioctl(end, TIOCGPTN, number)
  return [end, `/dev/pts/${number[0]}`]
}

function moved(path: string): string {
  if (path === '/sys/class/tty/console/active') return join(root, 'active')
  if (path === '/dev/fake') return terminal
  return path.startsWith('/.zmachine') ? root + path : path
}

beforeEach(() => {
  useRuntime(nodeRuntime)
  root = join(folder, String(++runs))
  mkdirSync(root)
  ;[screen, terminal] = makeTerminal()
  said = ''
  streams = new Map()
  hasPtmx = true
  isFull = false
  useRuntime({
    ...nodeRuntime,
    syscall(number, ...args) {
      if (number === SYS_openat && args[1] === '/dev/ptmx' && !hasPtmx) return -2
      if (number === SYS_dup3) {
        streams.set(Number(args[1]), nodeRuntime.syscall(32, args[0] ?? -1))
        return 0
      }
      if (number === SYS_write && args[0] === 2 && args[1] instanceof Uint8Array) {
        said += Buffer.from(args[1]).toString('latin1')
        return args[1].length
      }
      if (number === SYS_write && isFull && args[0] !== screen) return -ENOSPC
      const into = args.map((each) => (typeof each === 'string' ? moved(each) : each))
      return nodeRuntime.syscall(number, into[0] ?? 0, into[1] ?? 0, into[2] ?? 0, into[3] ?? 0, into[4] ?? 0)
    },
  })
  // One name for whichever terminal it is.
  const active = open('/sys/class/tty/console/active', 0o101, 0o600)
  write(active, new Uint8Array(Buffer.from('fake\n')))
  close(active)
})

afterEach(() => {
  followLines(undefined)
  setLineEnd('\n')
  for (const fd of streams.values()) close(fd)
  close(screen)
  useRuntime(nodeRuntime)
})

afterAll(() => rmSync(folder, { recursive: true }))

const LOG = '/.zmachine/log/container.log'
const entries = (count: number): { text: string; count: number } => ({ text: `${'x'.repeat(99)}\n`, count })

function opened(limit: number): LogFile {
  const file = openLogFile(limit)
  if (typeof file === 'number') throw new Error(`errno ${file}`)
  return file
}

function relay(): Relay {
  const made = openRelay(1 << 20)
  if (made === undefined) throw new Error(said)
  return made
}

/** Waits once for what the relay waits for. @returns what was ready */
function turn(kept: Relay, milliseconds = 100): number {
  const fds = kept.fds()
  const events = poll(fds, milliseconds)
  if (typeof events === 'number') throw new Error(`errno ${events}`)
  const ready = fds.map(({ fd }, at) => ({ fd, events: events[at] ?? 0 })).filter((each) => each.events !== 0)
  kept.handle(ready)
  return ready.length
}

function received(fd: number): string {
  const memory = new Uint8Array(4096)
  const length = read(fd, memory)
  return length > 0 ? text(memory, 0, length) : ''
}

const say = (words: string): number => write(streams.get(1) ?? -1, new Uint8Array(Buffer.from(words)))

/** c_oflag and c_lflag. */
function modeOf(fd: number): { isRaw: boolean } {
  const termios = new Uint32Array(9)
  ioctl(fd, TCGETS, termios)
  return { isRaw: ((termios[1] ?? 0) & 1) === 0 && ((termios[3] ?? 0) & 2) === 0 }
}

describe('a log file', () => {
  it('that can’t be written is one warning, also where its own line can’t be written either', () => {
    const file = opened(4096)
    followLines((line) => writeEntries(file, { text: line, count: 1 }, 'now'))
    isFull = true
    writeEntries(file, entries(3), 'now')
    writeEntries(file, entries(2), 'now')
    expect(said.match(/warning: .*ENOSPC/g)).toHaveLength(1)
    expect(file).toMatchObject({ lost: 6, lostInAll: 6 })
  })

  it('stays bounded where it can’t be renamed', () => {
    const file = opened(4096)
    mkdirSync(`${root}${LOG}.1`)
    for (let count = 0; count < 500; count++) writeEntries(file, entries(1), 'now')
    expect(statSync(root + LOG).size).toBeLessThanOrEqual(4096)
    expect(existsSync(`${root}${LOG}.1`)).toBe(true)
  })
})

describe('a relay', () => {
  it('outlives its console’s hang-up, does not spin, and goes on at the new one', () => {
    const kept = relay()
    kept.openStreams(undefined)
    say('one\n')
    turn(kept)
    expect(received(screen)).toBe('one\r\n')
    const [other, name] = makeTerminal()
    // The end of the terminal's other side hangs it up.
    close(screen)
    terminal = name
    screen = other
    turn(kept)
    expect(turn(kept)).toBe(0)
    say('two\n')
    turn(kept)
    expect(received(screen)).toBe('two\r\n')
    kept.finish('over')
  })

  it('does without a console that is gone', () => {
    const kept = relay()
    kept.openStreams(undefined)
    close(screen)
    terminal = '/dev/none'
    turn(kept)
    say('alone\n')
    turn(kept)
    expect(turn(kept)).toBe(0)
    kept.finish('over')
    expect(readFileSync(root + LOG, 'latin1')).toContain('"alone\\r\\n"')
    screen = -1
  })

  it('leaves the console’s input and settings to a container without a terminal of its own', () => {
    hasPtmx = false
    const kept = relay()
    kept.openStreams(undefined)
    expect(modeOf(screen)).toEqual({ isRaw: false })
    write(screen, new Uint8Array(Buffer.from('typed\n')))
    expect(turn(kept)).toBe(0)
    expect(received(streams.get(0) ?? -1)).toBe('typed\n')
    kept.finish('over')
  })

  it('gives the next session’s terminal the size that the last one had, and a line of its own', () => {
    const kept = relay()
    kept.openStreams(undefined)
    ioctl(streams.get(0) ?? -1, TIOCSWINSZ, Uint32Array.of((100 << 16) | 40, 0))
    say('cut off')
    kept.openStreams(undefined)
    const size = new Uint32Array(2)
    ioctl(streams.get(0) ?? -1, TIOCGWINSZ, size)
    expect(size[0]).toBe((100 << 16) | 40)
    say('next\n')
    turn(kept)
    kept.finish('over')
    expect(readFileSync(root + LOG, 'latin1')).toMatch(/"cut off"[\s\S]*"next\\r\\n"/)
    expect(modeOf(screen)).toEqual({ isRaw: false })
  })
})
