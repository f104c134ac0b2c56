/** New inputs out of old ones. */

import type { Bytes } from '../../src/lib/bytes.ts'
import type { Random } from './random.ts'

export interface Material {
  readonly random: Random
  /** What an input may be put together with. */
  readonly corpus: readonly Bytes[]
  /** Words that the decoder knows. */
  readonly tokens: readonly Bytes[]
  /** In bytes. */
  readonly most: number
}

type Mutation = (input: Bytes, material: Material) => Bytes

const NOTHING: Bytes = new Uint8Array(0)

/** Numbers at which lengths and counts go wrong, as bytes of both orders. */
const EDGES: readonly Bytes[] = [
  [0],
  [1],
  [3],
  [4],
  [0x7f],
  [0x80],
  [0xff],
  [0, 0],
  [0xff, 0xff],
  [0x10, 0],
  [0, 0x10],
  [0xff, 0xff, 0xff, 0x7f],
  [0xff, 0xff, 0xff, 0xff],
  [0, 0, 0, 0x80],
].map((bytes) => Uint8Array.from(bytes))

/** Characters at which texts go wrong. */
const MARKS = Buffer.from(' \n\t\r"\'\\=:;,#-[]{}|>&*!%@`?~/.\0\x1b\x9b\xa0\xc3')

/** One to eight changes of a kind each, mostly few. */
export function mutate(input: Bytes, material: Material): Bytes {
  const { random, most } = material
  let output = input
  for (let left = 1 + Math.min(random.below(8), random.below(8)); left > 0; left--) {
    output = random.pick(MUTATIONS)(output, material)
  }
  return output.length > most ? output.slice(0, most) : output
}

/** A piece of it as often as it fits: what takes more than linear time shows there. */
export function stretch(input: Bytes, { random }: Material, length: number): Bytes {
  const [from, to] = span(input, random)
  const piece = input.subarray(from, Math.max(to, from + 1))
  if (piece.length === 0) return input
  const times = Math.max(0, Math.floor((length - input.length) / piece.length))
  const pieces = new Uint8Array(times * piece.length)
  for (let at = 0; at < pieces.length; at += piece.length) pieces.set(piece, at)
  return join(input.subarray(0, from), pieces, input.subarray(from))
}

const MUTATIONS: readonly [Mutation, ...Mutation[]] = [
  function flipBit(input, { random }) {
    const at = random.below(input.length)
    return put(input, at, Uint8Array.of((input[at] ?? 0) ^ (1 << random.below(8))))
  },
  function changeByte(input, { random }) {
    return put(input, random.below(input.length), Uint8Array.of(random.below(256)))
  },
  function countByte(input, { random }) {
    const at = random.below(input.length)
    return put(input, at, Uint8Array.of((input[at] ?? 0) + random.below(9) - 4))
  },
  function putEdge(input, { random }) {
    return put(input, random.below(input.length), random.maybe(EDGES) ?? NOTHING)
  },
  function insertMark(input, { random }) {
    return insert(
      input,
      random.below(input.length + 1),
      Uint8Array.of(MARKS[random.below(MARKS.length)] ?? 0),
    )
  },
  function insertToken(input, { random, tokens }) {
    return insert(input, random.below(input.length + 1), random.maybe(tokens) ?? NOTHING)
  },
  function putToken(input, { random, tokens }) {
    return put(input, random.below(input.length), random.maybe(tokens) ?? NOTHING)
  },
  function remove(input, { random }) {
    const [from, to] = span(input, random)
    return join(input.subarray(0, from), input.subarray(to))
  },
  function double(input, { random }) {
    const [from, to] = span(input, random)
    return insert(input, to, input.subarray(from, to))
  },
  function move(input, { random }) {
    const [from, to] = span(input, random)
    const rest = join(input.subarray(0, from), input.subarray(to))
    return insert(rest, random.below(rest.length + 1), input.subarray(from, to))
  },
  function splice(input, { random, corpus }) {
    const other = random.maybe(corpus) ?? NOTHING
    return join(input.subarray(0, random.below(input.length + 1)), other.subarray(random.below(other.length)))
  },
  function insertPart(input, { random, corpus }) {
    const other = random.maybe(corpus) ?? NOTHING
    const [from, to] = span(other, random)
    return insert(input, random.below(input.length + 1), other.subarray(from, to))
  },
]

/** A short stretch, sometimes a long one. */
function span(input: Bytes, random: Random): [from: number, to: number] {
  const from = random.below(input.length)
  const longest = random.below(4) === 0 ? input.length : 16
  return [from, Math.min(input.length, from + 1 + random.below(longest))]
}

function put(input: Bytes, at: number, bytes: Bytes): Bytes {
  return join(input.subarray(0, at), bytes, input.subarray(at + bytes.length))
}

const insert = (input: Bytes, at: number, bytes: Bytes): Bytes =>
  join(input.subarray(0, at), bytes, input.subarray(at))

export function join(...parts: readonly Bytes[]): Bytes {
  const joined = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    joined.set(part, at)
    at += part.length
  }
  return joined
}
