/** Runs other programs for the build: their output goes to a log and is shown only where it explains a failure. */
import { spawn } from 'node:child_process'
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { ROOT } from './paths.ts'

/** What went wrong and what the reader can do about it. Printed without a stack. */
export class BuildError extends Error {
  override readonly name = 'BuildError'
  readonly advice: string | undefined

  constructor(message: string, advice?: string) {
    super(message)
    this.advice = advice
  }
}

export interface CommandOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** Bytes for its standard input. */
  readonly input?: Uint8Array
  /** The raw output is appended to this file, and the error message names it. */
  readonly log?: string
  /** Called with each whole line of standard output as it comes. */
  readonly onLine?: (line: string) => void
  /** What to do when it fails, for the error message. */
  readonly advice?: string
}

/** A file for the raw output of one noisy thing, emptied. */
export function freshLog(name: string): string {
  const path = join(ROOT, 'dist/log', `${name}.log`)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, '')
  return path
}

const LINES_SHOWN = 12

/** Runs a program to its end and returns its standard output. Throws a BuildError unless it exits with 0. */
export function run(program: string, args: readonly string[], options: CommandOptions = {}): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
  const said = [program, ...args].join(' ')
  if (options.log) appendFileSync(options.log, `$ ${said}\n`)
  const child = spawn(program, args, {
    cwd: options.cwd ?? ROOT,
    env: { ...process.env, LC_ALL: 'C.UTF-8', ...options.env },
  })
  const out: Buffer[] = []
  const all: Buffer[] = []
  let partial = ''
  const keep = (chunk: Buffer): void => {
    all.push(chunk)
    if (options.log) appendFileSync(options.log, chunk)
  }
  child.stdout.on('data', (chunk: Buffer) => {
    out.push(chunk)
    keep(chunk)
    if (!options.onLine) return
    const lines = (partial + chunk.toString()).split('\n')
    partial = lines.pop() ?? ''
    for (const line of lines) options.onLine(line)
  })
  child.stderr.on('data', keep)
  child.on('error', (error) => {
    reject(new BuildError(`${program}: cannot be started: ${error.message}`, options.advice))
  })
  child.on('close', (code, signal) => {
    if (code === 0) return resolve(Buffer.concat(out))
    const tail = Buffer.concat(all).toString().trimEnd().split('\n').slice(-LINES_SHOWN).join('\n')
    const where = options.log ? `\nThe whole output is in ${options.log}` : ''
    reject(new BuildError(`${short(said)}: ${ending(code, signal)}\n${tail}${where}`, options.advice))
  })
  // A program that ends without reading its input must fail by its own exit code, not by our EPIPE.
  child.stdin.on('error', () => undefined)
  child.stdin.end(options.input)
  return promise
}

function ending(code: number | null, signal: string | null): string {
  return signal ? `killed by ${signal}` : `exit code ${code}`
}

function short(text: string): string {
  return text.length > 200 ? `${text.slice(0, 197)}...` : text
}
