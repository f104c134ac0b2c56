/**
 * Runs a PID 1 in namespaces of its own (pid, mount, uts, ipc, net), on a terminal of its own: ours with a command line
 * of its own (enter.sh), and others that a container may have. Needs root, and util-linux' and bsdutils' programs.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PRODUCTS } from '../../build/paths.ts'
import { type ContainerExit, containerExit } from '../../src/host/console/container-exit.ts'
import { needProgram } from '../../src/host/lib/programs.ts'
import { guestProgram, probeProgram } from '../qemu/lib/files.ts'

const UNSHARE = ['unshare', '--pid', '--fork', '--kill-child', '--mount', '--uts', '--ipc', '--net']
const ENTER = fileURLToPath(new URL('enter.sh', import.meta.url))
const ORPHANS = new URL('../bench/orphans.c', import.meta.url)
const LATENCY = new URL('../bench/latency.c', import.meta.url)
const FAULT = new URL('../faults/guest/fault.c', import.meta.url)
const SEALED = new URL('sealed.c', import.meta.url)

/** Says itself that PID 1 is about to begin. */
const BEGINS = 'pid1 begins'

/** Nothing here takes as long, on a computer that does much else, but what waits on purpose. Milliseconds. */
const PATIENCE = 60_000

export interface Programs {
  readonly probe: string
  readonly shell: string
  /** test/bench/orphans.c */
  readonly orphans: string
  /** test/bench/latency.c */
  readonly latency: string
}

/** What is run as PID 1, and how a child is given to it. */
export interface Init {
  readonly name: string
  /** The command for `script`, whose PID 1 starts a child. */
  readonly command: (folder: string, child: readonly string[]) => Promise<readonly string[]>
  readonly programs: () => Promise<Programs>
}

export interface Ended {
  /** The child's, as PID 1 tells it. */
  readonly code: number
  readonly output: string
  readonly milliseconds: number
  /** What our own PID 1 says beyond the code. */
  readonly exit: ContainerExit | undefined
}

export interface Running {
  readonly output: () => string
  /** Resolves with what the pattern finds in the output; rejects where it comes to an end before. */
  readonly says: (pattern: RegExp) => Promise<RegExpExecArray>
  /** PID 1, as this machine counts. */
  readonly pid: () => number
  /** To PID 1, as a host would. */
  readonly signal: (signal: NodeJS.Signals | number) => void
  readonly type: (text: string) => void
  readonly ended: Promise<Ended>
}

/**
 * @param options more of our command line
 * @param program another build of it
 */
export const ours = (options = '', program: string = PRODUCTS.init): Init => ({
  name: 'zmachine-init',
  programs: async () => ({ probe: '/probe', shell: '/bin/sh', orphans: '/orphans', latency: '/latency' }),
  async command(folder, [init = '', ...args]) {
    const layers = ['lowerdir=/layers/lower', 'upperdir=/layers/upper', 'workdir=/layers/work'].join(',')
    const root = `root=layers rootfstype=overlay rootflags=${layers} rw`
    const quoted = args.map((arg) => (arg.includes(' ') ? `"${arg}"` : arg)).join(' ')
    const cmdline = `${root} zmachine.on_exit=poweroff zmachine.grace=3 ${options} init=${init} -- ${quoted}`
    const files = [
      program,
      await guestProgram(SEALED),
      await probeProgram(),
      needProgram('busybox', 'busybox-static'),
      await guestProgram(ORPHANS),
      await guestProgram(LATENCY),
      await guestProgram(FAULT),
    ]
    return [...UNSHARE, 'sh', ENTER, folder, cmdline, ...files]
  },
})

/**
 * Another one, in this machine's own root, and sealed as ours is: the filter costs a tenth of a microsecond a system call.
 * @param command its name, as Debian's package has it too, and its options
 */
export const other = (name: string, [program = '', ...options]: readonly string[]): Init => ({
  name,
  programs: hostPrograms,
  command: async (_, child) => [
    ...[...UNSHARE, '--mount-proc', 'sh', '-c', `echo ${BEGINS}; exec "$@"`, 'sh'],
    await guestProgram(SEALED),
    needProgram(program, program),
    ...options,
    ...child,
  ],
})

