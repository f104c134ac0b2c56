/** Requests to PID 1 from outside, at any stage: signals, and the ACPI power button. */

import { u16, u32 } from '../../lib/bytes.ts'
import { trim, words } from '../../lib/text.ts'
import {
  EV_KEY,
  EVIOCGBIT_EV_KEY,
  KEY_POWER,
  O_CLOEXEC,
  O_NONBLOCK,
  O_RDONLY,
  POLLIN,
} from '../../sys/flags.ts'
import { close, ioctl, open, type PollFd, poll, read } from '../../sys/linux.ts'
import { listNames, readText } from './files.ts'
import { type StopPower, stopOf } from './stop.ts'
import { pauseWatchdog, resumeWatchdog } from './watchdog.ts'

/** Thrown on a request to stop while the machine is still being set up. */
export class Stopped extends Error {
  readonly power: StopPower

  constructor(power: StopPower) {
    super('stopped on request')
    this.power = power
  }
}

/** struct signalfd_siginfo, signalfd(2). */
const SIGINFO = 128

/** struct input_event on 64 bits: time (16 bytes), type, code, value. */
const INPUT_EVENT = 24

let signals = -1
let buttons: number[] | undefined
/** Descriptors of both; undefined if they changed. */
let watched: readonly PollFd[] | undefined
/** The button was pressed before it was opened. */
let pressedEarly = false

/** @param fd a signalfd for all signals */
export function watchSignals(fd: number): void {
  signals = fd
  watched = undefined
}

/** Looks for the power button. Its drivers may be modules, so not before these are loaded. */
export function listen(): void {
  if (buttons !== undefined && buttons.length > 0) return
  buttons = openButtons()
  watched = undefined
}

/** Descriptors to poll; the first is the signalfd. */
export function requestFds(): readonly PollFd[] {
  if (buttons === undefined) listen()
  watched ??= [signals, ...(buttons ?? [])].map((fd) => ({ fd, events: POLLIN }))
  return watched
}

/** All requests since the last call. */
export function readRequests(): { readonly signals: readonly number[]; readonly pressed: boolean } {
  let pressed = pressedEarly
  pressedEarly = false
  for (const fd of buttons ?? []) if (isPressed(fd)) pressed = true
  return { signals: readSignals(), pressed }
}

/**
 * The power state of a stop that was requested, or undefined. Other signals are dropped, as there is no entrypoint to
 * forward them to.
 */
export function readStop(): StopPower | undefined {
  const requests = readRequests()
  if (requests.pressed) return 'poweroff'
  for (const signal of requests.signals) {
    const power = stopOf(signal)
    if (power !== undefined) return power
  }
  return undefined
}

/** @throws Stopped if a stop was requested */
export function throwIfStopped(): void {
  const power = readStop()
  if (power !== undefined) throw new Stopped(power)
}

/**
 * Waits for descriptors like `poll`, and for requests to stop. The watchdog sleeps meanwhile.
 * @returns the events of each of `fds`; nothing if only a signal came
 * @throws Stopped if a stop was requested
 */
export function pollOrStop(fds: readonly PollFd[], timeout: number): readonly number[] {
  const all = [...fds, ...requestFds()]
  if (pressedEarly) throwIfStopped()
  pauseWatchdog()
  const ready = poll(all, timeout)
  resumeWatchdog()
  if (typeof ready === 'number') return []
  if (ready.slice(fds.length).some((events) => events !== 0)) throwIfStopped()
  return ready.slice(0, fds.length)
}

/** A device that is gone would be ready for ever. */
export function forget(fd: number): void {
  buttons = buttons?.filter((each) => each !== fd)
  watched = undefined
}

function readSignals(): number[] {
  const infos = new Uint8Array(SIGINFO * 8)
  const found: number[] = []
  for (;;) {
    const length = read(signals, infos)
    for (let at = 0; at < length; at += SIGINFO) found.push(u32(infos, at))
    if (length < infos.length) return found
  }
}

/** Opens the input devices that have a power key, such as ACPI's button (drivers/acpi/button.c). */
function openButtons(): number[] {
  const found: number[] = []
  for (const name of listNames('/dev/input') ?? []) {
    if (!name.startsWith('event')) continue
    const fd = open(`/dev/input/${name}`, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    if (fd < 0) continue
    const keys = new Uint8Array(96)
    const has =
      ioctl(fd, EVIOCGBIT_EV_KEY, keys) >= 0 && ((keys[KEY_POWER >> 3] ?? 0) & (1 << (KEY_POWER & 7))) !== 0
    if (has) found.push(fd)
    else close(fd)
  }
  pressedEarly = found.length > 0 && wasPressed()
  return found
}

/**
 * An input device reports nothing from before it was opened, but the kernel counts the fixed power button's events from its
 * start (Documentation/ABI/testing/sysfs-firmware-acpi): `       1  EN     enabled      unmasked`.
 */
function wasPressed(): boolean {
  const [count = '0'] = words(trim(readText('/sys/firmware/acpi/interrupts/ff_pwr_btn') ?? ''))
  return count !== '0'
}

function isPressed(fd: number): boolean {
  const events = new Uint8Array(INPUT_EVENT * 16)
  let pressed = false
  for (;;) {
    const length = read(fd, events)
    if (length <= 0) return pressed
    for (let at = 0; at < length; at += INPUT_EVENT) {
      if (u16(events, at + 16) === EV_KEY && u16(events, at + 18) === KEY_POWER && u32(events, at + 20) === 1)
        pressed = true
    }
  }
}
