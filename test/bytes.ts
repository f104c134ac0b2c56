/** Byte strings for tests: a character for each byte (see `src/sys/port.ts`). */

import { readFileSync } from 'node:fs'
import fc from 'fast-check'

/** Text as it comes from the kernel: its UTF-8, with a character for each byte. */
export const utf8 = (text: string): string => Buffer.from(text, 'utf8').toString('latin1')

export const readBytes = (path: string | URL): string => readFileSync(path, 'latin1')

/** A file of a seed that a host's serializer wrote. */
export const seedFile = (seed: string, name: string): string =>
  readBytes(new URL(`./fixtures/seeds/${seed}/${name}`, import.meta.url))

/** Any bytes, including NUL. */
export const anyBytes = (maxLength = 200): fc.Arbitrary<string> =>
  fc.uint8Array({ maxLength }).map((bytes) => Buffer.from(bytes).toString('latin1'))

/** What an argument or a variable may hold: any bytes except NUL. */
export const anyText = (maxLength = 60): fc.Arbitrary<string> =>
  anyBytes(maxLength).map((text) => text.replaceAll('\0', ' '))

/** Text made only of the given characters, so that rare ones meet. */
export const textOf = (alphabet: string, maxLength = 40): fc.Arbitrary<string> =>
  fc.array(fc.constantFrom(...alphabet), { maxLength }).map((chars) => chars.join(''))
