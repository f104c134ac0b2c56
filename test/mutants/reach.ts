/** Which test files reach a source file, by what they import and what they start. */

import { readFileSync } from 'node:fs'
import { posix } from 'node:path'

/**
 * Node's host of PID 1 can load all of it, and a test that only makes system calls by it loads nothing: what it names
 * would make every test in namespaces reach everything.
 */
const LOADER = 'src/runtime/node/'

/** Files of the project that a file names, by paths from the project's root. Types alone don't count: they run nothing. */
export function namedIn(file: string, text: string): string[] {
  if (file.startsWith(LOADER)) return []
  const names = text
    .replaceAll(/^import type .*?from '.*?'$/gms, '')
    .replaceAll(/typeof import\(.*?\)/g, '')
    .matchAll(/['"`](\.{1,2}\/[^'"`\n]+\.ts)['"`]/g)
  const found = [...names].map(([, name = '']) => posix.join(posix.dirname(file), name))
  return [...new Set(found)]
}

/** How many imports away each file is that a file reaches. A name without a file (one that a test makes up) is left out. */
export function distances(from: string, read: (file: string) => string | undefined): Map<string, number> {
  const found = new Map([[from, 0]])
  // A Map's entries can grow while they are walked through.
  for (const [file, distance] of found) {
    for (const next of namedIn(file, read(file) ?? '')) {
      if (!found.has(next) && read(next) !== undefined) found.set(next, distance + 1)
    }
  }
  return found
}

/** Reads each file once. */
export function reader(root: string): (file: string) => string | undefined {
  const texts = new Map<string, string | undefined>()
  return (file) => {
    if (!texts.has(file)) texts.set(file, readOrNothing(posix.join(root, file)))
    return texts.get(file)
  }
}

function readOrNothing(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}
