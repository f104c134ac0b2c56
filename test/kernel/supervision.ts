/** What one asks of a supervisor, as rows: each runs it and says what came of it, in words for a table. */

import { readFileSync, readlinkSync } from 'node:fs'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { consoleReport } from '../qemu/lib/report.ts'
import { begins, childrenOf, type Ended, type Init, type Running, runInit, startInit, stop } from './pid1.ts'

export interface Row {
  readonly name: string
  /** What ours has to say. */
  readonly expected: string | RegExp
  readonly run: (init: Init, folder: string) => Promise<string>
}

/** Signals whose default action is not to end a process; 32 and 33 are the C library's own. */
const HARMLESS = [17, 18, 19, 20, 21, 22, 23, 28, 32, 33]
const ENDING = Array.from({ length: 64 }, (_, at) => at + 1).filter((signal) => !HARMLESS.includes(signal))

/** Each run needs a place of its own. */
let runs = 0
const place = (folder: string): string => join(folder, `run-${++runs}`)

const start = (init: Init, folder: string, child: readonly string[]): Promise<Running> =>
  startInit(init, place(folder), child)

const end = (init: Init, folder: string, child: readonly string[]): Promise<Ended> =>
  runInit(init, place(folder), child)

async function sh(init: Init, script: string): Promise<string[]> {
  const { shell } = await init.programs()
  return [shell, '-c', script]
}

async function probe(init: Init, ...commands: readonly string[]): Promise<string[]> {
  return [(await init.programs()).probe, ...commands]
}

/** `all of 3`, or the first that are not as wanted. */
async function each(
  wanted: readonly number[],
  run: (number: number) => Promise<readonly [got: number, expected: number]>,
): Promise<string> {
  const wrong: string[] = []
  for (const number of wanted) {
    const [got, expected] = await run(number)
    if (got !== expected) wrong.push(`${number} as ${got}`)
  }
  return wrong.length === 0
    ? `all ${wanted.length}`
    : `${wrong.length} wrong: ${wrong.slice(0, 3).join(', ')}`
}

const exitCodes = (codes: readonly number[]): Row => ({
  name: 'exit codes passed on',
  expected: `all ${codes.length}`,
  run: (init, folder) =>
    each(codes, async (code) => [
      (await end(init, folder, await probe(init, 'exit', String(code)))).code,
      code,
    ]),
})

const endingSignals: Row = {
  name: '128+N for signal N',
  expected: `all ${ENDING.length}`,
  run: (init, folder) =>
    each(ENDING, async (signal) => [
      (await end(init, folder, await probe(init, 'raise', String(signal)))).code,
      128 + signal,
    ]),
}

const zombies: Row = {
  name: 'zombies left of 1000 orphans',
  expected: '0',
  async run(init, folder) {
    const { output } = await end(init, folder, await probe(init, 'orphans', '1000'))
    return /zombies (\d+)/.exec(output)?.[1] ?? 'no answer'
  },
}

const orphanCode: Row = {
  name: 'an orphan’s exit code is not taken for the child’s',
  expected: 'yes',
  async run(init, folder) {
    const { code } = await end(
      init,
      folder,
      await sh(init, "(sh -c 'sleep 0.1; exit 9' &); sleep 0.3; exit 4"),
    )
    return code === 4 ? 'yes' : `no: ${code}`
  },
}

/** What the child hears of a signal to PID 1. */
const forwarded = (signal: NodeJS.Signals | number, expected: number, name = String(signal)): Row => ({
  name: `${name} arrives as`,
  expected: String(expected),
  async run(init, folder) {
    const running = await start(init, folder, await probe(init, 'signals', '1'))
    await running.says(/ready for signals/)
    running.signal(signal)
    const heard = running.says(/signal (\d+) from/).then(([, number]) => number ?? '')
    return orElse(running, heard, 1000, 'nothing')
  },
})

