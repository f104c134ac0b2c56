import { describe, expect, it, test } from 'vitest'
import { parseUserData } from '../../src/config/user-data.ts'
import { formatProblem } from '../../src/lib/problem.ts'

function read(text: string) {
  const { layer, problems } = parseUserData(text, 'f')
  const { source: _, ...rest } = layer
  return { ...rest, problems: problems.map(formatProblem) }
}

const mounts = (entry: string) => {
  const { mounts: found = [], problems } = read(`mounts:\n- ${entry}\n`)
  return {
    found: found.map(({ source, target, type, options }) => [source, target, type, options]),
    problems,
  }
}

describe('parseUserData', () => {
  it("has root's keys, mounts and a hostname", () => {
    const text = `#cloud-config
hostname: web
fqdn: web.example
ssh_authorized_keys: [ssh-rsa AAAA top]
mounts:
- [vda, /data, ext4, "noatime,nofail", 0, 2]
users:
- default
- name: other
  ssh_authorized_keys: [ssh-rsa BBBB other]
- name: root
  ssh_authorized_keys:
  - ssh-ed25519 CCCC root
  - |
    # several
    ssh-rsa DDDD one

    ssh-rsa EEEE voil\xc3\xa0
`
    expect(read(text)).toEqual({
      hostname: 'web',
      authorizedKeys: [
        'ssh-rsa AAAA top',
        'ssh-ed25519 CCCC root',
        'ssh-rsa DDDD one',
        'ssh-rsa EEEE voil\xc3\xa0',
      ],
      mounts: [{ source: '/dev/vda', target: '/data', type: 'ext4', options: 'noatime,nofail', from: 'f' }],
      problems: ["f:8:3: user 'default' is not root; skipped", "f:9:3: user 'other' is not root; skipped"],
    })
  })

  it('reports two mounts on one target', () => {
    expect(read('mounts:\n- [vda, /a]\n- [vdb, /b/../a/]\n').problems).toEqual([
      "f:3:3: '/a' is also the target of an earlier mount; this one counts",
    ])
  })

  it('reads very many mounts in time that grows with their number', () => {
    const entries = Array.from({ length: 40_000 }, (_, at) => `- [vda, /a${at}]\n`)
    const start = performance.now()
    expect(read(`mounts:\n${entries.join('')}`).mounts).toHaveLength(40_000)
    // A third of a second; if each were compared with all before it, eight.
    expect(performance.now() - start).toBeLessThan(4000)
  })

  it('takes the first label of fqdn if there is no hostname', () => {
    expect(read('fqdn: web.example\n').hostname).toBe('web')
  })

  test.each<[entry: string, expected: string[]]>([
    ['[/dev/vdb, /data, btrfs, ro, 0, 0]', ['/dev/vdb', '/data', 'btrfs', 'ro']],
    ['[vdb, /data]', ['/dev/vdb', '/data', 'auto', 'defaults']],
    ['[vdb1, /data, null, null]', ['/dev/vdb1', '/data', 'auto', 'defaults']],
    ['[xvda, a/./b/../c]', ['/dev/xvda', '/a/c', 'auto', 'defaults']],
    ['[sdaa, /x, ext4, nofail]', ['/dev/sdaa', '/x', 'ext4', 'nofail']],
    ['[vda, /x, virtiofs]', ['vda', '/x', 'virtiofs', 'defaults']],
    ['["my share", "/a b", virtiofs]', ['my share', '/a b', 'virtiofs', 'defaults']],
    ['[LABEL=data, /x]', ['LABEL=data', '/x', 'auto', 'defaults']],
    ['[vd, /x]', ['vd', '/x', 'auto', 'defaults']],
    ['[vdata-1, /x]', ['vdata-1', '/x', 'auto', 'defaults']],
    ['[tmpfs, /x, tmpfs, size=1m]', ['tmpfs', '/x', 'tmpfs', 'size=1m']],
  ])('mounts %s', (entry, expected) => {
    expect(mounts(entry)).toEqual({ found: [expected], problems: [] })
  })

  test.each<[entry: string, problem: string]>([
    ['text', "f:2:3: a mount is a list of fields, not 'text'; skipped"],
    ['{a: b}', 'f:2:3: a mount is a list of fields, not a mapping; skipped'],
    ['[]', 'f:2:3: mount without a source; skipped'],
    ['[vdb, none, swap, sw]', "f:2:3: 'vdb' has no mount point (swap is not supported); skipped"],
    ['[vdb, swap]', "f:2:3: 'vdb' has no mount point (swap is not supported); skipped"],
    ['[ephemeral0, null]', "f:2:3: 'ephemeral0' has no mount target; skipped"],
    ['[vdb, [x]]', 'f:2:3: a list is not a field of a mount; the mount is skipped'],
    ['[vdb, "/a\\0b"]', "f:2:3: '/a\\x00b' is not a field of a mount; the mount is skipped"],
  ])('skips the mount %s', (entry, problem) => {
    expect(mounts(entry)).toEqual({ found: [], problems: [problem] })
  })

  test.each(['/', '/..', '""'])('keeps a mount on %s for the plan to refuse', (target) => {
    const { found, problems } = mounts(`[vdb, ${target}, ext4, defaults]`)
    expect(found).toEqual([['/dev/vdb', '', 'ext4', 'defaults']])
    expect(problems).toHaveLength(1)
  })

  it('takes six fields of a mount', () => {
    expect(mounts('[vdb, /x, ext4, ro, 0, 0, 7]')).toEqual({
      found: [['/dev/vdb', '/x', 'ext4', 'ro']],
      problems: ['f:2:3: a mount has at most six fields; the rest is ignored'],
    })
  })

  test.each<[text: string, problem: string]>([
    ['packages: [nginx]\n', "f:1:1: 'packages' is not supported; ignored"],
    ['runcmd:\n- touch /x\n', "f:1:1: 'runcmd' is not supported; ignored"],
    ['users: text\n', 'f:1:1: not a list; taken as a list of one item'],
    ['users:\n- shell: /bin/sh\n', 'f:2:3: user without a name; skipped'],
    ['users:\n- name: root\n  shell: /bin/sh\n', "f:3:3: 'shell' is not supported; ignored"],
    ['ssh_authorized_keys: [[a]]\n', 'f:1:23: a list is not an SSH key; skipped'],
    [
      'hostname: -x\n',
      "f:1:1: '-x' contains '-', which is not allowed in a hostname; the hostname is not changed",
    ],
    ['text\n', 'f:1:1: the file is not a mapping; ignored'],
  ])('tells: %j', (text, problem) => {
    expect(read(text).problems).toContain(problem)
  })

  test.each([
    ['#!/bin/sh\nrm -rf /\n', 'a script'],
    ['Content-Type: multipart/mixed; boundary="x"\n', 'MIME'],
    ['MIME-Version: 1.0\n', 'MIME'],
    ['\x1f\x8b\x08\0', 'gzip'],
    ['#include\nhttp://x/\n', 'a list of addresses'],
    ['#cloud-boothook\n', 'a boot hook'],
    ['## template: jinja\n#cloud-config\n', 'a template'],
  ])('does not read %j', (text, what) => {
    expect(read(text)).toEqual({
      problems: [`f:1:1: is ${what}, not a #cloud-config; it is ignored, and nothing is run`],
    })
  })

  it('says nothing of an empty file', () => {
    expect(read('')).toEqual({ mounts: [], authorizedKeys: [], problems: [] })
    expect(read('#cloud-config\n')).toEqual({ mounts: [], authorizedKeys: [], problems: [] })
  })
})
