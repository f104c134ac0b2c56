/**
 * The power button: input devices that are FIFOs, in a mount namespace of its own. A FIFO has no keys, so the question
 * for them is answered here; events are read as the kernel writes them.
 */

import { execFileSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs'
import { beforeAll, describe, expect, test } from 'vitest'
import { listen, readRequests, readStop, requestFds, watchSignals } from '../../src/boot/io/requests.ts'
import { nodeRuntime } from '../../src/runtime/node/host.ts'
import { must } from '../../src/sys/errno.ts'
import { EV_KEY, EVIOCGBIT_EV_KEY, KEY_POWER } from '../../src/sys/flags.ts'
import { mount, poll, SYS_ioctl, SYS_openat, useRuntime } from '../../src/sys/linux.ts'
import type { Runtime } from '../../src/sys/port.ts'
import { enterMountNamespace } from './namespace.ts'

/** linux/input.h */
const EV_SYN = 0
const KEY_SLEEP = 142
const PRESSED = 1
const RELEASED = 0
const REPEATED = 2

/** struct input_event on 64 bits. */
function event(type: number, code: number, value: number): Buffer {
  const bytes = Buffer.alloc(24)
  bytes.writeUInt16LE(type, 16)
  bytes.writeUInt16LE(code, 18)
  bytes.writeInt32LE(value, 20)
  return bytes
}

const key = (value: number, code = KEY_POWER): Buffer =>
  Buffer.concat([event(EV_KEY, code, value), event(EV_SYN, 0, 0)])

const KEYBOARD = '/dev/input/event0'
const BUTTON = '/dev/input/event1'

/** Their writing ends. */
let keyboard: number
let button: number

/** PID 1's descriptor of the button: the keyboard has no power key. */
let buttonFd = -1

const runtime: Runtime = {
  ...nodeRuntime,
  syscall(number, ...args) {
    const [fd, request, keys] = args
    if (number === SYS_ioctl && request === EVIOCGBIT_EV_KEY && keys instanceof Uint8Array) {
      if (fd === buttonFd) keys[KEY_POWER >> 3] = 1 << (KEY_POWER & 7)
      return keys.length
    }
    const result = nodeRuntime.syscall(number, ...args)
    if (number === SYS_openat && request === BUTTON) buttonFd = result
    return result
  },
}

beforeAll(() => {
  enterMountNamespace()
  useRuntime(runtime)
  for (const path of ['/dev', '/sys/firmware']) must(mount('tmpfs', path, 'tmpfs', 0), () => `mount ${path}`)
  mkdirSync('/dev/input')
  execFileSync('mkfifo', [KEYBOARD, BUTTON])
  writeFileSync('/dev/input/mice', '')
  mkdirSync('/sys/firmware/acpi/interrupts', { recursive: true })
  writeFileSync('/sys/firmware/acpi/interrupts/ff_pwr_btn', '       0  EN     enabled      unmasked\n')
  // Both ends, so that opening waits for nobody.
  keyboard = openSync(KEYBOARD, 'r+')
  button = openSync(BUTTON, 'r+')
  watchSignals(-1)
  listen()
  return () => {
    closeSync(keyboard)
    closeSync(button)
  }
})

describe('the power button', () => {
  test('is the only input device with a power key', () => {
    // Beside the signals.
    expect(requestFds()).toHaveLength(2)
  })

  test('that nobody touched asks for nothing', () => {
    expect(readRequests()).toEqual({ signals: [], pressed: false })
  })

  test('asks for a stop when it is pressed, once', () => {
    writeSync(button, key(PRESSED))
    expect([readStop(), readStop()]).toEqual(['poweroff', undefined])
  })

  test('asks for nothing when it is released, or held', () => {
    writeSync(button, key(RELEASED))
    expect(readStop()).toBeUndefined()
    writeSync(button, key(REPEATED))
    expect(readStop()).toBeUndefined()
  })

  test('is not another key', () => {
    writeSync(button, key(PRESSED, KEY_SLEEP))
    writeSync(button, event(EV_SYN, KEY_POWER, PRESSED))
    expect(readStop()).toBeUndefined()
  })

  test('is heard through more events than are read at a time', () => {
    for (let times = 0; times < 40; times++) writeSync(button, key(RELEASED))
    writeSync(button, key(PRESSED))
    expect(readRequests().pressed).toBe(true)
    // Everything was read.
    const ready = poll(requestFds(), 0)
    expect(ready).toEqual([0, 0])
  })

  test('on a device without a power key is not listened to', () => {
    writeSync(keyboard, key(PRESSED))
    expect(readStop()).toBeUndefined()
  })
})
