/** Random machines: how each is configured and how it must end. */

import fc from 'fast-check'
import { type CmdlineData, encodeCmdline } from '../../src/host/seed/encode-cmdline.ts'
import { encodeSeed, type SeedData } from '../../src/host/seed/encode-seed.ts'
import { DISK_TYPES } from '../qemu/lib/images.ts'

/** Small enough to copy for each boot. */
export const TYPES: readonly string[] = ['ext4', 'vfat', 'erofs', 'squashfs', 'iso9660']
export const DISKS = DISK_TYPES.filter(({ type }) => TYPES.includes(type))

export interface Trial {
  /** Where the machine's configuration is. */
  readonly source: 'command line' | 'seed'
  readonly seedKind: 'fat12' | 'fat16' | 'fat32' | 'iso' | 'joliet'
  readonly readOnlyRoot: boolean
  /** Addresses of each NIC. */
  readonly nics: readonly (readonly string[])[]
  /** The type of each disk. */
  readonly disks: readonly string[]
  readonly shares: number
  readonly environment: Readonly<Record<string, string>>
  readonly hostname: string | undefined
  readonly user: string | undefined
  readonly onExit: 'poweroff' | 'reboot' | 'halt'
  readonly end: End
}

export type End =
  | { readonly is: 'exit'; readonly code: number }
  | { readonly is: 'signal'; readonly signal: number }
  /** The power button, `after` milliseconds after the report. A deaf entrypoint ignores TERM and has to be killed. */
  | { readonly is: 'button'; readonly after: number; readonly deaf: boolean }
  /** Ends and is restarted until the power button is pressed. */
  | { readonly is: 'restart'; readonly code: number; readonly after: number }

const octet = fc.integer({ min: 2, max: 250 })

/** The networks of different NICs do not overlap. */
const addresses = (nic: number) =>
  fc
    .tuple(
      fc.uniqueArray(octet, { maxLength: 3 }),
      fc.uniqueArray(octet, { maxLength: 2 }),
      fc.integer({ min: 8, max: 30 }),
    )
    .map(([four, six, prefix]) => [
      ...four.map((host) => `10.${nic * 8}.${host}.${host}/${Math.max(16, prefix)}`),
      ...six.map((host) => `fd00:${nic + 1}::${host.toString(16)}/64`),
    ])

const nics = fc
  .integer({ min: 0, max: 3 })
  .chain((count) => fc.tuple(...Array.from({ length: count }, (_, nic) => addresses(nic))))

/** A variable's value: no NUL; on a command line no quotes and no newlines either. */
const value = (source: Trial['source']): fc.Arbitrary<string> =>
  source === 'seed'
    ? fc.string({ unit: 'binary', maxLength: 30 }).map((text) => text.toWellFormed().replaceAll('\0', ''))
    : fc.string({ unit: 'grapheme-ascii', maxLength: 20 }).map((text) => text.replaceAll('"', "'"))

const end: fc.Arbitrary<End> = fc.oneof(
  fc.record({ is: fc.constant('exit' as const), code: fc.integer({ min: 0, max: 255 }) }),
  fc.record({
    is: fc.constant('signal' as const),
    signal: fc.constantFrom(1, 2, 3, 6, 9, 11, 13, 14, 15, 34),
  }),
  fc.record({
    is: fc.constant('button' as const),
    after: fc.integer({ min: 0, max: 800 }),
    deaf: fc.boolean(),
  }),
  fc.record({
    is: fc.constant('restart' as const),
    code: fc.integer({ min: 0, max: 255 }),
    after: fc.integer({ min: 0, max: 1500 }),
  }),
)

const trials: fc.Arbitrary<Trial> = fc
  .constantFrom('command line' as const, 'seed' as const)
  .chain((source) =>
    fc.record({
      source: fc.constant(source),
      seedKind: fc.constantFrom(
        'fat12' as const,
        'fat16' as const,
        'fat32' as const,
        'iso' as const,
        'joliet' as const,
      ),
      readOnlyRoot: fc.boolean(),
      nics,
      disks: fc.array(fc.constantFrom(...TYPES), { maxLength: 3 }),
      shares: fc.integer({ min: 0, max: 2 }),
      environment: fc.dictionary(fc.stringMatching(/^[A-Z_][A-Z0-9_]{2,9}$/), value(source), {
        maxKeys: 4,
        noNullPrototype: true,
      }),
      hostname: fc.option(fc.stringMatching(/^[a-z][a-z0-9-]{0,10}[a-z0-9]$/), { nil: undefined }),
      user: fc.constantFrom(undefined, '1000:1000', '33', '0:7'),
      onExit: fc.constantFrom('poweroff' as const, 'reboot' as const, 'halt' as const),
      end,
    }),
  )

/** The same for the same seed. */
export const makeTrial = (seed: number): Trial => {
  const [trial] = fc.sample(trials, { seed, numRuns: 1 })
  if (trial === undefined) throw new Error('no trial')
  return trial
}

/** QEMU's default for a NIC. */
const macOf = (nic: number): string => `52:54:00:00:00:0${nic + 1}`

const diskName = (at: number): string => `vd${String.fromCharCode(0x61 + at)}`

export const diskTarget = (at: number): string => `/disks/${at}`
export const shareTarget = (at: number): string => `/shares/${at}`

/** Settings that exist on the command line only. */
function settings({ user, onExit, end: ending }: Trial): NonNullable<CmdlineData['settings']> {
  return {
    onExit: ending.is === 'restart' ? 'restart' : onExit,
    grace: 1,
    ...(user !== undefined && { user }),
  }
}

export function cmdlineOf(trial: Trial): string {
  const { source, readOnlyRoot, nics, disks, shares, environment, hostname } = trial
  const common: CmdlineData = { root: { readOnly: readOnlyRoot }, settings: settings(trial) }
  if (source === 'seed') return encodeCmdline(common)
  return encodeCmdline({
    ...common,
    environment,
    nics: nics.map((addresses, at) => ({ name: `eth${at}`, addresses })),
    disks: disks.map((_, at) => ({ name: diskName(at), target: diskTarget(at) })),
    shares: Array.from({ length: shares }, (_, at) => ({ tag: `tag${at}`, target: shareTarget(at) })),
    ...(hostname !== undefined && { hostname }),
  })
}

/** Undefined if everything is on the command line. */
export function seedOf({ source, nics, disks, shares, environment, hostname }: Trial) {
  if (source === 'command line') return undefined
  const data: SeedData = {
    environment,
    nics: nics.map((addresses, at) => ({ name: `eth${at}`, mac: macOf(at), addresses })),
    mounts: [
      ...disks.map((_, at) => ({ source: `/dev/${diskName(at)}`, target: diskTarget(at) })),
      ...Array.from({ length: shares }, (_, at) => ({ source: `tag${at}`, target: shareTarget(at) })),
    ],
    ...(hostname !== undefined && { hostname }),
  }
  return encodeSeed(data)
}

/** The probe's commands. */
export function commandsOf({ end: ending }: Trial): string[] {
  const report = ['report', '-', ',']
  switch (ending.is) {
    case 'exit':
      return [...report, 'exit', String(ending.code)]
    case 'signal':
      return [...report, 'raise', String(ending.signal)]
    case 'button':
      return [...(ending.deaf ? ['block', ','] : []), ...report, 'say', 'waiting', ',', 'sleep', '60000']
    case 'restart':
      return [...report, 'say', 'waiting', ',', 'exit', String(ending.code)]
  }
}
