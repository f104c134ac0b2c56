/** What profile-tool.c tells of a PID 1, by the names of its functions: sums, tables and stacks of it. Pure. */

/** What numbers and addresses stand for. */
export interface Names {
  /** Modules by where their bytecode lies. */
  readonly parts: ReadonlyMap<string, string>
  /** Functions of the heap that the build has made, by address: the module, and the how manieth of it. */
  readonly heap: ReadonlyMap<string, { readonly part: string; readonly index: number }>
  /** The names of each module's functions in the order in which the engine reads them. */
  readonly functions: ReadonlyMap<string, readonly string[]>
  /** The engine's own, by `C function/magic`. */
  readonly methods: ReadonlyMap<string, string>
}

export interface Cost {
  /** Instructions executed. */
  readonly count: number
  /** Those of them that nobody had executed before. */
  readonly fresh: number
}

/** A function as called by those above it. */
export interface Call {
  readonly name: string
  /** The engine's own, or the host's. */
  readonly builtIn: boolean
  calls: number
  /** In which C functions, without those that it calls. */
  readonly costs: Map<string, Cost>
  /** In the order of the first call of each. */
  readonly callees: Call[]
}

/** Above all JavaScript: what comes before it. */
export const TOP = '(C)'

/** @param told the tool's file */
export function readCalls(told: string, names: Names): Call {
  const read: { readonly part: string; readonly index: number; readonly address: string }[] = []
  const counts = new Map<string, number>()
  const functions: { readonly name: string; readonly builtIn: boolean }[] = []
  const calls: Call[] = []
  for (const line of told.split('\n')) {
    const [kind, ...fields] = line.split(' ')
    const [first = '', second = '', third = '', fourth = ''] = fields
    if (kind === 'note') {
      const part = names.parts.get(first) ?? ''
      const index = counts.get(part) ?? 0
      counts.set(part, index + 1)
      read.push({ part, index, address: second })
    } else if (kind === 'function' && second === 'built-in') {
      functions.push({ name: names.methods.get(`${third}/${fourth}`) ?? third, builtIn: true })
    } else if (kind === 'function') {
      const noted = read.slice(0, Number(fourth)).findLast(({ address }) => address === third)
      const place = noted ?? names.heap.get(third)
      const name = place && names.functions.get(place.part)?.[place.index]
      functions.push({ name: name ?? `function at ${third}`, builtIn: false })
    } else if (kind === 'node') {
      const [number, parent] = [Number(first), Number(second)]
      const is = number === 0 ? { name: TOP, builtIn: false } : functions[Number(third)]
      if (is === undefined) throw new Error(`not told before: ${line}`)
      calls[number] = { ...is, calls: Number(fourth), costs: new Map(), callees: [] }
      if (number > 0) calls[parent]?.callees.push(calls[number])
    } else if (kind === 'cost') {
      calls[Number(first)]?.costs.set(second, { count: Number(third), fresh: Number(fourth) })
    }
  }
  const [top] = calls
  if (top === undefined) throw new Error('the profile is empty')
  return top
}

const add = (one: Cost, other: Cost): Cost => ({
  count: one.count + other.count,
  fresh: one.fresh + other.fresh,
})
const NOTHING: Cost = { count: 0, fresh: 0 }
const sum = (costs: Iterable<Cost>): Cost => [...costs].reduce(add, NOTHING)

export const selfCost = ({ costs }: Call): Cost => sum(costs.values())

/** With all that it calls. */
export const wholeCost = (call: Call): Cost => sum([selfCost(call), ...call.callees.map(wholeCost)])

/** With the engine's methods that it calls, but without what these call of ours. */
export const ownCost = (call: Call): Cost =>
  sum([selfCost(call), ...call.callees.filter(({ builtIn }) => builtIn).map(ownCost)])

export interface Row {
  readonly name: string
  /** By whom, in the order of their first calls. */
  readonly callers: Set<string>
  calls: number
  own: Cost
  whole: Cost
}

function rowOf(rows: Map<string, Row>, name: string): Row {
  const row = rows.get(name) ?? { name, callers: new Set(), calls: 0, own: NOTHING, whole: NOTHING }
  rows.set(name, row)
  return row
}

/**
 * Each function once, however it is called.
 * @param builtIns the engine's methods instead of ours
 */
export function byFunction(top: Call, builtIns = false): Row[] {
  const rows = new Map<string, Row>()
  const visit = (call: Call, above: readonly string[]): void => {
    if (call.builtIn === builtIns) {
      const row = rowOf(rows, call.name)
      row.callers.add(above.at(-1) ?? TOP)
      row.calls += call.calls
      row.own = add(row.own, builtIns ? selfCost(call) : ownCost(call))
      // What calls itself is counted once.
      if (!above.includes(call.name)) row.whole = add(row.whole, wholeCost(call))
    }
    for (const callee of call.callees) visit(callee, [...above, call.name])
  }
  for (const callee of top.callees) visit(callee, [])
  return [...rows.values()].sort((a, b) => b.own.count - a.own.count)
}

/** What opened functions do themselves. */
export const BETWEEN = '(between them)'

/**
 * The work in its order: what opened functions call, each with all that it calls in turn.
 * @param opened by name
 */
export function stages(top: Call, opened: (name: string) => boolean): Row[] {
  const rows = new Map<string, Row>()
  const put = (name: string, calls: number, whole: Cost): void => {
    const row = rowOf(rows, name)
    row.calls += calls
    row.whole = add(row.whole, whole)
  }
  const open = (call: Call): void => {
    for (const callee of call.callees) {
      if (!opened(callee.name)) {
        put(callee.name, callee.calls, wholeCost(callee))
        continue
      }
      open(callee)
      put(BETWEEN, callee.calls, selfCost(callee))
    }
  }
  for (const [place, cost] of top.costs) put(`${TOP} ${place}`, 1, cost)
  open(top)
  return [...rows.values()]
}

/** For flamegraph.pl and speedscope: `a;b;c 123`, the last one a C function. */
export function foldStacks(top: Call): string {
  const lines: string[] = []
  const clean = (name: string): string => name.replaceAll(/[;\n]/g, ' ')
  const visit = (call: Call, above: readonly string[]): void => {
    const stack = [...above, clean(call.name)]
    for (const [place, { count }] of call.costs)
      lines.push(`${[...stack, `[${place}]`].join(';')} ${count}\n`)
    for (const callee of call.callees) visit(callee, stack)
  }
  visit(top, [])
  return lines.join('')
}
