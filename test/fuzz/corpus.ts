/** Inputs on disk: the corpus of the tree, and what made a decoder fail. A file is called by its content. */

import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Bytes } from '../../src/lib/bytes.ts'

const CORPUS = join(import.meta.dirname, 'corpus')
const CRASHES = join(import.meta.dirname, 'crashes')

const nameOf = (input: Bytes): string => createHash('sha256').update(input).digest('hex').slice(0, 12)

/** In an order that is the same everywhere, the smallest first. */
export function readCorpus(target: string): Bytes[] {
  const folder = join(CORPUS, target)
  if (!existsSync(folder)) return []
  const inputs = readdirSync(folder)
    .sort()
    .map((name) => new Uint8Array(readFileSync(join(folder, name))))
  return inputs.sort((a, b) => a.length - b.length)
}

/** Writes what is new and deletes what is there no longer. */
export function writeCorpus(target: string, inputs: readonly Bytes[]): void {
  const folder = join(CORPUS, target)
  mkdirSync(folder, { recursive: true })
  const names = new Set(inputs.map(nameOf))
  for (const name of readdirSync(folder)) if (!names.has(name)) rmSync(join(folder, name))
  for (const input of inputs) writeFileSync(join(folder, nameOf(input)), input)
}

/** @returns the file's path */
export function writeCrash(target: string, input: Bytes): string {
  const folder = join(CRASHES, target)
  mkdirSync(folder, { recursive: true })
  const file = join(folder, nameOf(input))
  writeFileSync(file, input)
  return file
}
