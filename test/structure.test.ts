/** The import lines of src/ against the table in the design («Where things live»). */

import { readdirSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { describe, expect, it } from 'vitest'

const SRC = join(import.meta.dirname, '../src')

/** Tables and types without a call in them: pure for whoever reads them. */
const CONSTANTS = ['sys/errno.ts', 'sys/flags.ts', 'sys/port.ts']

/** What makes the files of a seed, also for other programs. */
const ENCODERS = ['checks', 'encode-cmdline', 'encode-seed', 'seed-image', 'yaml-writer'].map(
  (name) => `host/seed/${name}.ts`,
)

/**
 * Which files may import what, besides their own folder; the first row that fits a file counts. `x/` is a folder.
 * Where it is finer than the design's table, that is said.
 */
const TABLE: readonly (readonly [files: readonly string[], mayImport: readonly string[]])[] = [
  [['lib/'], []],
  [['config/'], ['lib/']],
  // `parseMountOptions` is the one function among the types: pure, and a mount's options are read where it is planned.
  [['plan/'], ['config/', 'lib/']],
  // The codecs encode numbers of the kernel's headers, and make no call.
  [
    ['acknowledgement', 'address', 'link', 'message', 'route', 'uevent'].map((name) => `netlink/${name}.ts`),
    ['lib/', ...CONSTANTS],
  ],
  [['netlink/'], ['lib/', 'sys/']],
  [['sys/'], ['lib/']],
  // A pure file among effects.
  [['boot/io/stop.ts'], CONSTANTS],
  [
    ['supervise/shutdown/mounts.ts', 'supervise/outcome.ts', 'supervise/state.ts'],
    ['config/machine.ts', 'boot/io/stop.ts', 'lib/', ...CONSTANTS],
  ],
  // A lease's packets and states are pure; what it asks of the kernel are netlink's codecs.
  [
    ['dhcp/dhcp.ts', 'dhcp/socket.ts'],
    ['sys/', 'lib/'],
  ],
  [['dhcp/'], ['netlink/', 'lib/', ...CONSTANTS]],
  // What is general knows nothing of plans and steps.
  [
    ['boot/log/entries.ts', 'boot/log/termios.ts'],
    ['lib/', ...CONSTANTS],
  ],
  [['boot/io/'], ['config/machine.ts', 'netlink/', 'sys/', 'lib/']],
  // Mounts are put in order by where the root's symlinks lead, and the early mounts are a part of the plan.
  [['boot/steps/leases.ts'], ['dhcp/', 'plan/', 'netlink/', 'boot/io/', 'sys/', 'lib/']],
  [['boot/steps/seed.ts'], ['config/', 'boot/io/', 'sys/', 'lib/']],
  [['boot/steps/'], ['plan/', 'netlink/', 'boot/io/', 'sys/', 'lib/']],
  // The runner reads the root's files, and loads the steps that few boots have.
  [['boot/run-steps.ts'], ['lazy.ts', 'config/', 'plan/', 'boot/', 'sys/', 'lib/']],
  // Of the log, the supervisor knows the type.
  [['boot/log/'], ['boot/io/', 'sys/', 'lib/']],
  // The supervisor writes to the console, and the exit record as a step writes its files.
  [['supervise/'], ['config/', 'boot/io/', 'boot/log/relay.ts', 'boot/steps/file.ts', 'sys/', 'lib/']],
  // The modules that are in its heap from the beginning.
  [['runtime/quickjs/entry.ts'], ['main.ts', 'lazy.ts', 'boot/steps/seed.ts', 'sys/']],
  [['runtime/quickjs/'], ['main.ts', 'sys/']],
  // The same modules as the lean build loads one by one.
  [['runtime/node/lazy.ts'], ['lazy.ts', 'config/', 'boot/', 'supervise/']],
  [['runtime/node/'], ['main.ts', 'supervise/signals.ts', 'sys/', 'node:']],
  // Names and types of what the lean build loads later; no code of them.
  [['lazy.ts'], ['sys/linux.ts', 'config/', 'netlink/', 'boot/', 'supervise/']],
  [['start.ts'], ['lazy.ts', 'config/', 'plan/step.ts', 'boot/', 'supervise/', 'sys/']],
  [['main.ts'], ['start.ts', 'lazy.ts', 'lib/', 'config/', 'plan/', 'boot/', 'supervise/', 'sys/']],
  // The host's rooms, each below those that it uses: lib, cache, image, then machine and seed, and the command on top.
  [['host/lib/'], ['lib/', 'node:']],
  // Pure, beside what reads files.
  [['host/cache/prune.ts'], ['host/cache/cache.ts']],
  [ENCODERS, ['host/lib/byte-text.ts', 'config/', 'lib/']],
  [['host/cache/'], ['host/lib/', 'lib/', 'node:']],
  [['host/image/'], ['host/cache/', 'host/lib/', 'config/', 'lib/', 'node:']],
  [['host/console/'], ['host/lib/', 'node:']],
  [['host/machine/'], ['host/console/', 'host/image/', 'host/lib/', 'lib/', 'node:']],
  [['host/seed/'], ['host/lib/', 'config/', 'lib/', 'node:']],
  [['host/plan/'], ['host/seed/', 'host/image/', 'host/lib/', 'config/', 'plan/', 'lib/']],
  [['host/inspect/'], ['host/plan/', 'host/image/', 'host/lib/', 'config/', 'lib/', 'node:']],
  [['host/adopt/'], ['host/machine/', 'host/image/', 'host/lib/', 'lib/', 'node:']],
  [['host/timeline/'], ['host/console/', 'host/lib/', 'lib/', 'node:']],
  [
    ['host/cli/', 'host/library.ts'],
    ['host/', 'lib/', 'node:'],
  ],
]

/** What may not reach an effect, however many imports away. */
const PURE = [
  'lib/',
  'config/',
  'plan/',
  'boot/io/stop.ts',
  'boot/log/entries.ts',
  'boot/log/termios.ts',
  'supervise/shutdown/mounts.ts',
  'supervise/outcome.ts',
  'supervise/state.ts',
  ...ENCODERS,
]

/** What makes system calls, or is made of what does. */
const EFFECTS = [
  'sys/linux.ts',
  'sys/calls.ts',
  'netlink/session.ts',
  'boot/',
  'supervise/',
  'runtime/',
  'main.ts',
  'node:',
]

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .sort()

const matches = (path: string, patterns: readonly string[]): boolean =>
  patterns.some((pattern) => path === pattern || (/[/:]$/.test(pattern) && path.startsWith(pattern)))

/** What a file imports: paths below src/, or names of modules. `import`, `export … from` and `import()`. */
function importsOf(file: string): string[] {
  const text = readFileSync(join(SRC, file), 'utf8')
  const statement = /^(?:import|export)\s(?:[\w*\s{},]*?\sfrom\s)?\s*['"]([^'"]+)['"]/gm
  const dynamic = /\bimport\(\s*['"]([^'"]+)['"]/g
  return [...text.matchAll(statement), ...text.matchAll(dynamic)].map(([, specifier = '']) =>
    specifier.startsWith('.') ? posix.join(posix.dirname(file), specifier) : specifier,
  )
}

const graph = new Map(files.map((file) => [file, importsOf(file)]))
const imports = (file: string): readonly string[] => graph.get(file) ?? []

/** Everything that a file reaches, itself not among it. */
function reached(file: string, seen = new Set<string>()): Set<string> {
  for (const next of imports(file)) {
    if (seen.has(next)) continue
    seen.add(next)
    reached(next, seen)
  }
  return seen
}

/** Rooms within a room of which one may not look into the other. */
const INNER = ['boot/io/', 'boot/steps/']

/** The room of a file: a folder of src/, or of src/host/. */
const folderOf = (path: string): string =>
  INNER.find((folder) => path.startsWith(folder)) ?? /^(?:host\/)?[^/]*\//.exec(path)?.[0] ?? path

describe('the source', () => {
  it('is read: its files, and what they import', () => {
    expect(files).toContain('main.ts')
    expect(imports('main.ts')).toEqual(expect.arrayContaining(['plan/plan.ts', 'sys/port.ts']))
    expect(imports('lazy.ts')).toContain('supervise/lazy.ts')
    expect(imports('supervise/loop.ts')).toEqual(
      expect.arrayContaining(['sys/flags.ts', 'supervise/state.ts']),
    )
  })

  it('has a row in the table for each file', () => {
    const rows = TABLE.flatMap(([patterns]) => patterns)
    expect(files.filter((file) => !matches(file, rows))).toEqual([])
  })

  it('imports only what the table allows', () => {
    const violations = files.flatMap((file) => {
      const [, allowed = []] = TABLE.find(([patterns]) => matches(file, patterns)) ?? []
      // A pure file among effects is one because it does not import its neighbours' effects.
      const own = matches(file, ['boot/io/stop.ts', 'host/cache/prune.ts']) ? [] : [folderOf(file)]
      return imports(file)
        .filter((target) => !matches(target, [...allowed, ...own]))
        .map((target) => `${file} imports ${target}`)
    })
    expect(violations).toEqual([])
  })

  it('keeps effects out of what is pure, at any distance', () => {
    const violations = files
      .filter((file) => matches(file, PURE))
      .flatMap((file) =>
        [...reached(file)]
          .filter((target) => matches(target, EFFECTS) && !matches(target, PURE))
          .map((target) => `${file} reaches ${target}`),
      )
    expect(violations).toEqual([])
  })

  it('has node:* only in runtime/node and in the rooms of the host, and a package only there', () => {
    const outside = files.flatMap((file) =>
      imports(file)
        .filter((target) => !graph.has(target))
        .filter((target) => !target.startsWith('node:') || !matches(file, ['runtime/node/', 'host/']))
        .map((target) => `${file} imports ${target}`),
    )
    expect(outside).toEqual([])
  })

  it('has no runtime imported by what it runs', () => {
    const violations = files
      .filter((file) => !matches(file, ['runtime/']))
      .filter((file) => imports(file).some((target) => target.startsWith('runtime/')))
    expect(violations).toEqual([])
    for (const file of files.filter((file) => file.startsWith('runtime/'))) {
      const own = posix.dirname(file)
      const others = imports(file).filter(
        (target) => target.startsWith('runtime/') && posix.dirname(target) !== own,
      )
      expect(others).toEqual([])
    }
  })

  it('has no import cycle', () => {
    expect(files.filter((file) => reached(file).has(file))).toEqual([])
  })

  it('has no cycle between the rooms of the host', () => {
    const rooms = new Map<string, Set<string>>()
    for (const file of files.filter((file) => /^host\/.*\//.test(file))) {
      const used = imports(file).filter((target) => /^host\/.*\//.test(target))
      rooms.set(folderOf(file), new Set([...(rooms.get(folderOf(file)) ?? []), ...used.map(folderOf)]))
    }
    const below = (room: string, seen = new Set<string>()): Set<string> => {
      for (const next of rooms.get(room) ?? []) {
        if (next === room || seen.has(next)) continue
        seen.add(next)
        below(next, seen)
      }
      return seen
    }
    expect([...rooms.keys()].filter((room) => below(room).has(room))).toEqual([])
  })

  it('has no barrel but the package’s own exports', () => {
    expect(files.filter((file) => posix.basename(file) === 'index.ts')).toEqual([])
    // What the lean build loads later is one module. Its list of exports is that module's, and only `lazy.ts` knows it, by
    // its type; the list of the node build, which has all of them in one; and that of the lean build's heap.
    const facade = 'supervise/lazy.ts'
    expect(files.filter((file) => imports(file).includes(facade))).toEqual([
      'lazy.ts',
      'runtime/node/lazy.ts',
    ])
    const reexports = files.filter(
      (file) =>
        file !== facade &&
        file !== 'host/library.ts' &&
        /^export\s+(?:\*|(?:type\s+)?\{[^}]*\})\s*(?:as \w+ )?from\b/m.test(
          readFileSync(join(SRC, file), 'utf8'),
        ),
    )
    expect(reexports).toEqual([])
  })
})
