/** A plan for people: sections of aligned rows, each value with its source at the right. Byte strings, ASCII but for what users wrote. */

import { parseMountOptions } from '../../config/mount-options.ts'
import { formatCidr, formatIp } from '../../lib/ip.ts'
import { sortMounts } from '../../plan/plan.ts'
import { describeRoute, isFatal, type Step } from '../../plan/step.ts'
import { printable, shown } from '../lib/byte-text.ts'
import {
  formatSection,
  notices,
  type Row,
  type Section,
  type Style,
  section,
  sourceColumn,
} from '../lib/sections.ts'
import type { PlanResult } from './plan-result.ts'

export function formatPlan(result: PlanResult, style: Style): string {
  const sections = [
    entrypoint(result),
    environment(result),
    root(result),
    machine(result),
    ...network(result),
    mounts(result),
    files(result),
    settings(result),
  ].filter(([, rows]) => rows.length > 0)
  const place = sourceColumn(sections)
  const text = sections.map((section) => formatSection(section, place, style))
  text.push(steps(result, style), ...notices(result, 'PID 1 refuses to boot', style))
  return text.join('\n')
}

function entrypoint({ config, originOf, identity }: PlanResult): Section {
  const { init, args, settings } = config
  const user = settings.user === undefined ? 'root' : shown(settings.user)
  const ids = identity === undefined || identity.uid === 0 ? '' : ` (${identity.uid}:${identity.gid})`
  return [
    'entrypoint',
    [
      ['program', shown(init), originOf('init')],
      ...args.map((arg, index): Row => [`argument ${index + 1}`, shown(arg), originOf('args')]),
      ['user', `${user}${ids}`, originOf('settings.user')],
      ['directory', shown(settings.cwd), originOf('settings.cwd')],
      ['mode', MODES[settings.mode], originOf('settings.mode')],
    ],
  ]
}

const MODES = {
  auto: 'auto: exec if it is an init, else supervise',
  supervise: 'supervise: a child of PID 1',
  exec: 'exec: PID 1 becomes it',
} as const

const environment = (result: PlanResult): Section => [
  'environment',
  result.environment.map(({ value: [key, value], from }): Row => [name(key), shown(value), from]),
]

/** Of variables and the like, which are mostly words. */
const name = (text: string): string => (text === '' ? "''" : shown(text))

function root({ config, originOf }: PlanResult): Section {
  const { source, type, options, readOnly, delay } = config.root
  return [
    'root file system',
    [
      ['source', shown(source), originOf('root.source')],
      ['type', type === undefined ? 'probed' : shown(type), originOf('root.type')],
      ['access', readOnly ? 'read-only' : 'read-write', originOf('root.readOnly')],
      ...(options === '' ? [] : [['options', shown(options), originOf('root.options')] as const]),
      ['waited for', `${delay} s`, originOf('root.delay')],
    ],
  ]
}

function machine({ config, originOf, authorizedKeys }: PlanResult): Section {
  const hostname = config.hostname === undefined ? '(not set)' : shown(config.hostname)
  return [
    'machine',
    [
      ['hostname', hostname, originOf('hostname')],
      ...config.dns.servers.map((ip): Row => ['name server', formatIp(ip), originOf('dns')]),
      ...config.dns.search.map((domain): Row => ['search', shown(domain), originOf('search')]),
      ...authorizedKeys.map(({ value, from }): Row => ['SSH key', abridged(value), from]),
    ],
  ]
}

/** An SSH key by its type, its end and its comment, which are what people know it by. */
function abridged(key: string): string {
  const [type = '', data = '', ...comment] = key.split(' ')
  if (data.length < 30) return printable(key)
  return printable([type, `...${data.slice(-12)}`, ...comment].join(' '))
}