/** What comes of it, or the other answer after so many milliseconds; then all is over. */
async function orElse(
  running: Running,
  answer: Promise<string>,
  patience: number,
  other: string,
): Promise<string> {
  const found = await Promise.race([answer.catch(() => other), sleep(patience, other)])
  await stop(running)
  return found
}

const group: Row = {
  name: 'signals go to',
  expected: 'the process group',
  async run(init, folder) {
    const { probe: program } = await init.programs()
    const child = await sh(init, `${program} signals 1 & exec ${program} signals 1 , sleep 500`)
    const running = await start(init, folder, child)
    await running.says(/ready for signals[\s\S]*ready for signals/)
    running.signal('SIGUSR1')
    const both = running.says(/signal 10[\s\S]*signal 10/).then(() => 'the process group')
    return orElse(running, both, 800, 'the child alone')
  },
}

const terminal: Row = {
  name: 'the child has',
  expected: 'a session and the terminal',
  async run(init, folder) {
    const { output } = await end(init, folder, await probe(init, 'report', '-'))
    const report = consoleReport(output)
    if (report === undefined) return 'no report'
    const { pid, pgid, sid, tpgid } = report
    if (sid === pid) return tpgid === pgid ? 'a session and the terminal' : 'a session, no terminal'
    if (pgid === pid)
      return tpgid === pgid ? 'a process group, in the foreground' : 'a process group, in the background'
    return tpgid === pgid ? 'PID 1’s process group, in the foreground' : 'PID 1’s process group'
  },
}

const typed: Row = {
  name: '^C on the terminal arrives as',
  expected: '2',
  async run(init, folder) {
    const running = await start(init, folder, await probe(init, 'signals', '1'))
    await running.says(/ready for signals/)
    running.type('\x03')
    const heard = running.says(/signal (\d+) from/).then(([, number]) => number ?? '')
    return orElse(running, heard, 1000, 'nothing')
  },
}

/** One letter, proc(5). */
const stateOf = (pid: number): string =>
  /\) (\S)/.exec(readFileSync(`/proc/${pid}/stat`, 'latin1'))?.[1] ?? ''

/** The child, as this machine counts; ours has others for moments. */
function probeOf(running: Running): number {
  const found = childrenOf(running.pid()).find(
    (pid) => readFileSync(`/proc/${pid}/comm`, 'latin1').trim() === 'probe',
  )
  if (found === undefined || found <= 1) throw new Error(`there is no probe:\n${running.output()}`)
  return found
}

/** A child that sleeps so many milliseconds and ends with 5. */
async function startSleeper(
  init: Init,
  folder: string,
  milliseconds: number,
): Promise<{ running: Running; child: number }> {
  const words = ['say', 'there', ',', 'sleep', String(milliseconds), ',', 'exit', '5']
  const running = await start(init, folder, await probe(init, ...words))
  await running.says(/probe: there/)
  return { running, child: probeOf(running) }
}

const stopTyped: Row = {
  name: 'TSTP to PID 1: the child',
  expected: 'goes on',
  async run(init, folder) {
    const { running, child } = await startSleeper(init, folder, 700)
    running.signal('SIGTSTP')
    await sleep(200)
    const isStopped = stateOf(child) === 'T'
    if (isStopped) running.signal('SIGCONT')
    const code = await Promise.race([running.ended.then((ended) => ended.code), sleep(3000, -1)])
    if (code !== 5) await stop(running)
    if (code !== 5) return isStopped ? 'is stopped for ever' : `ends with ${code}`
    return isStopped ? 'is stopped until CONT' : 'goes on'
  },
}

const stopped: Row = {
  name: 'the child is stopped and continued',
  expected: 'waited for',
  async run(init, folder) {
    const { running, child } = await startSleeper(init, folder, 300)
    process.kill(child, 'SIGSTOP')
    await sleep(500)
    const early = await Promise.race([running.ended, sleep(0)])
    if (early !== undefined) return `taken for its end: ${early.code}`
    process.kill(child, 'SIGCONT')
    const { code } = await running.ended
    return code === 5 ? 'waited for' : `ends with ${code}`
  },
}

