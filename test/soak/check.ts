/** Checks a boot against its trial. */

import { toByteText } from '../../src/host/lib/byte-text.ts'
import type { Boot } from '../qemu/lib/boot.ts'
import type { Report } from '../qemu/lib/report.ts'
import { diskTarget, shareTarget, type Trial } from './trial.ts'

const MACHINE_ENDS = { poweroff: 'powerdown', reboot: 'reset', halt: 'halt' } as const

/** What is wrong, in words; empty if the boot is as it should be. */
export function check(trial: Trial, boot: Boot): string[] {
  return [...checkEnd(trial, boot), ...checkLog(boot), ...checkReport(trial, boot.report())]
}

function checkEnd({ end, onExit }: Trial, { container, exit }: Boot): string[] {
  const asked = end.is === 'button' || end.is === 'restart'
  const machine = asked ? 'powerdown' : MACHINE_ENDS[onExit]
  const wrong = exit.reason === machine ? [] : [`the machine ended with ${exit.reason}, not ${machine}`]
  if (container === undefined) return [...wrong, 'PID 1 printed no last line']
  const told = `code ${container.code}, signal ${container.signal}, reason ${container.reason}`
  const reason = asked ? 'stop' : end.is === 'exit' ? 'exit' : 'signal or core'
  // A restarted entrypoint may be running or between two starts.
  const codes = { exit: [0], signal: [0], button: [143], restart: [143] }[end.is]
  if (end.is === 'exit') codes.push(end.code)
  if (end.is === 'signal') codes.push(128 + end.signal)
  if (end.is === 'button' && end.deaf) codes.splice(0, 1, 137)
  if (end.is === 'restart') codes.push(end.code)
  const isCode =
    end.is === 'exit' || end.is === 'signal' ? container.code === codes[1] : codes.includes(container.code)
  if (!isCode) wrong.push(`${told}; not one of ${codes.join(', ')}`)
  if (!reason.includes(container.reason)) wrong.push(`${told}; not ${reason}`)
  return wrong
}

function checkLog({ console: text }: Boot): string[] {
  return text
    .split(/\r*\n/)
    .filter((line) => line.startsWith('zmachine: ') && /warning|fatal|error/.test(line))
    .map((line) => `printed ${line}`)
}

function checkReport(trial: Trial, report: Report): string[] {
  const { nics, disks, shares, environment, hostname, user, readOnlyRoot } = trial
  const missing = (what: string, is: boolean): string[] => (is ? [] : [what])
  const at = (target: string) => report.mounts.findLast((mount) => mount.target === target)
  const [uid, gid = 0] = (user ?? '0:0').split(':').map(Number)
  return [
    ...nics.flatMap((addresses, nic) =>
      addresses.flatMap((address) =>
        missing(
          `no usable ${address} on eth${nic}`,
          report.addresses.some(
            (each) => each.nic === `eth${nic}` && each.address === address && each.state === 'usable',
          ),
        ),
      ),
    ),
    ...disks.flatMap((type, index) =>
      missing(`no ${type} on ${diskTarget(index)}`, at(diskTarget(index))?.type === type),
    ),
    ...Array.from({ length: shares }, (_, index) => shareTarget(index)).flatMap((target) =>
      missing(`no share on ${target}`, at(target)?.type === 'virtiofs'),
    ),
    ...Object.entries(environment).flatMap(([key, value]) =>
      missing(
        `no variable ${key}=${JSON.stringify(value)}`,
        report.env.includes(toByteText(`${key}=${value}`)),
      ),
    ),
    ...missing(`hostname ${report.hostname}`, hostname === undefined || report.hostname === hostname),
    ...missing(`uid ${report.uid}, gid ${report.gid}`, report.uid === uid && report.gid === gid),
    ...missing(
      'the root is writable or not, against the trial',
      (at('/')?.options.includes('ro') ?? false) === readOnlyRoot,
    ),
  ]
}
