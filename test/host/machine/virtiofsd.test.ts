import { expect, test } from 'vitest'
import { virtiofsdArgs, virtiofsdCommand } from '../../../src/host/machine/virtiofsd.ts'

const shared = { directory: '/d', socket: '/s', readOnly: false }
const MAP =
  ':bad:all:trusted.overlay.origin:user.virtiofs.trusted.overlay.origin::map:trusted.:user.virtiofs.:'

test('virtiofsdArgs speaks to QEMU’s own version', () => {
  expect(virtiofsdArgs({ path: '/v', kind: 'c' }, shared)).toEqual([
    ...['--socket-path=/s', '-o', 'source=/d', '-o', 'cache=auto', '-o', `xattrmap=${MAP}`, '-f'],
  ])
})

test('virtiofsdArgs speaks to the version in Rust', () => {
  const program = { path: '/v', kind: 'rust' } as const
  const args = ['--socket-path=/s', '--shared-dir=/d', '--cache=auto', '--xattr', `--xattrmap=${MAP}`]
  expect(virtiofsdArgs(program, shared)).toEqual(args)
})

test('virtiofsdArgs has an inherited socket by its descriptor', () => {
  for (const kind of ['c', 'rust'] as const) {
    const [listen] = virtiofsdArgs({ path: '/v', kind }, { ...shared, socket: 0 })
    expect(listen).toBe('--fd=0')
  }
})

test('virtiofsdCommand gives the version in C a user namespace where there is no root', () => {
  const c = { path: '/v', kind: 'c' } as const
  expect(virtiofsdCommand(c, shared, true).at(0)).toBe('/v')
  expect(virtiofsdCommand(c, shared, false).slice(0, 5)).toEqual([
    ...['unshare', '--user', '--map-root-user', '--map-auto', '--mount'],
  ])
  expect(virtiofsdCommand({ path: '/v', kind: 'rust' }, shared, false).at(0)).toBe('/v')
})

test.each(['c', 'rust'] as const)('what is read-only is so before virtiofsd (%s) sees it', (kind) => {
  const readOnly = { directory: '/d', socket: '/s', readOnly: true }
  for (const isRoot of [true, false]) {
    const command = virtiofsdCommand({ path: '/v', kind }, readOnly, isRoot)
    expect(command[0]).toBe('unshare')
    expect(command.includes('--user')).toBe(!isRoot)
    expect(command.join(' ')).toContain('mount -o remount,bind,ro -- "$1"')
    expect(command.join(' ')).toContain(' sh /d /v ')
  }
})
