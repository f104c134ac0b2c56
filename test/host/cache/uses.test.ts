import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { registerUse, usersOf } from '../../../src/host/cache/uses.ts'
import { temporaryFolder } from '../plan/plan-helpers.ts'

const parent = temporaryFolder()
const newFolder = (): string => mkdtempSync(join(parent, 'uses-'))

/** What a use of this process has in its link: pid, start, PID namespace, boot. */
function ownText(): string[] {
  const folder = newFolder()
  registerUse(folder, 'root')
  return readlinkSync(join(folder, readdirSync(folder)[0] ?? '')).split(' ')
}

const [pid = '', start = '', namespace = '', boot = ''] = ownText()

test('a use is this process’s, from its start to its end', () => {
  const folder = join(newFolder(), 'made')
  expect(usersOf(folder)).toEqual(new Map())
  const first = registerUse(folder, 'nginx-1.25-0123')
  const second = registerUse(folder, 'nginx-1.25-0123')
  const other = registerUse(folder, 'other')
  expect(usersOf(folder)).toEqual(
    new Map([
      ['nginx-1.25-0123', [process.pid, process.pid]],
      ['other', [process.pid]],
    ]),
  )
  first()
  other()
  expect(usersOf(folder)).toEqual(new Map([['nginx-1.25-0123', [process.pid]]]))
  second()
  expect(readdirSync(folder)).toEqual([])
})

test.each<[string, readonly string[], boolean]>([
  ['this process', [pid, start, namespace, boot], true],
  ['a process of the same number that started at another time', [pid, '1', namespace, boot], false],
  ['a process that is gone', [String(spawnSync('true').pid), start, namespace, boot], false],
  ['a process of another PID namespace, as far as is known', ['1', '1', 'pid:[1]', boot], true],
  ['a process of an earlier boot', [pid, start, namespace, 'earlier'], false],
  ['nobody', [], false],
])('%s: in use %5$s', (_, text, isUsed) => {
  const folder = newFolder()
  symlinkSync(text.join(' ') || 'nonsense', join(folder, 'root.0123'))
  expect(usersOf(folder).has('root')).toBe(isUsed)
  expect(readdirSync(folder)).toHaveLength(isUsed ? 1 : 0)
})

test('a process that was killed uses nothing, though its parent has not noticed', async () => {
  const folder = newFolder()
  const module = JSON.stringify(new URL('../../../src/host/cache/uses.ts', import.meta.url).href)
  const script = `import(${module}).then((m) => { m.registerUse(process.argv[1], 'root'); console.log('used') })
    setTimeout(() => {}, 60_000)`
  // The shell never waits for its child.
  const shell = spawn('sh', [
    '-c',
    '"$0" -e "$1" "$2" & echo $!; exec sleep 60',
    process.execPath,
    script,
    folder,
  ])
  let said = ''
  await new Promise<void>((resolve) => {
    shell.stdout.on('data', (chunk: Buffer) => {
      said += chunk
      if (said.includes('used')) resolve()
    })
  })
  const user = Number.parseInt(said, 10)
  expect(usersOf(folder)).toEqual(new Map([['root', [user]]]))
  process.kill(user, 'SIGKILL')
  while (!/^State:\s+Z/m.test(readFileSync(`/proc/${user}/status`, 'utf8'))) await new Promise(setImmediate)
  expect(usersOf(folder)).toEqual(new Map())
  shell.kill('SIGKILL')
})
