/** One calm line per thing done: what, how big, how long. */
import { BuildError } from './command.ts'

const WIDTH = 46

/** Prints the title of what follows. */
export function heading(text: string): void {
  process.stdout.write(`\n${text}\n${'─'.repeat(text.length)}\n`)
}

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

export interface Progress {
  /** One more of the expected steps is done. */
  advance(): void
  /** Takes the bar away. */
  end(): void
}

const BAR = 24

/**
 * A bar for what takes minutes, with the time left; where nobody watches a terminal, a line for each tenth.
 * @param expected how many steps there will be, about
 */
export function progress(name: string, expected: number): Progress {
  const start = performance.now()
  let done = 0
  let tenth = 0
  let painted = 0
  const left = (): string => {
    const seconds = ((performance.now() - start) / 1000 / done) * (expected - done)
    return seconds < 90 ? `${Math.ceil(seconds)} s left` : `${Math.round(seconds / 60)} min left`
  }
  return {
    advance() {
      // More than expected is no news: it stays at the end.
      done = Math.min(done + 1, expected - 1)
      if (process.stdout.isTTY) {
        if (performance.now() - painted < 100) return
        painted = performance.now()
        const full = Math.floor((done / expected) * BAR)
        process.stdout.write(
          `\r\x1b[K  ${name}  [${'#'.repeat(full)}${'.'.repeat(BAR - full)}] ${Math.floor((done / expected) * 100)} %, ${left()}`,
        )
      } else if (Math.floor((done / expected) * 10) > tenth) {
        tenth = Math.floor((done / expected) * 10)
        process.stdout.write(`  ${name}: ${tenth}0 %, ${left()}\n`)
      }
    },
    end: clear,
  }
}
