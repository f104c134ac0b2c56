import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { afterEach, beforeEach, describe, expect, it, test, vi } from 'vitest'
import { attachTerminal } from '../../../src/host/cli/terminal.ts'
import { findProgram } from '../../../src/host/lib/programs.ts'
import { temporaryFolder } from '../plan/plan-helpers.ts'

/** A mock: streams that say they are a terminal and note its modes. What a real one does is tested below by script(1). */
function mockTerminal({ isTTY = true, isRaw = false } = {}) {
  const modes: boolean[] = []
  const stdin = Object.assign(new PassThrough(), {
    isTTY,
    isRaw,
    setRawMode: (raw: boolean) => modes.push(raw),
  })
  const stdout = Object.assign(new PassThrough(), { isTTY, columns: 80, rows: 24 })
  const written: string[] = []
  const sizes: string[] = []
  let left = 0
  const terminal = attachTerminal({
    stdin,
    stdout,
    write: (bytes) => void written.push(Buffer.from(bytes).toString('latin1')),
    onLeave: () => void left++,
    onResize: (columns, rows) => void sizes.push(`${columns}x${rows}`),
  })
  return {
    ...{ stdin, stdout, terminal, modes, sizes, left: () => left },
    written: () => written.join(''),
    /** As one read of the terminal gives it. */
    type: (keys: string) => void stdin.emit('data', Buffer.from(keys, 'latin1')),
  }
}

describe('a terminal', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  it('is raw until it is detached, once', () => {
    const { terminal, modes } = mockTerminal()
    expect(modes).toEqual([true])
    terminal.detach()
    terminal.detach()
    expect(modes).toEqual([true, false])
  })

  it('stays raw where it was raw before', () => {
    const { terminal, modes } = mockTerminal({ isRaw: true })
    terminal.detach()
    expect(modes).toEqual([true, true])
  })

  it('is restored when the process exits, and leaves no handler behind', () => {
    const before = process.listeners('exit')
    const { terminal, modes } = mockTerminal()
    const [handler] = process.listeners('exit').filter((listener) => !before.includes(listener))
    handler?.(0)
    expect(modes).toEqual([true, false])
    terminal.detach()
    expect(process.listeners('exit')).toEqual(before)
  })

  it('passes what is typed byte for byte', () => {
    const { type, written } = mockTerminal()
    const all = String.fromCharCode(...Array.from({ length: 256 }, (_, byte) => byte))
    type(all)
    type('ls\r\x03\x04')
    expect(written()).toBe(`${all}ls\r\x03\x04`)
  })

  it('passes nothing once it is detached', () => {
    const { type, written, terminal, stdin } = mockTerminal()
    type('a\x1d')
    terminal.detach()
    type('b')
    vi.advanceTimersByTime(5000)
    expect([written(), stdin.isPaused(), vi.getTimerCount()]).toEqual(['a', true, 0])
  })

  it('that is hung up ends nothing in the guest', () => {
    const { stdin, written } = mockTerminal()
    stdin.emit('error', new Error('EIO'))
    stdin.emit('end')
    expect(written()).toBe('')
  })

  it('tells its size at once and at each change, until it is detached', () => {
    const { stdout, sizes, terminal } = mockTerminal()
    stdout.columns = 100
    stdout.emit('resize')
    terminal.detach()
    stdout.emit('resize')
    expect(sizes).toEqual(['80x24', '100x24'])
  })

  it('without a size tells none', () => {
    const { stdout, sizes } = mockTerminal()
    stdout.rows = 0
    stdout.emit('resize')
    expect(sizes).toEqual(['80x24'])
  })
})

describe('Ctrl-]', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  test.each<[what: string, reads: readonly string[]]>([
    ['one read', ['\x1d\x1d\x1d']],
    ['three reads', ['\x1d', '\x1d', '\x1d']],
  ])('three times in %s leaves, and the guest sees none', (_, reads) => {
    const { type, written, left } = mockTerminal()
    type('a')
    for (const read of reads) type(read)
    vi.advanceTimersByTime(5000)
    expect([left(), written()]).toEqual([1, 'a'])
  })

  it('leaves behind what was typed before, and without what follows at once', () => {
    const { type, written, left } = mockTerminal()
    type('a\x1d\x1db\x1d\x1d\x1dc')
    expect([left(), written()]).toEqual([1, 'a\x1d\x1db'])
  })

  it('twice is passed on when something else follows', () => {
    const { type, written, left } = mockTerminal()
    type('\x1d')
    type('\x1d')
    expect(written()).toBe('')
    type('x\x1d')
    expect([left(), written()]).toEqual([0, '\x1d\x1dx'])
  })

  it('is passed on when the second is over, and then counted anew', () => {
    const { type, written, left } = mockTerminal()
    type('\x1d\x1d')
    vi.advanceTimersByTime(999)
    expect(written()).toBe('')
    vi.advanceTimersByTime(1)
    expect(written()).toBe('\x1d\x1d')
    type('\x1d')
    vi.advanceTimersByTime(1000)
    expect([left(), written()]).toEqual([0, '\x1d\x1d\x1d'])
  })

  it('within a second of the first one counts', () => {
    const { type, left } = mockTerminal()
    for (const wait of [450, 450, 0]) {
      type('\x1d')
      vi.advanceTimersByTime(wait)
    }
    expect(left()).toBe(1)
  })
})

