/** Processes, memory, descriptors and space that the container uses up. */

import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import type { Machine } from '../../src/host/machine/machine.ts'
import { booted } from '../qemu/lib/boot.ts'
import { end, HOLD, press, pressAfter, record, said, scripted, told } from './faults.ts'

/** Presses the button when a script has had time to do what it can't tell of any more. */
const pressSoonAfter =
  (text: string) =>
  async (machine: Machine): Promise<void> => {
    await machine.console.waitFor(text)
    await sleep(1500)
    await machine.powerdown()
  }

describe('a fork bomb of processes that ignore what they may', () => {
  const boot = booted({
    ...scripted(`
      echo 800 > /proc/sys/kernel/pid_max
      trap "" TERM
      echo script: bombs
      /fault bomb &
      while :; do sleep 1; done`),
    memoryMB: 512,
    cmdline: 'zmachine.grace=1',
    during: pressSoonAfter('script: bombs'),
  })

  test('is over some seconds after a stop', () => {
    expect(end(boot())).toBe('code=137 signal=SIGKILL reason=stop powerdown')
    expect(record(boot())).toMatchObject({ code: 137, reason: 'stop' })
    expect(said(boot())).not.toContainEqual(expect.stringMatching(/survived KILL/))
  })
})

describe('a hundred thousand children of PID 1 in a burst', () => {
  const boot = booted(scripted('exec /fault children 100000'))

  test('are all reaped', () => {
    expect(boot().console).toContain('fault: of 100000 children 0 are left')
    expect(end(boot())).toBe('code=0 signal=none reason=exit powerdown')
  })
})

describe('a PID table that the container fills', () => {
  const boot = booted({
    ...scripted(`
      echo 1000 > /proc/sys/kernel/pid_max
      [ -e /run/twice ] && exec sleep 1000
      > /run/twice
      exec /fault fill`),
    cmdline: 'zmachine.on_exit=restart',
    during: pressSoonAfter('restarting in 0.1 s'),
  })

  test('is empty when the entrypoint is started again', () => {
    expect(boot().console).toMatch(/fault: fork: (Resource temporarily unavailable|Try again)/)
    expect(said(boot()).filter((line) => line.startsWith('exited '))).toHaveLength(2)
    expect(end(boot())).toBe('code=143 signal=SIGTERM reason=stop powerdown')
  })
})

describe('a PID table that is full when a stop is asked for', () => {
  const boot = booted({
    ...scripted('echo 301 > /proc/sys/kernel/pid_max; /fault fill; echo script: holds; exec /fault deaf'),
    cmdline: 'zmachine.grace=1',
    during: pressAfter('fault: deaf'),
  })

  test('does not keep it from its end', () => {
    expect(end(boot())).toBe('code=137 signal=SIGKILL reason=stop powerdown')
    expect(record(boot())).toMatchObject({ code: 137 })
  })
})

describe('an entrypoint that takes all memory', () => {
  const boot = booted(scripted('exec /fault eat'))

  test('is killed for it, and that is told', () => {
    expect(end(boot())).toBe('code=137 signal=SIGKILL reason=oom powerdown')
    expect(record(boot())).toMatchObject({ code: 137, signal: 'SIGKILL', reason: 'oom', oomKills: 1 })
  })
})

describe('a child that takes all memory', () => {
  const boot = booted(scripted('/fault eat; echo "script: child $?"; exit 4'))

  test('is killed alone, and the record counts it', () => {
    expect(told(boot())).toContain('child 137')
    expect(end(boot())).toBe('code=4 signal=none reason=exit powerdown')
    expect(record(boot())).toMatchObject({ code: 4, reason: 'exit', oomKills: 1 })
  })
})

describe('a plain KILL of an entrypoint that lost a child for want of memory, and of the next one', () => {
  const boot = booted({
    ...scripted('[ -e /run/twice ] || { > /run/twice; /fault eat; }; kill -9 $$'),
    cmdline: 'zmachine.on_exit=restart',
    during: pressAfter('restarting in 0.2 s'),
  })

  test('are no ends for want of memory', () => {
    const ends = said(boot()).filter((line) => line.includes('; restarting in'))
    expect(ends).toHaveLength(2)
    for (const line of ends) expect(line).toMatch(/^exited code=137 signal=SIGKILL reason=signal /)
    // Each start has a count of its own.
    expect(record(boot())).toMatchObject({ reason: 'stop', oomKills: 0 })
  })
})