function network({ config, originOf, routes }: PlanResult): Section[] {
  const sections = config.nics.map(({ name: nic, mac, setName, mtu, dhcp4, addresses }): Section => {
    const from = originOf(`nic.${nic}`)
    return [
      `NIC ${shown(nic)}`,
      [
        ['found by', mac ?? 'its name', from],
        ...(setName === undefined ? [] : [['renamed to', shown(setName), from] as const]),
        ...(mtu === undefined ? [] : [['mtu', String(mtu), from] as const]),
        ...(dhcp4 === true ? [['dhcp4', 'yes', from] as const] : []),
        ...addresses.map((cidr): Row => ['address', formatCidr(cidr), from]),
        ...routesOf(nic),
      ],
    ]
  })
  const others = new Set(routes.map(({ value }) => value.nic))
  for (const { name: nic } of config.nics) others.delete(nic)
  for (const nic of others) sections.push([`NIC ${shown(nic)} (routes only)`, routesOf(nic)])
  return sections

  function routesOf(nic: string): Row[] {
    const own = routes.filter(({ value }) => value.nic === nic)
    return own.map(({ value, from }): Row => ['route', printable(describeRoute(value)), from])
  }
}

const mounts = ({ config }: PlanResult): Section => [
  'mounts',
  sortMounts(config.mounts).map(({ source, target, type, options, from }): Row => {
    const { nofail, noauto } = parseMountOptions(options)
    const failure = nofail ? 'nofail' : 'fatal if it fails'
    const what = [shown(source), shown(type), ...(options === '' ? [] : [shown(options)])].join(' ')
    return [
      target === '' ? '(no target)' : shown(target),
      `${what}; ${noauto ? 'not at boot' : failure}`,
      from,
    ]
  }),
]

/** What decides a file's text. */
const FILE_ORIGINS: Readonly<Record<string, string>> = {
  '/etc/hostname': 'hostname',
  '/etc/hosts': 'hostname',
  '/etc/resolv.conf': 'dns',
}

const AUTHORIZED_KEYS = '/root/.ssh/authorized_keys'

const files = ({ steps, originOf, authorizedKeys }: PlanResult): Section => [
  'files',
  steps.flatMap(({ step }): Row[] => {
    if (step.kind !== 'file') return []
    const origin = FILE_ORIGINS[step.path]
    const keys = step.path === AUTHORIZED_KEYS ? authorizedKeys[0]?.from : undefined
    const from = origin === undefined ? keys : originOf(origin)
    const row = [shown(step.path), printable(step.purpose())] as const
    return [from === undefined ? row : [...row, from]]
  }),
]

function settings({ config, originOf }: PlanResult): Section {
  const { onExit, grace, strict, log, logFile, timeline, shell, inspect } = config.settings
  const yes = (value: boolean): string => (value ? 'yes' : 'no')
  return [
    'settings',
    [
      ['on exit', onExit, originOf('settings.onExit')],
      ['grace', `${grace} s from TERM to KILL`, originOf('settings.grace')],
      ['strict', yes(strict), originOf('settings.strict')],
      ['log', log, originOf('settings.log')],
      ...(logFile === undefined
        ? []
        : [['log file', `${logFile} bytes`, originOf('settings.logFile')] as const]),
      ['timeline', yes(timeline), originOf('settings.timeline')],
      ['shell', yes(shell), originOf('settings.shell')],
      ...(inspect === undefined
        ? []
        : [['inspect', `port ${inspect}`, originOf('settings.inspect')] as const]),
    ],
  ]
}

function steps({ steps, refusals, config }: PlanResult, style: Style): string {
  const digits = String(steps.length).length
  const title = refusals.length === 0 ? 'steps' : 'steps, if nothing were refused'
  const lines = steps.map(
    ({ step, description }, index) =>
      `  ${String(index + 1).padStart(digits)}  ${printable(description)}${remark(step, config.settings.strict, style)}`,
  )
  return section(title, lines, style)
}

/** What becomes of a failure, where that is not a warning and the next step. */
function remark(step: Step, strict: boolean, style: Style): string {
  if (step.kind === 'pseudo' && step.optional) return style.dim('  (optional)')
  if (isFatal(step, strict)) return style.dim('  (fatal)')
  return ''
}
