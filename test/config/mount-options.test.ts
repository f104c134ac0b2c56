import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { parseMountOptions } from '../../src/config/mount-options.ts'
import * as MS from '../../src/lib/mount-flags.ts'
import { anyBytes, textOf } from '../bytes.ts'

const nothing = { flags: 0, data: '', nofail: false, noauto: false, grow: true }

describe('parseMountOptions', () => {
  test.each([
    '',
    'defaults',
    'rw',
    ' defaults , rw ',
    'auto',
    'nouser',
    '_netdev',
    ',,,',
    'x-systemd.automount',
  ])('%j asks for nothing', (text) => {
    expect(parseMountOptions(text)).toEqual(nothing)
  })

  test.each([
    ['ro', MS.MS_RDONLY],
    ['nosuid', MS.MS_NOSUID],
    ['nodev', MS.MS_NODEV],
    ['noexec', MS.MS_NOEXEC],
    ['sync', MS.MS_SYNCHRONOUS],
    ['mand', MS.MS_MANDLOCK],
    ['dirsync', MS.MS_DIRSYNC],
    ['nosymfollow', MS.MS_NOSYMFOLLOW],
    ['noatime', MS.MS_NOATIME],
    ['nodiratime', MS.MS_NODIRATIME],
    ['relatime', MS.MS_RELATIME],
    ['strictatime', MS.MS_STRICTATIME],
    ['lazytime', MS.MS_LAZYTIME],
    // mount(8): these imply others.
    ['user', MS.MS_NOSUID | MS.MS_NODEV | MS.MS_NOEXEC],
    ['users', MS.MS_NOSUID | MS.MS_NODEV | MS.MS_NOEXEC],
    ['owner', MS.MS_NOSUID | MS.MS_NODEV],
    ['group', MS.MS_NOSUID | MS.MS_NODEV],
  ])('%s is a flag', (option, flags) => {
    expect(parseMountOptions(option)).toEqual({ ...nothing, flags })
    expect(parseMountOptions(`defaults,${option}`)).toEqual({ ...nothing, flags })
  })

  test.each([
    ['ro,rw', 0],
    ['rw,ro', MS.MS_RDONLY],
    ['nosuid,nodev,noexec,suid', MS.MS_NODEV | MS.MS_NOEXEC],
    ['nodev,dev', 0],
    ['noexec,exec', 0],
    ['sync,async', 0],
    ['noatime,atime', 0],
    ['user,exec', MS.MS_NOSUID | MS.MS_NODEV],
    ['lazytime,nolazytime', 0],
  ])('the last of opposites wins: %s', (text, flags) => {
    expect(parseMountOptions(text).flags).toBe(flags)
  })

  it('passes on what the file system understands, in order', () => {
    expect(parseMountOptions('noatime,subvol=/@data,nofail,compress=zstd:3,ro')).toEqual({
      flags: MS.MS_NOATIME | MS.MS_RDONLY,
      data: 'subvol=/@data,compress=zstd:3',
      nofail: true,
      noauto: false,
      grow: true,
    })
  })

  it('has one of its own: not to grow the file system', () => {
    expect(parseMountOptions('noatime,x-zmachine.nogrow')).toMatchObject({ data: '', grow: false })
    expect(parseMountOptions('x-zmachine.nogro')).toMatchObject({ data: '', grow: true })
  })

  it('reports nofail and noauto', () => {
    expect(parseMountOptions('nofail')).toEqual({ ...nothing, nofail: true })
    expect(parseMountOptions('noauto')).toEqual({ ...nothing, noauto: true })
  })

  test.each([
    'x-systemd.device-timeout=5',
    'X-mount.mkdir',
    'x-initrd.mount',
    'comment=mine',
    'X-mount.mkdir=0755',
  ])('%s is not the kernel’s', (option) => {
    expect(parseMountOptions(`${option},subvol=a`)).toEqual({ ...nothing, data: 'subvol=a' })
  })

  it('passes names that objects inherit on to the file system', () => {
    expect(parseMountOptions('constructor,toString').data).toBe('constructor,toString')
  })

  it('never throws, and passes no option on twice', () => {
    fc.assert(
      fc.property(fc.oneof(anyBytes(), textOf('ro,nofail=x- ')), (text) => {
        const { data, flags } = parseMountOptions(text)
        expect(data.length).toBeLessThanOrEqual(text.length)
        expect(parseMountOptions(data)).toEqual({ ...nothing, data })
        expect(flags).toBeGreaterThanOrEqual(0)
      }),
    )
  })
})
