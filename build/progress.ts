/** One calm line per thing done: what, how big, how long. */
import { BuildError } from './command.ts'

const WIDTH = 46

/** Runs one step and prints its line when it ends; on a terminal the name is there while it runs. */
export async function step<T>(name: string, make: () => Promise<T>, tell?: (made: T) => string): Promise<T> {
  const start = performance.now()
  if (process.stdout.isTTY) process.stdout.write(`  ${name} …`)
  try {
    const made = await make()
    line(name, tell?.(made) ?? '', performance.now() - start)
    return made
  } catch (error) {
    if (process.stdout.isTTY) process.stdout.write('\n')
    throw error
  }
}

/** Prints a line that needs no step of its own. */
export function note(text: string): void {
  clear()
  process.stdout.write(`  ${text}\n`)
}

function line(name: string, told: string, ms: number): void {
  clear()
  process.stdout.write(
    `  ${name.padEnd(WIDTH)}${told.padStart(12)}  ${(ms / 1000).toFixed(1).padStart(6)} s\n`,
  )
}

function clear(): void {
  if (process.stdout.isTTY) process.stdout.write('\r\x1b[K')
}

/** 123,456 → `123.5 KB` (KB is 1000 bytes, as the limits are counted). */
export function size(bytes: number): string {
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} KB` : `${(bytes / 1e6).toFixed(1)} MB`
}

/** The frame of every command of the build: errors are printed for people, and the exit code is set. */
export async function command(main: () => Promise<void>): Promise<void> {
  // Whoever reads our output, as head(1), has seen enough.
  process.stdout.on('error', () => process.exit(0))
  try {
    await main()
  } catch (error) {
    process.exitCode = 1
    if (!(error instanceof BuildError)) throw error
    process.stderr.write(`\nerror: ${error.message}\n${error.advice ? `\n${error.advice}\n` : ''}`)
  }
}