const leftOver: Row = {
  name: 'who is left at the end is',
  expected: 'asked by TERM, then killed',
  async run(init, folder) {
    // The end of a session's leader is a HUP to those on its terminal.
    const trap = "trap '' HUP; trap 'sleep 0.1; echo cleaned up; exit' TERM"
    const script = `(${trap}; while :; do sleep 0.05; done) & sleep 0.3; exit 3`
    const { code, output } = await end(init, folder, await sh(init, script))
    if (code !== 3) return `the code is lost: ${code}`
    return output.includes('cleaned up') ? 'asked by TERM, then killed' : 'killed at once'
  },
}

const deaf: Row = {
  name: 'one left that ignores TERM: the end comes, with the code',
  expected: 'yes',
  async run(init, folder) {
    const { code, milliseconds } = await end(init, folder, await probe(init, 'deaf', ',', 'exit', '6'))
    return code === 6 && milliseconds < 8000 ? 'yes' : `${code} after ${(milliseconds / 1000).toFixed(1)} s`
  },
}

const deafChild: Row = {
  name: 'a child that ignores TERM',
  expected: 'is killed after the grace',
  async run(init, folder) {
    const running = await start(
      init,
      folder,
      await probe(init, 'block', ',', 'say', 'there', ',', 'sleep', '9000'),
    )
    await running.says(/probe: there/)
    running.signal('SIGTERM')
    const code = await Promise.race([running.ended.then((ended) => ended.code), sleep(6000, -1)])
    if (code === -1) await stop(running)
    return code === 137 ? 'is killed after the grace' : code === -1 ? 'stays' : `ends with ${code}`
  },
}

/** Quarters of a millisecond behind the execve, in which the kernel drops what PID 1 does not handle yet. */
const earlySignals = (attempts: number): Row => ({
  name: `TERM lost of ${attempts} in its first milliseconds`,
  // What comes before the first line of JavaScript is lost; on a real machine there is nobody to send it then.
  expected: /^[0-4]$/,
  async run(init, folder) {
    let lost = 0
    for (let attempt = 0; attempt < attempts; attempt++) {
      const running = await start(init, folder, await probe(init, 'sleep', '20000'))
      await begins(running)
      const pid = running.pid()
      while (!INIT_FILES.some((name) => basename(readlinkSync(`/proc/${pid}/exe`)).startsWith(name)));
      const until = performance.now() + attempt / 4
      while (performance.now() < until);
      running.signal('SIGTERM')
      const isOver = await Promise.race([running.ended.then(() => true), sleep(2500, false)])
      if (!isOver) {
        lost++
        await stop(running)
      }
    }
    return String(lost)
  },
})

/** What PID 1's file is called once it has become an init. */
const INIT_FILES: readonly string[] = ['init', 'tini', 'dumb-init', 'catatonit']

const missing: Row = {
  name: 'codes for a program that is not there, and one that is not executable',
  expected: '127, 126',
  async run(init, folder) {
    const none = await end(init, folder, ['/nowhere'])
    const file = await end(init, folder, ['/proc/version'])
    return `${none.code}, ${file.code}`
  },
}

export interface Scale {
  readonly codes: readonly number[]
  readonly early: number
}

export const rows = ({ codes, early }: Scale): readonly Row[] => [
  exitCodes(codes),
  endingSignals,
  missing,
  zombies,
  orphanCode,
  forwarded('SIGTERM', 15, 'TERM'),
  // Ctrl-Alt-Del: a request to reboot, by asking the child to end.
  forwarded('SIGINT', 15, 'INT'),
  forwarded('SIGHUP', 1, 'HUP'),
  forwarded('SIGUSR1', 10, 'USR1'),
  forwarded(37, 37, 'RTMIN+3'),
  group,
  terminal,
  typed,
  stopTyped,
  stopped,
  leftOver,
  deaf,
  deafChild,
  earlySignals(early),
]
