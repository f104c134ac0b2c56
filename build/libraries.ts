/** Which shared libraries a program is loaded with. */
import { BuildError, run } from './command.ts'

/**
 * The shared libraries of programs and the loaders of these, as this machine's own loader finds them: absolute paths, sorted,
 * each once. ldd(1) prints `NAME => PATH (ADDRESS)`, and the loader as `PATH (ADDRESS)`; the vDSO has no path.
 */
export async function librariesOf(files: readonly string[]): Promise<string[]> {
  const printed = (await run('ldd', files)).toString()
  if (/ not found/.test(printed)) throw new BuildError(`ldd ${files.join(' ')}:\n${printed}`)
  const found = [...printed.matchAll(/(\/\S+) \(0x/g)].map(([, path = '']) => path)
  return [...new Set(found)].sort()
}
