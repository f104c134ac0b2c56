/**
 * Which module files to load, in which order, for a module's name: what modprobe(8) finds out at run time from the
 * lists that depmod(8) writes, found out here once, so that PID 1 only reads a line. Pure.
 */

/** The lists in /lib/modules/RELEASE that decide, as text (modules.dep(5), modprobe.d(5)). */
export interface ModuleLists {
  /** `path: dependency dependency …`; the dependencies of dependencies are there too, the deepest last. */
  readonly dep: string
  /** `softdep name pre: … post: …` */
  readonly softdep: string
  /** `alias pattern name` */
  readonly alias: string
  /** Paths of what is built into the kernel. */
  readonly builtin: string
  /** NUL-separated `name.key=value` of what is built in; the aliases count. */
  readonly builtinModinfo: string
}

export interface ModulePlan {
  /** For each name, the paths in the order of loading, as modules.dep has them. */
  readonly load: ReadonlyMap<string, readonly string[]>
  /** Names that this kernel has neither as a module nor built in. */
  readonly missing: readonly string[]
}

/** `fs/nls/nls_iso8859-1.ko.xz` → `nls_iso8859_1`: the kernel takes `-` and `_` for the same. */
export function moduleName(path: string): string {
  return path
    .slice(path.lastIndexOf('/') + 1)
    .replace(/\.ko(\.\w+)?$/, '')
    .replaceAll('-', '_')
}

/** Resolves names, in their order; built-in ones are left out. */
export function planModules(names: readonly string[], lists: ModuleLists): ModulePlan {
  const tree = parse(lists)
  const load = new Map<string, readonly string[]>()
  const missing: string[] = []
  for (const name of names.map((given) => given.replaceAll('-', '_'))) {
    if (tree.modules.has(name)) load.set(name, loadOrder(name, tree))
    else if (!tree.builtin.has(name)) missing.push(name)
  }
  return { load, missing }
}

/** `initramfs/modules`: a name a line, `#` starts a comment. */
export function parseModuleList(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.replace(/#.*/, '').trim())
    .filter((name) => name !== '')
}

/** The index that PID 1 reads (src/boot/io/modules.ts): `name file file …`. */
export function formatIndex(plan: ModulePlan): string {
  return [...plan.load].map(([name, paths]) => `${[name, ...paths.map(imageFile)].join(' ')}\n`).join('')
}

/** A module's file name in the image: no folders, never compressed. */
export function imageFile(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1).replace(/\.ko\.\w+$/, '.ko')
}

interface Tree {
  readonly modules: ReadonlyMap<string, { readonly path: string; readonly needs: readonly string[] }>
  readonly soft: ReadonlyMap<string, { readonly pre: readonly string[]; readonly post: readonly string[] }>
  readonly aliases: ReadonlyMap<string, readonly string[]>
  /** Names and aliases of what is built in. */
  readonly builtin: ReadonlySet<string>
}

function parse(lists: ModuleLists): Tree {
  const modules = new Map<string, { path: string; needs: string[] }>()
  for (const line of lists.dep.split('\n')) {
    const [path, needs = ''] = line.split(':')
    if (path) modules.set(moduleName(path), { path, needs: words(needs).map(moduleName) })
  }
  const soft = new Map<string, { pre: string[]; post: string[] }>()
  for (const line of lists.softdep.split('\n')) {
    const [keyword, module, ...rest] = words(line)
    if (keyword !== 'softdep' || module === undefined) continue
    const name = moduleName(module)
    const known = soft.get(name) ?? { pre: [], post: [] }
    soft.set(name, {
      pre: [...known.pre, ...after(rest, 'pre:')],
      post: [...known.post, ...after(rest, 'post:')],
    })
  }
  const aliases = new Map<string, string[]>()
  for (const line of lists.alias.split('\n')) {
    const [keyword, alias, module] = words(line)
    if (keyword !== 'alias' || alias === undefined || module === undefined) continue
    aliases.set(alias, [...(aliases.get(alias) ?? []), moduleName(module)])
  }
  const builtin = new Set(words(lists.builtin).map(moduleName))
  for (const record of lists.builtinModinfo.split('\0')) {
    const alias = /^[^.]+\.alias=(.*)$/.exec(record)?.[1]
    if (alias !== undefined) builtin.add(alias)
  }
  return { modules, soft, aliases, builtin }
}

/** The words after `keyword` up to the next keyword. */
function after(rest: readonly string[], keyword: string): string[] {
  const start = rest.indexOf(keyword)
  if (start < 0) return []
  const tail = rest.slice(start + 1)
  const end = tail.findIndex((word) => word.endsWith(':'))
  return end < 0 ? tail : tail.slice(0, end)
}

function loadOrder(name: string, tree: Tree): string[] {
  const paths: string[] = []
  const seen = new Set<string>()
  const visit = (module: string): void => {
    const found = tree.modules.get(module)
    if (!found || seen.has(module)) return
    seen.add(module)
    const soft = tree.soft.get(module)
    for (const wanted of soft?.pre ?? []) visitSoft(wanted)
    // The deepest dependency is the last in the list.
    for (const needed of found.needs.toReversed()) visit(needed)
    paths.push(found.path)
    for (const wanted of soft?.post ?? []) visitSoft(wanted)
  }
  const visitSoft = (wanted: string): void => {
    const provider = softProvider(wanted, tree)
    if (provider !== undefined) visit(provider)
  }
  visit(name)
  return paths
}

/**
 * The module for a soft dependency, which may be an alias such as `crypto-crc32c`. Where the kernel itself provides
 * it nothing is loaded; of several modules the generic one, since the others need a CPU that may not be there.
 */
function softProvider(wanted: string, tree: Tree): string | undefined {
  const name = wanted.replaceAll('-', '_')
  if (tree.builtin.has(wanted) || tree.builtin.has(name)) return undefined
  if (tree.modules.has(name)) return name
  const providers = tree.aliases.get(wanted) ?? []
  return providers.find((provider) => provider.endsWith('_generic')) ?? providers[0]
}

const words = (text: string): string[] => text.split(/\s+/).filter((word) => word !== '')
