/** Before the first test, and once for all of them: the roots, of which each takes a minute or two where the cache has none. */

import type { TestProject } from 'vitest/node'
import { note } from '../../build/progress.ts'
import { tarball } from './debian.ts'
import { DOCKER, RECIPES } from './roots.ts'
import { isRoot } from './zmachine.ts'

export async function setup({ name }: TestProject): Promise<void> {
  if (!isRoot)
    return note('not root: nothing of images is tested, since a root unpacked by a user loses its owners')
  for (const recipe of name === 'docker' ? [DOCKER] : RECIPES) await tarball(recipe)
}
