/** Inputs on disk: those that once reached something new or broke a decoder. A file is named after its content. */

import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Bytes } from '../../src/lib/bytes.ts'

export const CORPUS = join(import.meta.dirname, 'corpus')

const nameOf = (input: Bytes): string => createHash('sha256').update(input).digest('hex').slice(0, 12)

/** A target's inputs, in an order that is the same everywhere. */
export function readCorpus(target: string): Bytes[] {
  const folder = join(CORPUS, target)
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .sort()
    .map((name) => new Uint8Array(readFileSync(join(folder, name))))
}

export function writeInputs(folder: string, inputs: readonly Bytes[]): void {
  mkdirSync(folder, { recursive: true })
  for (const input of inputs) writeFileSync(join(folder, nameOf(input)), input)
}
