/** What a PID 1 costs: reaping thousands of orphans, idling, memory, and how fast it forwards a signal. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Init, type Running, startInit, stop } from '../kernel/pid1.ts'

const ORPHANS = 100_000
const IDLE_SECONDS = 10
const SIGNALS = 500

/** How orphans arrive: this many from one parent, all of them at one line to `orphans`. */
interface Flow {
  readonly batch: number
  readonly pace: number
  /** PID 1 is stopped until all of them are there. */
  readonly held: boolean
}

const ONE_BY_ONE: Flow = { batch: 1, pace: ORPHANS, held: false }
const BATCHES: Flow = { batch: 1000, pace: ORPHANS, held: false }
const AT_ONCE: Flow = { batch: 10_000, pace: 10_000, held: true }

/** Figures by the name of their row; undefined where this PID 1 can't be measured. */
type Figures = ReadonlyMap<string, number | undefined>

/** One round of all. */
export async function costs(init: Init, folder: string): Promise<Figures> {
  // BusyBox init sleeps for a second now and then, and would take more than a minute.
  const reaps = async (name: string, flow: Flow): Promise<Reaped | undefined> =>
    await reapFlow(init, join(folder, name), flow).catch(() => undefined)
  const one = await reaps('one', ONE_BY_ONE)
  const batches = await reaps('batches', BATCHES)
  const once = await reaps('once', AT_ONCE)
  const idle = await idleCosts(init, join(folder, 'idle'))
  const latency = await signalLatency(init, join(folder, 'latency'))
  const orphans = ORPHANS.toLocaleString('en')
  return new Map([
    [`${orphans} orphans one by one: PID 1’s processor time, ms`, one?.processor],
    ['its wake-ups', one?.wakeUps],
    [`${orphans} orphans in batches of 1000: PID 1’s processor time, ms`, batches?.processor],
    [`${orphans} orphans, 10,000 at once: PID 1’s processor time, ms`, once?.processor],
    ['orphans reaped a second', once && AT_ONCE.batch / once.seconds],
    ['resident memory, KB', idle.rss],
    ['of it not shared (PSS), KB', idle.pss],
    ['wake-ups in an idle hour', (idle.wakeUps * 3600) / IDLE_SECONDS],
    ['from a signal to the child’s receipt, µs', latency],
  ])
}

interface Reaped {
  /** From the first one's reaping to the last one's. The fastest counts, since other processes only make it slower. */
  readonly seconds: number
  /** PID 1's, in milliseconds. */
  readonly processor: number
  readonly wakeUps: number
}

async function reapFlow(init: Init, place: string, { batch, pace, held }: Flow): Promise<Reaped> {
  const { orphans } = await init.programs()
  const running = await startInit(init, place, [orphans, String(ORPHANS), String(batch), String(pace)])
  let seconds = Number.POSITIVE_INFINITY
  let processor = 0
  let wakeUps = 0
  for (let done = 0; done < ORPHANS; done += pace) {
    await running.says(new RegExp(`ready ${done}\\r`))
    if (held) running.signal('SIGSTOP')
    let before = look(running)
    running.type('\n')
    if (held) {
      await running.says(new RegExp(`made ${done}\\r`))
      before = look(running)
      running.signal('SIGCONT')
    }
    const [, taken = ''] = await running.says(new RegExp(`gone ${done} ([\\d.]+)`))
    // PID 1 sleeps a moment after the last one is gone.
    await sleep(50)
    const after = look(running)
    seconds = Math.min(seconds, Number(taken))
    processor += after.processor - before.processor
    wakeUps += after.wakeUps - before.wakeUps
  }
  await stop(running)
  return { seconds, processor, wakeUps }
}

/** What PID 1 has used so far. */
function look(running: Running): { processor: number; wakeUps: number } {
  const pid = running.pid()
  // The first number is the processor time in nanoseconds (Documentation/scheduler/sched-stats.rst).
  const [nanoseconds] = readFileSync(`/proc/${pid}/schedstat`, 'latin1').split(' ')
  const status = readFileSync(`/proc/${pid}/status`, 'latin1')
  const [, wakeUps] = /^voluntary_ctxt_switches:\s*(\d+)$/m.exec(status) ?? []
  return { processor: Number(nanoseconds) / 1e6, wakeUps: Number(wakeUps) }
}

async function idleCosts(init: Init, place: string): Promise<{ rss: number; pss: number; wakeUps: number }> {
  const { probe } = await init.programs()
  const running = await startInit(init, place, [probe, 'say', 'there', ',', 'sleep', '60000'])
  await running.says(/probe: there/)
  await sleep(1000)
  const rollup = readFileSync(`/proc/${running.pid()}/smaps_rollup`, 'latin1')
  const kilobytes = (name: string): number =>
    Number(new RegExp(`^${name}:\\s*(\\d+) kB$`, 'm').exec(rollup)?.[1])
  const before = look(running)
  await sleep(IDLE_SECONDS * 1000)
  const wakeUps = look(running).wakeUps - before.wakeUps
  await stop(running)
  return { rss: kilobytes('Rss'), pss: kilobytes('Pss'), wakeUps }
}

/** The median of many, in microseconds; undefined if signals are not forwarded. */
async function signalLatency(init: Init, place: string): Promise<number | undefined> {
  const { latency } = await init.programs()
  const running = await startInit(init, place, [latency, String(SIGNALS)])
  const heard = running.says(/latency: ([\d.]+)/).then(([, median]) => Number(median))
  const found = await Promise.race([heard.catch(() => undefined), sleep(10_000, undefined)])
  await stop(running)
  return found
}
