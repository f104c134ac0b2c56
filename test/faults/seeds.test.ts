/**
 * Seeds that are cut off, noise or huge. PID 1 takes the last disk with a seed's files in it, so in one boot it tries
 * all those that are cut off before their files, and each place further on is a boot. Outside a machine it would take a
 * kernel with vfat, which many that tests run on are without.
 */

import { randomBytes } from 'node:crypto'
import { copyFileSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Disk } from '../../src/host/machine/options.ts'
import { booted } from '../qemu/lib/boot.ts'
import { makeSeed } from '../qemu/lib/images.ts'
import { end, HOLD, press, said, scripted } from './faults.ts'

const SECTOR = 512

/** Each longer than some sectors, with what counts at its end. */
const long = (line: string): string => `# ${line}\n`.repeat(200)
const FILES = {
  'meta-data': `${long('meta')}local-hostname: whole\n`,
  'network-config': `version: 2\n${long('network')}ethernets: {}\n`,
  'user-data': `#cloud-config\n${long('user')}hostname: of-user-data\n`,
  zosrc: `${long('zosrc')}export KEY='value'\n`,
} as const

/** Where the root directory of makeSeed's smallest kind is: behind the boot sector and two FATs of six sectors. */
const DIRECTORY = 13

const CUTS = Array.from({ length: DIRECTORY }, (_, at) => at + 1)

/** A copy that ends after so many bytes. */
function cut(from: Disk, file: string, length: number): Disk {
  copyFileSync(from.file, file)
  truncateSync(file, length)
  return { file, readOnly: true }
}

describe('a machine whose only seeds are cut off before their files', () => {
  const boot = booted(async (folder) => {
    const whole = await makeSeed(join(folder, 'whole'), FILES, { kind: 'fat12' })
    const noise = join(folder, 'noise')
    writeFileSync(noise, Buffer.concat([readFileSync(whole.file).subarray(0, SECTOR), randomBytes(1 << 20)]))
    return {
      ...scripted(`hostname; ${HOLD}`),
      cmdline: 'host=plain',
      disks: [
        ...CUTS.map((sectors) => cut(whole, join(folder, `cut${sectors}`), sectors * SECTOR)),
        { file: noise, readOnly: true },
      ],
      during: press,
    }
  })

  const deviceOf = (at: number): string => `/dev/vd${String.fromCharCode(0x61 + at)}`

  test.each(CUTS)('tells one of %i sectors', (sectors) =>
    expect(said(boot())).toContainEqual(
      expect.stringMatching(new RegExp(`^warning: seed: .*${deviceOf(sectors - 1)}\\b`)),
    ),
  )

  test('tells one that is noise behind its label', () =>
    expect(said(boot())).toContainEqual(
      expect.stringMatching(new RegExp(`^warning: seed: .*${deviceOf(CUTS.length)}\\b`)),
    ))

  test('starts the entrypoint by the command line', () => {
    expect(boot().console).toMatch(/^plain\r*$/m)
    expect(end(boot())).toBe('code=143 signal=SIGTERM reason=stop powerdown')
  })
})

describe.each(Object.keys(FILES))('a seed that is cut off in the middle of its %s', (name) => {
  const boot = booted(async (folder) => {
    const whole = await makeSeed(join(folder, 'whole'), FILES, { kind: 'fat12' })
    const text = FILES[name as keyof typeof FILES]
    const begin = readFileSync(whole.file).indexOf(text.slice(0, SECTOR))
    const length = begin + Math.floor(text.length / 2 / SECTOR) * SECTOR
    return {
      ...scripted(`hostname; ${HOLD}`),
      disks: [cut(whole, join(folder, 'cut'), length)],
      during: press,
    }
  })

  // The kernel reads zeros behind a disk's end, up to the page's (guard_bio_eod): in a comment, or behind a whole line,
  // they would be passed over, and half of the configuration be gone without a word.
  test('has that told', () =>
    expect(said(boot())).toContainEqual(expect.stringMatching(new RegExp(`^warning: seed\\b.*${name}`))))

  test('does not keep the entrypoint from its start', () =>
    expect(end(boot())).toBe('code=143 signal=SIGTERM reason=stop powerdown'))
})

describe('a seed with a huge file', () => {
  const boot = booted(async (folder) => ({
    ...scripted(`hostname; ${HOLD}`),
    disks: [
      await makeSeed(join(folder, 'seed'), {
        'meta-data': 'local-hostname: second\n',
        'user-data': `#cloud-config\n# ${'x'.repeat(8 << 20)}\n`,
      }),
    ],
    during: press,
  }))

  test('goes without that file, which is told', () => {
    expect(said(boot())).toContain(
      'warning: seed: read user-data of /dev/vda: EINVAL (invalid argument): larger than 1 MB',
    )
    expect(boot().console).toMatch(/^second\r*$/m)
    expect(end(boot())).toBe('code=143 signal=SIGTERM reason=stop powerdown')
  })
})
