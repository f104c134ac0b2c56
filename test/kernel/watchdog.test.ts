/** The watchdog of `boot/io/watchdog.ts`, with a last call that harms nobody; and a boot that waits for long. */

import {
  chmodSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, it, test } from 'vitest'
import { pollOrStop, watchSignals } from '../../src/boot/io/requests.ts'
import { startWatchdog, stopWatchdog, watch } from '../../src/boot/io/watchdog.ts'
import { nodeRuntime } from '../../src/runtime/node/host.ts'
import { must } from '../../src/sys/errno.ts'
import {
  close,
  poll,
  SYS_dup3,
  SYS_kill,
  SYS_write,
  syscall,
  useRuntime,
  wait4,
} from '../../src/sys/linux.ts'
import { ours, startInit } from './pid1.ts'

const folder = mkdtempSync(join(tmpdir(), 'zmachine-watchdog-'))
const log = join(folder, 'log')
const SYS_dup = 32
const STDERR = 2
let saved: number
let file: number

/** The log is standard error as long as nobody opens a console. */
beforeAll(() => {
  useRuntime(nodeRuntime)
  file = openSync(log, 'w')
  saved = must(syscall(SYS_dup, STDERR), () => 'dup')
  must(syscall(SYS_dup3, file, STDERR, 0), () => 'dup3')
  watchSignals(-1)
})

afterEach(() => {
  stopWatchdog()
})

afterAll(() => {
  syscall(SYS_dup3, saved, STDERR, 0)
  close(saved)
  closeSync(file)
  rmSync(folder, { recursive: true })
})

const PATIENCE = 150

function start(): void {
  writeFileSync(log, '')
  startWatchdog(() => 'the last line', {
    number: SYS_write,
    args: [file, 'down\n', 5],
    name: 'take the machine down',
  })
}

/** A call that does not return for so long. */
const hang = (milliseconds: number): unknown => poll([], milliseconds)

it('says what PID 1 is stuck on, and takes the machine down', () => {
  start()
  watch('the root vroot', PATIENCE)
  hang(2 * PATIENCE)
  expect(readFileSync(log, 'latin1')).toBe(
    'zmachine: fatal: no answer for 0.15 s from the root vroot\nzmachine: the last line\ndown\n',
  )
})

it('sleeps while PID 1 waits of its own accord, and then allows the same time again', () => {
  start()
  watch('the root vroot', PATIENCE)
  for (let waits = 0; waits < 3; waits++) {
    pollOrStop([], PATIENCE)
    hang(PATIENCE / 2)
  }
  expect(readFileSync(log, 'latin1')).toBe('')
  hang(PATIENCE)
  expect(readFileSync(log, 'latin1')).toContain('down')
})

it('begins anew with each file system, and names the last one', () => {
  start()
  for (const name of ['a', 'b', 'c']) {
    watch(name, PATIENCE)
    hang((PATIENCE * 2) / 3)
  }
  expect(readFileSync(log, 'latin1')).toBe('')
  hang(PATIENCE)
  expect(readFileSync(log, 'latin1')).toContain('from c\n')
})

it('does nothing before there is anything to watch, nor after its end', () => {
  start()
  pollOrStop([], 1)
  hang(PATIENCE)
  watch('the root vroot', PATIENCE)
  stopWatchdog()
  hang(2 * PATIENCE)
  expect(readFileSync(log, 'latin1')).toBe('')
})

it('that was killed and reaped leaves alone who has its pid now', () => {
  let child = 0
  const killed: unknown[] = []
  useRuntime({
    ...nodeRuntime,
    spawn: (...args) => {
      child = nodeRuntime.spawn(...args)
      return child
    },
    syscall: (number, ...args) => {
      if (number === SYS_kill) killed.push(args[0])
      return nodeRuntime.syscall(number, ...args)
    },
  })
  start()
  process.kill(child, 'SIGKILL')
  expect(wait4(child, 0).pid).toBe(child)
  stopWatchdog()
  expect(killed).toEqual([])
  start()
  stopWatchdog()
  expect(killed).toEqual([child])
  useRuntime(nodeRuntime)
})

test('a boot that waits for its NIC and for ssh-keygen, a minute and more, is healthy', async () => {
  const more = join(folder, 'more')
  mkdirSync(join(more, 'usr/bin'), { recursive: true })
  mkdirSync(join(more, 'etc/ssh'), { recursive: true })
  writeFileSync(join(more, 'usr/bin/ssh-keygen'), '#!/bin/sh\nexec sleep 1000\n')
  chmodSync(join(more, 'usr/bin/ssh-keygen'), 0o755)
  const cmdline = 'rootdelay=0 net_eth7=10.0.0.1/24'
  const { output, code } = await (
    await startInit(ours(cmdline), join(folder, 'boot'), ['/probe', 'exit', '3'], { MORE: more }, 150_000)
  ).ended
  expect(output).toContain('ssh-keygen did not finish within 60 s and was killed')
  expect(output).not.toContain('no answer')
  expect(code).toBe(3)
}, 240_000)