describe('a pipe', () => {
  const piped = (...chunks: readonly string[]): string => {
    const { type, stdin, written } = mockTerminal({ isTTY: false })
    for (const chunk of chunks) type(chunk)
    stdin.emit('end')
    return written()
  }

  test.each<[what: string, chunks: readonly string[], written: string]>([
    ['nothing is an end of input', [], '\x04'],
    ['a line, then the end of input', ['data\n'], 'data\n\x04'],
    ['a line without its end is handed on, then the end of input', ['da', 'ta'], 'data\x04\x04'],
    [
      'what a terminal acts on is quoted',
      ['\x03\x04\r\x13\x1a\x7f\n'],
      '\x16\x03\x16\x04\x16\r\x16\x13\x16\x1a\x16\x7f\n\x04',
    ],
    ['the quote is quoted', ['\x16\n'], '\x16\x16\n\x04'],
    ['Ctrl-] leaves nothing', ['\x1d\x1d\x1d\n'], '\x1d\x1d\x1d\n\x04'],
    [
      'what is longer than a line can be comes in parts',
      ['a'.repeat(8001)],
      `${'a'.repeat(4000)}\x04${'a'.repeat(4000)}\x04a\x04\x04`,
    ],
    ['a part that was just handed on needs no second end', ['a'.repeat(4000)], `${'a'.repeat(4000)}\x04\x04`],
  ])('%s', (_, chunks, written) => {
    expect(piped(...chunks)).toBe(written)
  })

  it('has no mode and no size, and ends once', () => {
    const { stdin, modes, sizes, written, terminal } = mockTerminal({ isTTY: false })
    stdin.emit('error', new Error('EISDIR'))
    stdin.emit('end')
    terminal.detach()
    expect([modes, sizes, written()]).toEqual([[], [], '\x04'])
  })
})

const script = findProgram('script')
const folder = temporaryFolder()

/** Runs a shell command in a terminal of its own, types when it says `ready`, and gives all that it shows. */
async function inTerminal(command: string, typed: Uint8Array): Promise<string> {
  const child = spawn(script ?? '', ['-qec', command, '/dev/null'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    timeout: 20_000,
  })
  const { stdin, stdout } = child
  let shown = ''
  for await (const chunk of stdout) {
    const before = shown.includes('ready')
    shown += String(chunk)
    if (!before && shown.includes('ready')) stdin.write(typed)
  }
  stdin.destroy()
  return shown
}

/** What the program in the terminal does with a key, and how it ends with Ctrl-]. */
const program = (end: string): string => `
import { spawnSync } from 'node:child_process'
import { attachTerminal } from ${JSON.stringify(new URL('../../../src/host/cli/terminal.ts', import.meta.url))}
const typed = []
const terminal = attachTerminal({
  stdin: process.stdin,
  stdout: process.stdout,
  write: (bytes) => typed.push(...bytes),
  onResize(columns, rows) {
    console.log('size ' + columns + ' ' + rows)
    if (columns === 100) spawnSync('stty', ['cols', '120'], { stdio: 'inherit' })
    else console.log('ready')
  },
  onLeave() {
    console.log('typed', Buffer.from(typed).toString('hex'))
    ${end}
  },
})
`

describe.runIf(script !== undefined)('in a real terminal', () => {
  test.each([
    ['detach', 'terminal.detach()'],
    ['an exit', 'process.exit()'],
    ['an exception', 'throw new Error("expected")'],
    ['SIGTERM', 'process.kill(process.pid, "SIGTERM")'],
  ])(
    'keys come raw, the size is told, and %s gives the old mode back',
    { timeout: 30_000 },
    async (_, end) => {
      const file = join(folder, 'program.mjs')
      writeFileSync(file, program(end))
      const command = `stty cols 100 rows 40; ${process.execPath} ${file} 2>/dev/null; stty -a`
      const shown = await inTerminal(command, Buffer.from('a\r\x03\x04\x1a\x1d\x1d\x1d'))
      expect(shown).toMatch(/size 100 40\r\n.*size 120 40\r\n/s)
      expect(shown).toContain('typed 610d03041a\r\n')
      expect(shown).toMatch(/\sisig icanon iexten echo /)
    },
  )

  it('a program there reads what a pipe gave, byte for byte, and its end', { timeout: 30_000 }, async () => {
    const all = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
    const data = Buffer.concat([Buffer.from('text\r\n'), all, Buffer.alloc(9000, 'x'), all])
    const stdin = Object.assign(new PassThrough(), { isTTY: false })
    const chunks: Uint8Array[] = []
    attachTerminal({
      stdin,
      stdout: new PassThrough(),
      write: (bytes) => void chunks.push(bytes),
      onLeave() {},
    })
    stdin.end(data)
    await new Promise((resolve) => stdin.once('end', resolve))
    const file = join(folder, 'data')
    await inTerminal(`stty -echo; echo ready; cat > ${file}`, Buffer.concat(chunks))
    expect(readFileSync(file).equals(data)).toBe(true)
  })
})
