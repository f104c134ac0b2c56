import { describe, expect, it } from 'vitest'
import type { Parsed } from '../../src/config/keys.ts'
import { configure, parseCommandLine } from '../../src/config/layers.ts'
import { SETTING_VARIABLES, takeSettings } from '../../src/config/variables.ts'

const of = (variables: Record<string, string>): Parsed => ({
  layer: {
    source: '/.zosrc',
    environment: new Map(Object.entries(variables)),
    init: '/app',
    settings: { cwd: '/srv' },
  },
  problems: [{ source: '/.zosrc', line: 1, message: 'one from before' }],
})

const messages = (variables: Record<string, string>): string[] =>
  takeSettings(of(variables))
    .problems.slice(1)
    .map(({ message }) => message)

describe('variables that are settings', () => {
  it('are settings, and no variables any more', () => {
    const { layer, problems } = takeSettings(
      of({
        ZMACHINE_MODE: 'exec',
        ZMACHINE_ON_EXIT: 'poweroff',
        ZMACHINE_GRACE: '30',
        ZMACHINE_USER: 'app:staff',
        ZMACHINE_CWD: '/work',
        ZMACHINE_STRICT: 'yes',
        ZMACHINE_LOG: 'debug',
        ZMACHINE_LOG_FILE: '2m',
        ZMACHINE_TIMELINE: 'off',
        OTHER: '1',
      }),
    )
    expect(layer).toEqual({
      source: '/.zosrc',
      init: '/app',
      environment: new Map([['OTHER', '1']]),
      settings: {
        mode: 'exec',
        onExit: 'poweroff',
        grace: 30,
        user: 'app:staff',
        cwd: '/work',
        strict: true,
        log: 'debug',
        logFile: 2 << 20,
        timeline: false,
      },
    })
    expect(problems).toHaveLength(1)
  })

  it.each([
    ['ZMACHINE_MODE', 'x', "ZMACHINE_MODE: 'x' is not one of auto, supervise, exec; ignored"],
    ['ZMACHINE_ON_EXIT', '', "ZMACHINE_ON_EXIT: '' is not one of reboot, poweroff, halt, restart; ignored"],
    ['ZMACHINE_GRACE', '1s', "ZMACHINE_GRACE: '1s' is not a number of seconds; ignored"],
    ['ZMACHINE_CWD', 'work', "ZMACHINE_CWD: 'work' is not an absolute path; ignored"],
  ])('are checked: %s=%j', (name, value, message) => {
    expect(messages({ [name]: value })).toEqual([message])
    expect(takeSettings(of({ [name]: value })).layer).toMatchObject({
      environment: new Map(),
      settings: { cwd: '/srv' },
    })
  })

  it.each([
    ['ZMACHINE_GRASE', 'ZMACHINE_GRACE'],
    ['ZMACHINE_ONEXIT', 'ZMACHINE_ON_EXIT'],
  ])('are not %s, which is passed on with a hint', (name, meant) => {
    expect(takeSettings(of({ [name]: '1' })).layer.environment).toEqual(new Map([[name, '1']]))
    expect(messages({ [name]: '1' })).toEqual([
      `${name}: not a setting, so the entrypoint gets it; did you mean ${meant}?`,
    ])
  })

  it.each(['ZMACHINE_DATABASE_URL', 'ZMACHINE', 'zmachine_grace', 'XZMACHINE_GRACE'])(
    'are not %s, which nobody mistakes for one',
    (name) => {
      expect(takeSettings(of({ [name]: '1' })).layer.environment).toEqual(new Map([[name, '1']]))
      expect(messages({ [name]: '1' })).toEqual([])
    },
  )

  it('are no keys that only a host may set', () => {
    const keys = [...SETTING_VARIABLES.values()]
    for (const key of ['shell', 'inspect', 'env']) expect(keys).not.toContain(key)
  })

  it('say where they came from, and are weaker than the command line’s keys', () => {
    const host = parseCommandLine('zmachine.grace=5').layer
    const { settings, origins } = configure(
      [takeSettings(of({ ZMACHINE_GRACE: '30', ZMACHINE_LOG: 'debug' })).layer],
      [host],
      true,
    )
    expect(settings).toMatchObject({ grace: 5, log: 'debug' })
    expect(origins.get('settings.log')).toBe('/.zosrc')
    expect(origins.get('settings.grace')).toBe('kernel command line')
  })
})

it('leaves a source without such variables as it is', () => {
  const parsed = of({ A: '1' })
  expect(takeSettings(parsed)).toEqual(parsed)
  expect(takeSettings({ layer: { source: 'x' }, problems: [] })).toEqual({
    layer: { source: 'x' },
    problems: [],
  })
})
