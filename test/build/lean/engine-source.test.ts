import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterAll, describe, expect, it, test } from 'vitest'
import { applyPatches, chooseVersion, patchFiles, RELEASE } from '../../../build/lean/engine-source.ts'
import { ROOT } from '../../../build/paths.ts'
import { findProgram } from '../../../src/host/lib/programs.ts'

const folder = mkdtempSync(join(tmpdir(), 'zmachine-engine-source-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** What apt-cache showsrc prints for these versions, in short. */
const showsrc = (...versions: string[]): string =>
  versions
    .map((version) => `Package: quickjs\nFormat: 3.0 (quilt)\nVersion: ${version}\nArchitecture: any\n\n`)
    .join('')

describe('chooseVersion', () => {
  test.each([
    ['the revision that Debian 13 was released with', [`${RELEASE}-1`], `${RELEASE}-1`],
    ['a security update', [`${RELEASE}-1+deb13u1`], `${RELEASE}-1+deb13u1`],
    ['the last of several', [`${RELEASE}-1`, `${RELEASE}-1+deb13u1`], `${RELEASE}-1+deb13u1`],
    ['no other release', ['2025.09.13-1'], undefined],
    ['no release whose name only begins like it', [`${RELEASE}1-1`], undefined],
    ['nothing of an empty answer', [], undefined],
  ])('takes %s', (_, versions, expected) => {
    expect(chooseVersion(showsrc(...versions))).toBe(expected)
  })
})

describe.runIf(findProgram('patch') !== undefined)('applyPatches', () => {
  const patch = join(folder, '01-two.patch')
  writeFileSync(
    patch,
    'Two is written out.\n\n--- a/f.c\n+++ b/f.c\n@@ -2,5 +2,5 @@\n b\n c\n-2\n+two\n d\n e\n',
  )

  it('applies a patch where its lines have moved', async () => {
    writeFileSync(join(folder, 'f.c'), 'new\nnew\na\nb\nc\n2\nd\ne\nf\n')
    await applyPatches(folder, [patch])
    expect(readFileSync(join(folder, 'f.c'), 'utf8')).toBe('new\nnew\na\nb\nc\ntwo\nd\ne\nf\n')
  })

  it('refuses a patch whose context has changed, and names it', async () => {
    const source = 'a\nb!\nc\n2\nd\ne\nf\n'
    writeFileSync(join(folder, 'f.c'), source)
    await expect(applyPatches(folder, [patch])).rejects.toMatchObject({
      advice: expect.stringContaining('01-two.patch does not fit'),
    })
    expect(readFileSync(join(folder, 'f.c'), 'utf8')).toBe(source)
  })
})

describe('each patch says why it is there, what it saves and which test holds it', () => {
  test.each(patchFiles().map((file) => [basename(file), file] as const))('%s', (_, file) => {
    const [header = ''] = readFileSync(file, 'utf8').split('\n--- a/')
    expect(header).toMatch(/^\S.*\.\n\nWhy: .+\nSaves: .+\nTest: \S+\.ts/s)
    const [, path = '', , name] = /^Test: (\S+\.ts)(, "(.+)")?/m.exec(header) ?? []
    expect(readFileSync(join(ROOT, path), 'utf8')).toContain(name ?? '')
  })
})