/** BusyBox' init, which knows its children by a file only. It does not end with them. */
export const busyboxInit: Init = {
  name: 'busybox init',
  programs: hostPrograms,
  command: async (_, child) => {
    const script = `mount -t tmpfs none /etc; echo "::once:$1" > /etc/inittab; shift; echo ${BEGINS}; exec "$@"`
    return [
      ...[...UNSHARE, '--mount-proc', 'sh', '-c', script, 'sh', child.join(' ')],
      ...[await guestProgram(SEALED), needProgram('busybox', 'busybox-static'), 'init'],
    ]
  },
}

/** In this machine's own root. */
async function hostPrograms(): Promise<Programs> {
  return {
    probe: await probeProgram(),
    shell: '/bin/sh',
    orphans: await guestProgram(ORPHANS),
    latency: await guestProgram(LATENCY),
  }
}

const quoteForShell = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`

/**
 * @param folder an empty place to mount on, of this call's own
 * @param more variables, for enter.sh
 * @param patience how long it may run, in milliseconds
 */
export async function startInit(
  init: Init,
  folder: string,
  child: readonly string[],
  more: NodeJS.ProcessEnv = {},
  patience = PATIENCE,
): Promise<Running> {
  mkdirSync(join(folder, 'initramfs'), { recursive: true })
  const command = (await init.command(join(folder, 'initramfs'), child)).map(quoteForShell).join(' ')
  const script = spawn(needProgram('script', 'bsdutils'), ['-qefc', `exec ${command}`, '/dev/null'], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, LC_ALL: 'C', SHELL: '/bin/sh', ...more },
  })
  return watch(script, patience)
}

/** To its end. */
export async function runInit(init: Init, folder: string, child: readonly string[]): Promise<Ended> {
  return (await startInit(init, folder, child)).ended
}

/** Ends it, whatever it is at. */
export async function stop(running: Running): Promise<void> {
  try {
    running.signal('SIGKILL')
  } catch {
    // It has ended.
  }
  await running.ended
}

function watch(script: ChildProcess, patience: number): Running {
  const began = performance.now()
  let output = ''
  const heard = new Set<() => void>()
  const hear = (bytes: Buffer): void => {
    output += bytes.toString('latin1')
    for (const each of heard) each()
  }
  script.stdout?.on('data', hear)
  script.stderr?.on('data', hear)
  // Who is gone does not read what is typed.
  script.stdin?.on('error', () => {})
  const timer = setTimeout(() => script.kill('SIGKILL'), patience)
  const ended = new Promise<Ended>((resolve) => {
    script.on('close', (status) => {
      clearTimeout(timer)
      const exit = containerExit(output)
      resolve({ code: exit?.code ?? status ?? -1, output, milliseconds: performance.now() - began, exit })
    })
  })
  const says = (pattern: RegExp): Promise<RegExpExecArray> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        const found = pattern.exec(output)
        if (found === null) return
        heard.delete(look)
        resolve(found)
      }
      heard.add(look)
      look()
      void ended.then(() => reject(new Error(`it ended without ${pattern}:\n${output}`)))
    })
  const pid = (): number => {
    const found = findPid1(script.pid ?? -1)
    // 0, 1 and -1 would be somebody else: everybody.
    if (found <= 1) throw new Error(`there is no PID 1:\n${output}`)
    return found
  }
  return {
    output: () => output,
    says,
    pid,
    signal: (signal) => {
      process.kill(pid(), signal)
    },
    type: (text) => script.stdin?.write(text),
    ended,
  }
}

/** Below a process, the one that is PID 1 of its namespace. */
function findPid1(from: number): number {
  for (const child of childrenOf(from)) {
    const [, second] = /^NSpid:\t\d+\t(\d+)$/m.exec(readFileSync(`/proc/${child}/status`, 'latin1')) ?? []
    if (second === '1') return child
    const below = findPid1(child)
    if (below > 0) return below
  }
  return -1
}

/** Of this thread's making, as this machine counts. */
export function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim()
  return text === '' ? [] : text.split(' ').map(Number)
}

/** Once PID 1 is there, or about to be. */
export const begins = (running: Running): Promise<RegExpExecArray> => running.says(new RegExp(BEGINS))
