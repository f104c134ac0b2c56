/** The engine's own snprintf against libc's. */

import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, it } from 'vitest'
import { run } from '../../build/command.ts'
import { ROOT } from '../../build/paths.ts'
import { privateFolder } from '../../src/host/lib/guard.ts'

const { path: folder, remove } = privateFolder()
afterAll(remove)

it('snprintf formats as libc does, for any length of the buffer', async () => {
  const renamed = ['-Dsnprintf=our_snprintf', '-Dvsnprintf=our_vsnprintf']
  const [object, program] = [join(folder, 'format.o'), join(folder, 'format')]
  await run('gcc', ['-Wall', ...renamed, '-c', join(ROOT, 'src/runtime/quickjs/format.c'), '-o', object])
  await run('gcc', ['-w', fileURLToPath(new URL('format.c', import.meta.url)), object, '-o', program])
  expect((await run(program, []).catch(String)).toString()).toBe('')
})
