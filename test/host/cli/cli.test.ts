import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, test } from 'vitest'
import { run, runAs, temporaryFolder } from '../plan/plan-helpers.ts'

const folder = temporaryFolder()
const CLI = fileURLToPath(new URL('../../../src/host/cli/cli.ts', import.meta.url))

/** The command as a process of its own. */
function start(args: readonly string[], env: Readonly<Record<string, string>> = {}, input?: Buffer) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, ...args], {
    env: { ...process.env, ...env },
    ...(input !== undefined && { input }),
  })
  return { code: status, out: stdout, errors: stderr.toString() }
}

describe('zmachine', () => {
  test.each([['--help'], ['-h'], ['help']])('%s says what there is', (option) => {
    const { code, out } = run(option)
    expect(code).toBe(0)
    expect(out).toContain('zmachine plan')
  })

  test.each([['--help'], ['-h']])('plan %s has options, exit codes and examples', (option) => {
    const { code, out } = run('plan', option)
    expect(code).toBe(0)
    for (const part of ['--cmdline', '--seed', '--root', '--json', 'Exit code', 'Examples']) {
      expect(out).toContain(part)
    }
    expect(Math.max(...out.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100)
  })

  it('--version is the package’s', () => {
    expect(run('--version').out).toMatch(/^\d+\.\d+\.\d+\n$/)
  })

  test.each<[string, readonly string[], string]>([
    ['no subcommand', [], 'a subcommand is required'],
    ['an unknown subcommand', ['plna'], 'unknown subcommand "plna"; did you mean plan?'],
    ['an unknown subcommand of which none is near', ['constructor'], 'unknown subcommand "constructor"\n'],
    ['an unknown option', ['--halp'], 'unknown option "--halp"; did you mean --help?'],
    [
      'an unknown option of plan',
      ['plan', '--cmdlien', 'x'],
      'unknown option --cmdlien; did you mean --cmdline?',
    ],
    ['an unknown short option', ['plan', '-x'], 'unknown option -x\n'],
    ['the format option of other subcommands', ['plan', '--format', 'json'], '; did you mean --json?'],
    ["docker's ps", ['ps'], "docker's ps has no counterpart\n  try: pgrep"],
    [
      "docker's exec",
      ['exec', 'web', 'sh'],
      "docker's exec has no counterpart\n  try: zmachine run --ssh-key",
    ],
    ["docker's pull", ['pull', 'nginx'], "docker's pull has no counterpart\n  try: docker export"],
    ['an argument', ['plan', 'seed'], 'zmachine plan takes no argument "seed"'],
    ['an option without its value', ['plan', '--seed'], "'--seed <value>' argument missing"],
    ['a flag with a value', ['plan', '--json=yes'], "'--json' does not take an argument"],
    ['a seed that is not there', ['plan', '--seed', join(folder, 'none')], 'cannot be read (ENOENT)'],
    ['a command line that is not there', ['plan', '--cmdline', `@${join(folder, 'none')}`], '(ENOENT)'],
    ['a root that is not there', ['plan', '--root', join(folder, 'none')], '(ENOENT)'],
    ['a root that is a file', ['plan', '--root', CLI], 'is not a folder'],
  ])('%s is wrong usage', (_, args, message) => {
    const { code, out, errors } = run(...args)
    expect([code, out]).toEqual([2, ''])
    expect(errors).toContain(message)
    expect(errors).toMatch(/^zmachine: /)
  })

  test.each<[number, string]>([
    [0, 'host=web'],
    [0, 'zmachine.nonsense=1'],
    [1, 'vda=/'],
  ])('exits with %i for %s, as text and as JSON', (code, cmdline) => {
    expect(run('plan', '--cmdline', cmdline).code).toBe(code)
    expect(run('plan', '--json', '--cmdline', cmdline).code).toBe(code)
  })

  it('says why PID 1 refuses', () => {
    const { out } = run('plan', '--cmdline', 'vda=/')
    expect(out).toMatch(/PID 1 refuses to boot\n {2}plan: \/dev\/vda has no usable mount target/)
  })

  it('takes the last new line of @FILE for the file’s, as /proc/cmdline has one', () => {
    const file = join(folder, 'cmdline')
    writeFileSync(file, 'host=web\n')
    expect(run('plan', '--cmdline', `@${file}`)).toEqual(run('plan', '--cmdline', 'host=web'))
  })

  it('takes an argument as UTF-8 and prints it as such', () => {
    expect(run('plan', '--cmdline', 'zmachine.env.A=héllo').out).toMatch(/A +'héllo' +kernel command line/)
  })

  it('colours only when told to', () => {
    expect(runAs({ colours: true }, 'plan').out).toContain('\x1b[')
    expect(runAs({ colours: false }, 'plan').out).not.toContain('\x1b[')
  })
})

describe('the process', () => {
  it('hands bytes through, whatever they are', () => {
    const { code, out } = start(
      ['plan', '--json', '--cmdline', '@-'],
      {},
      Buffer.from('zmachine.env.A=\xff', 'latin1'),
    )
    expect(code).toBe(0)
    expect(JSON.parse(out.toString()).environment.at(-1)).toMatchObject({
      name: 'A',
      value: { bytes: '/w==' },
    })
  })

  it('has exit codes, errors on standard error, and no colours in a pipe', () => {
    const refused = start(['plan', '--cmdline', 'vda=/'])
    expect([refused.code, refused.errors]).toEqual([1, ''])
    expect(refused.out.includes('\x1b')).toBe(false)
    const wrong = start(['plan', '--sed'])
    expect([wrong.code, wrong.out.length]).toEqual([2, 0])
    expect(wrong.errors).toBe(
      'zmachine: unknown option --sed; did you mean --seed?\n  try: zmachine plan --help\n',
    )
  })
})
