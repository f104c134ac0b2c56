/** SSH host keys, made by the image's ssh-keygen: one set for each machine. */

import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { run } from '../../../build/command.ts'
import { needProgram } from '../../../src/host/lib/programs.ts'
import { type Boot, bootContainer, booted } from '../lib/boot.ts'
import { sshImage } from '../lib/ssh-image.ts'

const image = await sshImage()

const publicKey = (boot: Boot, type: string): string | undefined =>
  boot.file(`etc/ssh/ssh_host_${type}_key.pub`)

/** What ssh-keygen says about a key: bits, fingerprint, comment, type. */
const describeKey = async (boot: Boot, type: string): Promise<string> =>
  (
    await run(needProgram('ssh-keygen', 'openssh-client'), [
      ...['-l', '-f', join(boot.root, `etc/ssh/ssh_host_${type}_key`)],
    ])
  ).toString()

describe('two machines of an image with ssh-keygen and no host keys', () => {
  const boot = booted({
    files: image,
    probe: 'cat /etc/ssh/ssh_host_ed25519_key.pub /etc/ssh/ssh_host_ecdsa_key.pub'.split(' '),
  })

  test('have them before the entrypoint starts', () => {
    expect(boot().container?.code).toBe(0)
    expect(boot().console).toContain('ssh_host_ed25519_key.pub: ssh-ed25519 AAAA')
    expect(boot().console).toContain('ssh_host_ecdsa_key.pub: ecdsa-sha2-nistp256 AAAA')
  })

  test('have one of ed25519 and one of ecdsa, none of RSA, and no leftovers', () => {
    expect(readdirSync(join(boot().root, 'etc/ssh')).sort()).toEqual([
      'ssh_config',
      'ssh_host_ecdsa_key',
      'ssh_host_ecdsa_key.pub',
      'ssh_host_ed25519_key',
      'ssh_host_ed25519_key.pub',
    ])
  })

  test.each(['ed25519', 'ecdsa'])('have a good %s key, which nobody else may read', async (type) => {
    expect(await describeKey(boot(), type)).toContain(`(${type.toUpperCase()})`)
    expect(statSync(join(boot().root, `etc/ssh/ssh_host_${type}_key`)).mode & 0o777).toBe(0o600)
    expect(statSync(join(boot().root, `etc/ssh/ssh_host_${type}_key.pub`)).mode & 0o777).toBe(0o644)
  })

  const types = ['ed25519', 'ecdsa', 'rsa']
  let before: (string | undefined)[] = []
  const other = booted(async (folder) => {
    const options = {
      files: { ...image, 'etc/ssh/sshd_config': '# HostKey\nHostKey /etc/ssh/ssh_host_rsa_key\n' },
      probe: ['exit', '0'],
    }
    const first = await bootContainer(folder, options)
    before = types.map((type) => first.file(`etc/ssh/ssh_host_${type}_key`))
    return options
  })

  test('have one of RSA where sshd_config names one', async () =>
    expect(await describeKey(other(), 'rsa')).toMatch(/^(3072|4096) .*\(RSA\)/))

  test('have different keys', () => {
    for (const type of ['ed25519', 'ecdsa']) {
      expect(publicKey(other(), type)).toBeDefined()
      expect(publicKey(other(), type)).not.toBe(publicKey(boot(), type))
    }
  })

  test('keep them over a second boot', () => {
    expect(before).not.toContain(undefined)
    expect(types.map((type) => other().file(`etc/ssh/ssh_host_${type}_key`))).toEqual(before)
  })
})

describe('an image that has a host key already', () => {
  const boot = booted({
    files: { ...image, 'etc/ssh/ssh_host_ed25519_key': { text: 'of the image', mode: 0o600 } },
    probe: ['exit', '0'],
  })

  test('keeps it, and gets no other', () => {
    expect(boot().file('etc/ssh/ssh_host_ed25519_key')).toBe('of the image')
    expect(readdirSync(join(boot().root, 'etc/ssh')).sort()).toEqual(['ssh_config', 'ssh_host_ed25519_key'])
  })
})