describe.each([
  ['takes all memory for a tmpfs', ''],
  ['takes all memory for a tmpfs, and exempts itself from being killed for that', '-1000'],
])('a container that %s', (_, adjustment) => {
  const boot = booted({
    ...scripted(`
      mount -t tmpfs -o size=100% none /tmp
      echo ${adjustment} > /proc/self/oom_score_adj
      echo script: fills
      exec dd if=/dev/zero of=/tmp/x bs=1M`),
    last: /^/,
    during: async (machine) => {
      await machine.console.waitFor('script: fills')
      // Whom nobody may kill for want of memory waits for it until he is stopped.
      await Promise.race([machine.exited, sleep(8000)])
      await machine.powerdown().catch(() => {})
    },
  })

  test('is ended, and PID 1 tells that', () => {
    // Where nobody is left to kill when a page is wanted, by PID 1 among others, the kernel panics («System is deadlocked
    // on memory»): the container's memory.max leaves PID 1 some.
    expect(boot().exit.reason).toBe('powerdown')
    expect(record(boot())).toMatchObject({ reason: expect.stringMatching(/^(oom|exit|stop)$/) })
  })
})

describe('descriptors that are used up system-wide', () => {
  const boot = booted({
    ...scripted(`
      [ -e /run/twice ] && echo script: holds && exec sleep 1000
      > /run/twice
      echo 1 > /proc/sys/fs/file-max
      exit 1`),
    cmdline: 'zmachine.on_exit=restart',
    during: press,
  })

  test('keep PID 1 neither from a restart nor from a stop', () => {
    expect(end(boot())).toBe('code=143 signal=SIGTERM reason=stop powerdown')
    expect(record(boot())).toMatchObject({ code: 143 })
  })
})

describe.each([
  ['its own cgroup', ''],
  ['one below it, as all controllers are its own to use', '/a/b'],
])('a container that freezes %s', (_, below) => {
  const cgroup = `/sys/fs/cgroup/container${below}`
  const boot = booted({
    ...scripted(`
      trap 'exit 7' TERM
      ${below === '' ? '' : `mkdir -p ${cgroup} && echo $$ > ${cgroup}/cgroup.procs`}
      echo script: freezes
      echo 1 > ${cgroup}/cgroup.freeze
      sleep 1 & while :; do wait; done`),
    cmdline: 'zmachine.grace=5',
    during: pressSoonAfter('script: freezes'),
  })

  test('is thawed by a stop, and ends in its own way', () => {
    expect(end(boot())).toBe('code=7 signal=none reason=stop powerdown')
    expect(record(boot())).toMatchObject({ code: 7, reason: 'stop' })
  })
})

describe('what a container leaves frozen', () => {
  const boot = booted({
    ...scripted(`
      mkdir /sys/fs/cgroup/container/below
      (trap '' HUP; trap 'echo clean > /left; exit' TERM
       sleep 1000 & echo script: left; while :; do wait; done) &
      echo $! > /sys/fs/cgroup/container/below/cgroup.procs
      usleep 300000
      echo 1 > /sys/fs/cgroup/container/below/cgroup.freeze
      exit 3`),
    cmdline: 'zmachine.on_exit=poweroff zmachine.grace=3',
  })

  test('is thawed at the end, and hears of it', () => {
    // Its terminal has gone with the entrypoint.
    expect(boot().file('left')).toBe('clean\n')
    expect(end(boot())).toBe('code=3 signal=none reason=exit powerdown')
  })
})

describe('cgroups that a dead session leaves, below one that takes no process any more', () => {
  const boot = booted({
    ...scripted(`
      own=/sys/fs/cgroup/container
      echo "script: in $(cat /proc/self/cgroup), beside $(find $own -mindepth 1 -type d | wc -l)"
      [ -e /run/twice ] && echo script: holds && exec sleep 1000
      > /run/twice
      mkdir -p $own/a/b $own/c
      for process in $(cat $own/cgroup.procs); do echo $process > $own/c/cgroup.procs; done
      echo +memory > $own/cgroup.subtree_control && echo script: divided
      exit 1`),
    cmdline: 'zmachine.on_exit=restart',
    during: press,
  })

  test('are gone when the entrypoint is started again, in a cgroup of its own', () => {
    const fresh = 'in 0::/container, beside 0'
    expect(told(boot())).toEqual([fresh, 'divided', fresh, 'holds'])
  })
})

describe('a container that removes PID 1’s room in its cgroup', () => {
  const boot = booted({
    ...scripted(`
      mkdir /sys/fs/cgroup/container/below
      echo $$ > /sys/fs/cgroup/container/below/cgroup.procs
      for limit in pids.max memory.max; do echo 0 > /sys/fs/cgroup/container/$limit; done
      sleep 1`),
    cmdline: 'zmachine.grace=1',
  })

  test('is ended by that, and PID 1 is not', () => {
    expect(boot().exit.reason).toBe('powerdown')
    expect(record(boot())).toMatchObject({ code: boot().container?.code })
  })
})

describe('a full /run and a full /dev/shm', () => {
  const boot = booted({
    ...scripted(`
      for place in /run /dev /dev/shm; do dd if=/dev/zero of=$place/full bs=64k count=4000 2> /dev/null; done
      ${HOLD}`),
    cmdline: 'zmachine.grace=1',
    during: press,
  })

  test('do not keep a stop from its end', () => {
    expect(boot().exit.reason).toBe('powerdown')
    expect(boot().container).toMatchObject({ reason: expect.stringMatching(/^(stop|oom)$/) })
  })
})
