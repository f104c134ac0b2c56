/**
 * Methods of the language in its own bytecode, in place of the engine's in C (build/lean/quickjs-prune.ts takes those out). A
 * boot calls each of them a few times. In C each is some hundred machine instructions that nothing else executes, and that
 * an emulated processor has to translate first; bytecode needs none but the interpreter's (docs/performance.md).
 *
 * They are the language's methods (ECMA-262) but for what the bundle has none of: arrays have no holes, are of no class derived
 * from Array, and do not shrink while a method goes through them; no number is NaN, and a zero has no sign.
 */

type Test<T> = (one: T, index: number, all: readonly T[]) => unknown
type Order<T> = (a: T, b: T) => number

/** Of Array.prototype. */
export const arrayMethods = {
  at<T>(this: readonly T[], index: number): T | undefined {
    return this[index < 0 ? index + this.length : index]
  },

  every<T>(this: readonly T[], test: Test<T>): boolean {
    for (let at = 0, { length } = this; at < length; at++) if (!test(this[at] as T, at, this)) return false
    return true
  },

  some<T>(this: readonly T[], test: Test<T>): boolean {
    for (let at = 0, { length } = this; at < length; at++) if (test(this[at] as T, at, this)) return true
    return false
  },

  forEach<T>(this: readonly T[], call: Test<T>): void {
    for (let at = 0, { length } = this; at < length; at++) call(this[at] as T, at, this)
  },

  map<T, U>(this: readonly T[], make: (one: T, index: number, all: readonly T[]) => U): U[] {
    const made: U[] = []
    for (let at = 0, { length } = this; at < length; at++) made[at] = make(this[at] as T, at, this)
    return made
  },

  flatMap<T, U>(
    this: readonly T[],
    make: (one: T, index: number, all: readonly T[]) => U | readonly U[],
  ): U[] {
    const made: U[] = []
    for (let at = 0, { length } = this; at < length; at++) {
      const some = make(this[at] as T, at, this)
      if (Array.isArray(some)) for (const one of some) made[made.length] = one
      else made[made.length] = some as U
    }
    return made
  },

  filter<T>(this: readonly T[], test: Test<T>): T[] {
    const kept: T[] = []
    for (let at = 0, { length } = this; at < length; at++) {
      const one = this[at] as T
      if (test(one, at, this)) kept[kept.length] = one
    }
    return kept
  },

  find<T>(this: readonly T[], test: Test<T>): T | undefined {
    for (let at = 0, { length } = this; at < length; at++) {
      const one = this[at] as T
      if (test(one, at, this)) return one
    }
    return undefined
  },

  findIndex<T>(this: readonly T[], test: Test<T>): number {
    for (let at = 0, { length } = this; at < length; at++) if (test(this[at] as T, at, this)) return at
    return -1
  },

  indexOf<T>(this: readonly T[], wanted: T, from = 0): number {
    for (let at = begin(from, this.length), { length } = this; at < length; at++)
      if (this[at] === wanted) return at
    return -1
  },

  includes<T>(this: readonly T[], wanted: T, from = 0): boolean {
    return this.indexOf(wanted, from) >= 0
  },

  join(this: readonly unknown[], separator = ','): string {
    let text = ''
    for (let at = 0, { length } = this; at < length; at++) {
      if (at > 0) text += separator
      text += this[at] ?? ''
    }
    return text
  },

  slice<T>(this: readonly T[], from = 0, to = this.length): T[] {
    const part: T[] = []
    const end = begin(to, this.length)
    for (let at = begin(from, this.length); at < end; at++) part[part.length] = this[at] as T
    return part
  },

  reverse<T>(this: T[]): T[] {
    for (let at = 0, last = this.length - 1; at < last; at++, last--) {
      const one = this[at] as T
      this[at] = this[last] as T
      this[last] = one
    }
    return this
  },

  sort<T>(this: T[], order: Order<T> = byText): T[] {
    mergeSort(this, 0, this.length, order)
    return this
  },
}

/** Of the typed arrays themselves. */
export const typedArrayFunctions = {
  of<T extends Uint8Array | Uint16Array | Uint32Array>(
    this: new (
      length: number,
    ) => T,
    ...elements: readonly number[]
  ): T {
    const made = new this(elements.length)
    for (let at = 0, { length } = elements; at < length; at++) made[at] = elements[at] as number
    return made
  },
}

/** Of Map.prototype and Set.prototype: an array, over which the engine goes in fewer steps than over an iterator; nobody takes those one by one. */
export const collectionMethods = {
  values<T>(this: ReadonlyMap<unknown, T> | ReadonlySet<T>): T[] {
    const all: T[] = []
    this.forEach((value: T) => {
      all[all.length] = value
    })
    return all
  },
}

/** Of String.prototype. */
export const stringMethods = {
  endsWith(this: string, end: string): boolean {
    return this.slice(this.length - end.length) === end
  },
}

/** Of Math. */
export const mathMethods = {
  min(...all: readonly number[]): number {
    let least = all[0] ?? Number.POSITIVE_INFINITY
    for (const one of all) if (one < least) least = one
    return least
  },

  max(...all: readonly number[]): number {
    let most = all[0] ?? Number.NEGATIVE_INFINITY
    for (const one of all) if (one > most) most = one
    return most
  },
}

/** Where an index is that may count from the end. */
const begin = (index: number, length: number): number => {
  if (index >= 0) return index < length ? index : length
  return index + length > 0 ? index + length : 0
}

const byText = (a: unknown, b: unknown): number => {
  const [one, other] = [`${a}`, `${b}`]
  return one < other ? -1 : one > other ? 1 : 0
}

/** Of equal ones the first stays the first. */
function mergeSort<T>(all: T[], from: number, to: number, order: Order<T>): void {
  if (to - from < 2) return
  const middle = (from + to) >> 1
  mergeSort(all, from, middle, order)
  mergeSort(all, middle, to, order)
  const left = all.slice(from, middle)
  for (let at = from, taken = 0, right = middle; taken < left.length; at++) {
    const behind = right < to && order(left[taken] as T, all[right] as T) > 0
    all[at] = (behind ? all[right++] : left[taken++]) as T
  }
}
