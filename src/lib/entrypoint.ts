/** Looks the entrypoint up as execvp(3) does. Pure: PID 1 asks its own root, `zmachine inspect` one that is not running. */

import { S_IFDIR, S_IFMT, S_IFREG } from './file-mode.ts'
import { quote } from './text.ts'

export interface Found {
  readonly path: string
}

export interface Missing {
  /** 127: not found; 126: not executable. */
  readonly code: 126 | 127
  readonly message: string
}

/** The root that the entrypoint is in. */
export interface Lookup {
  /** `st_mode` of the file that a path leads to, or a negative errno. */
  mode(path: string): number
  /** Says why a path leads nowhere. */
  missing(path: string, errno: number): Missing
}

/** One with a slash in it is a path, relative to `cwd`; a bare name is looked for in the directories of PATH. */
export function findEntrypoint(init: string, cwd: string, path: string, root: Lookup): Found | Missing {
  if (init.includes('/')) return check(absolute(init, cwd), root)
  let refused: Missing | undefined
  for (const directory of path.split(':')) {
    // POSIX: an empty entry is the current directory.
    const found = check(`${absolute(directory, cwd)}/${init}`, root)
    if ('path' in found) return found
    if (found.code === 126) refused ??= found
  }
  return (
    refused ?? { code: 127, message: `entrypoint ${quote(init)} is in no directory of PATH (${quote(path)})` }
  )
}

function absolute(path: string, cwd: string): string {
  if (path.startsWith('/')) return path
  const base = cwd === '/' ? '' : cwd
  return path === '' ? base : `${base}/${path}`
}

function check(path: string, root: Lookup): Found | Missing {
  const mode = root.mode(path)
  if (mode < 0) return root.missing(path, mode)
  const why = refusalOf(mode)
  return why === undefined ? { path } : { code: 126, message: `entrypoint ${quote(path)} ${why}` }
}

/** Why no file of this mode is ever executed, not even by root; undefined: it may be. */
export function refusalOf(mode: number): string | undefined {
  const type = mode & S_IFMT
  if (type === S_IFDIR) return 'is a directory'
  if (type !== S_IFREG) return 'is not a regular file'
  return (mode & 0o111) === 0 ? 'is not executable: chmod +x it in the image' : undefined
}
