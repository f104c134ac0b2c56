/** Which program becomes the entrypoint, and its arguments and environment. */

import { describe, expect, test } from 'vitest'
import { scripted } from '../../faults/faults.ts'
import { booted } from '../lib/boot.ts'
import { probeProgram } from '../lib/files.ts'

const latin1 = (text: string): string => Buffer.from(text).toString('latin1')

describe('the environment', () => {
  // As the host's serializer writes them: a quote inside is '"'"'; nothing is expanded.
  const boot = booted({
    files: {
      'etc/environment': '# comment\nETC_ONLY=from etc\nBOTH="of etc"\nTHREE=etc\n',
      '.zosrc': Buffer.concat([
        Buffer.from(
          [
            `export QUOTE='it'"'"'s "here"'`,
            "export LINES='one\ntwo\n\nfour'",
            "export SHELL_TEXT='$HOME `id` \\n $(id) !x'",
            "export MY-VAR='dash'",
            "export break='1'",
            "export init='2'",
            "export root='3'",
            "export EMPTY=''",
            "export ZOE='Zo\u00eb \u65e5\u672c'",
            "export BOTH='of zosrc'",
            "export THREE='zosrc'",
            "export PATH='/opt/app/bin'",
            "init='/opt/app/bin/tool'",
            "set -- 'report' '/report' ',' 'say' 'two words'",
            '',
          ].join('\n'),
        ),
        Buffer.from("export BYTES='"),
        Buffer.from([0xff, 0xfe, 0x01, 0x80]),
        Buffer.from("'\n"),
      ]),
      'opt/app/bin/tool': { link: '/probe' },
    },
    init: null,
    cmdline:
      'zmachine.env.THREE=cmdline "zmachine.env.SPACED=a b" zmachine.env.EQUALS=a=b HIDDEN=1 hidden.too=2',
  })

  const variable = (name: string): string | undefined =>
    boot()
      .report()
      .env.find((entry) => entry.startsWith(`${name}=`))
      ?.slice(name.length + 1)

  test.each([
    ['a quote', 'QUOTE', `it's "here"`],
    ['new lines', 'LINES', 'one\ntwo\n\nfour'],
    ['what a shell would expand', 'SHELL_TEXT', '$HOME `id` \\n $(id) !x'],
    ['a name with a dash', 'MY-VAR', 'dash'],
    ['a name that is a shell’s word', 'break', '1'],
    ['a name of the boot’s own', 'init', '2'],
    ['another name of the boot’s own', 'root', '3'],
    ['nothing', 'EMPTY', ''],
    ['Unicode', 'ZOE', latin1('Zoë 日本')],
    ['bytes that are no text', 'BYTES', '\xff\xfe\x01\x80'],
    ['/etc/environment', 'ETC_ONLY', 'from etc'],
    ['the kernel command line', 'SPACED', 'a b'],
    ['an equals sign', 'EQUALS', 'a=b'],
  ])('holds %s', (_, name, value) => expect(variable(name)).toBe(value))

  test('lets /.zosrc win over /etc/environment, and the command line over both', () => {
    expect(variable('BOTH')).toBe('of zosrc')
    expect(variable('THREE')).toBe('cmdline')
  })

  test('has nothing else but HOME and TERM', () => {
    const given =
      'BOTH BYTES EMPTY EQUALS ETC_ONLY LINES MY-VAR PATH QUOTE SHELL_TEXT SPACED THREE ZOE break init root'
    const names = boot()
      .report()
      .env.map((entry) => entry.slice(0, entry.indexOf('=')))
    expect(names.sort()).toEqual([...given.split(' '), 'HOME', 'TERM'].sort())
  })

  test('may have a PATH of its own, which hurts nobody else', () => {
    expect(variable('PATH')).toBe('/opt/app/bin')
    expect(boot().container).toMatchObject({ code: 0, reason: 'exit' })
  })

  test('comes with the entrypoint and the arguments of /.zosrc', () => {
    expect(boot().report().argv).toEqual(['/opt/app/bin/tool', 'report', '/report', ',', 'say', 'two words'])
    expect(boot().console).toContain('probe: two words')
  })
})

describe('an image converted from Docker, deployed without an entrypoint', () => {
  const boot = booted({
    files: {
      // As 0-hub's converter writes it.
      '.startup.toml': [
        '[startup]',
        '[startup.entry]',
        'name = "core.system"',
        '[startup.entry.args]',
        'name = "tool"',
        'args = ["report", "/report", ",", "say", "two words"]',
        'dir = "/srv"',
        '[startup.entry.args.env]',
        'PATH = "/opt/app/bin"',
        'ONLY = "startup"',
        'BOTH = "startup"',
        'THREE = "startup"',
        '',
      ].join('\n'),
      '.zosrc': "export BOTH='zosrc'\n",
      'etc/environment': 'ETC=environment\nTHREE=environment\n',
      'opt/app/bin/tool': { link: '/probe' },
      srv: { directory: true },
    },
    init: null,
  })

  test('starts what /.startup.toml names, where it says', () => {
    expect(boot().report().argv).toEqual(['tool', 'report', '/report', ',', 'say', 'two words'])
    expect(boot().report().cwd).toBe('/srv')
    expect(boot().container).toMatchObject({ code: 0, reason: 'exit' })
  })

  test('takes its variables over /etc/environment’s and below /.zosrc’s', () => {
    expect(boot().report().env).toEqual(
      expect.arrayContaining(['ONLY=startup', 'BOTH=zosrc', 'THREE=startup', 'ETC=environment']),
    )
  })
})

describe('settings of the deployment', () => {
  const boot = booted({
    files: {
      '.zosrc': [
        ...['USER=1000:1001', 'CWD=/srv', 'LOG=quiet', 'TIMELINE=yes', 'GRASE=3', 'ON_EXIT=later'],
        'OTHER_THINGS=1',
      ]
        .map((setting) => `export ZMACHINE_${setting.replace('=', "='")}'\n`)
        .join(''),
      srv: { directory: true },
    },
    cmdline: 'zmachine.cwd=/proc',
    probe: ['report', '-'],
  })

  test('count as the keys do, and are weaker than the command line', () => {
    expect(boot().report()).toMatchObject({ uid: 1000, gid: 1001, cwd: '/proc' })
    expect(boot().console).toContain('zmachine: timeline ')
    expect(boot().console).not.toContain('zmachine: starting')
  })

  test('are not the entrypoint’s variables; what only resembles one is', () => {
    const names = boot()
      .report()
      .env.map((entry) => entry.slice(0, entry.indexOf('=')))
    expect(names.filter((name) => name.startsWith('ZMACHINE_')).sort()).toEqual([
      'ZMACHINE_GRASE',
      'ZMACHINE_OTHER_THINGS',
    ])
  })

  test('are checked', () => {
    expect(boot().console).toContain(
      "/.zosrc: ZMACHINE_ON_EXIT: 'later' is not one of reboot, poweroff, halt, restart; ignored",
    )
    expect(boot().console).toContain(
      '/.zosrc: ZMACHINE_GRASE: not a setting, so the entrypoint gets it; did you mean ZMACHINE_GRACE?',
    )
    expect(boot().console).not.toMatch(/warning: .*OTHER_THINGS/)
  })
})

describe('a command line of the kernel’s full length', () => {
  // COMMAND_LINE_SIZE is 2048 on x86, including the final NUL; the kernel truncates a longer one.
  const boot = booted({ cmdline: `zmachine.env.LONG=${'x'.repeat(1700)} zmachine.env.LAST=seen` })

  test('is read to its end', () => {
    const { env } = boot().report()
    expect(env).toContain(`LONG=${'x'.repeat(1700)}`)
    expect(env).toContain('LAST=seen')
  })
})

describe('user and working directory', () => {
  const files = {
    'etc/passwd': 'root:x:0:0::/root:/bin/sh\napp:x:1234:2345:App:/home/app:/bin/sh\n',
    'etc/group': 'root:x:0:\nstaff:x:50:app\napp:x:2345:\n',
    'work/keep': '',
  }
  describe('by name', () => {
    const boot = booted({
      files,
      cmdline: 'zmachine.user=app:staff zmachine.cwd=/work',
      probe: ['report', '-'],
    })
    test('are those that were asked for', () => {
      const { uid, gid, cwd, status } = boot().report()
      expect({ uid, gid, cwd }).toEqual({ uid: 1234, gid: 50, cwd: '/work' })
      expect(status.get('Uid')).toBe('1234\t1234\t1234\t1234')
      expect(status.get('CapEff')).toMatch(/^0+$/)
    })
  })
  describe('by number', () => {
    const boot = booted({ files, cmdline: 'zmachine.user=7777:8888', probe: ['report', '-'] })
    test('need no entry in passwd', () => {
      const { uid, gid } = boot().report()
      expect({ uid, gid }).toEqual({ uid: 7777, gid: 8888 })
    })
  })
  describe('without root’s rights', () => {
    const script = 'echo logged > /dev/stdout && echo wrong > /dev/stderr; ls -ln /dev/console /dev/ttyS0'
    const boot = booted({
      ...scripted(script),
      cmdline: 'zmachine.user=7777:8888',
    })
    test('log to /dev/stdout and /dev/stderr, and do not own /dev/console', () => {
      expect(boot().console).toMatch(/^logged\r?\nwrong\r?$/m)
      expect(boot().console).toMatch(/^crw\S+ +1 0 .*\/dev\/console\r?$/m)
      expect(boot().console).toMatch(/^crw\S+ +1 7777 .*\/dev\/ttyS0\r?$/m)
    })
  })
  describe('that do not exist', () => {
    const boot = booted({ files, cmdline: 'zmachine.user=nobody-here', probe: ['say', 'ran'] })
    test('are a fatal error that names the user', () => {
      expect(boot().console).toMatch(/zmachine: .*nobody-here/)
      expect(boot().console).not.toContain('probe: ran')
      expect(boot().container?.code).toBe(125)
    })
  })
})

describe.each([
  ['a bare name along PATH', 'tool', 'usr/local/bin/tool', 'tool'],
  ['a relative path', 'opt/tool', 'opt/tool', 'opt/tool'],
  ['an absolute path', '/opt/tool', 'opt/tool', '/opt/tool'],
])('an entrypoint given as %s', (_, init, place, argv0) => {
  const boot = booted({ init, files: { [place]: { link: '/probe' } } })

  test('is found inside the root', () => {
    expect(boot().container?.code).toBe(0)
    expect(boot().report().argv[0]).toBe(argv0)
  })
})

describe('a script as the entrypoint', () => {
  const boot = booted({
    init: '/script',
    files: { script: { text: '#!/probe say\n', mode: 0o755 } },
    probe: ['more'],
  })

  test('runs by its interpreter, with its arguments', () => {
    expect(boot().console).toContain('probe: /script more')
  })
})

describe.each([
  ['is missing', {}, 127],
  ['may not be executed', { tool: { text: 'x', mode: 0o644 } }, 126],
  ['is a directory', { tool: { directory: true } as const }, 126],
  ['is no program', { tool: { text: 'just text\n', mode: 0o755 } }, 126],
  ['is a dangling link', { tool: { link: '/nowhere' } }, 127],
])('an entrypoint that %s', (_, files, code) => {
  const boot = booted({ init: '/tool', files })

  test(`ends with ${code} and an error that names it`, () => {
    expect(boot().container?.code).toBe(code)
    expect(boot().console).toMatch(/zmachine: .*\/tool/)
    expect(boot().exit.reason).toBe('powerdown')
  })
})

const program = await probeProgram()

describe.each([
  [
    '/sbin/init that is a link to systemd',
    null,
    { 'sbin/init': { link: '/lib/systemd/systemd' }, 'lib/systemd/systemd': { copy: program } },
  ],
  ['/sbin/init that is a program of the image’s own', null, { 'sbin/init': { copy: program } }],
  [
    's6’s /init',
    '/init',
    {
      init: { text: '#!/command/execlineb -S0\n', mode: 0o755 },
      'command/execlineb': { copy: program },
    },
  ],
  ['zmachine.mode=exec', '/tool zmachine.mode=exec', { tool: { copy: program } }],
] as const)('exec mode by %s', (_, init, files) => {
  const boot = booted({
    init,
    files,
    last: /probe: pid 1 ends, code 6/,
    // The first comma ends what a #! line adds.
    probe: [',', 'report', ',', 'exit', '6'],
  })

  test('makes it PID 1 and leaves nothing behind', () => {
    const { pid, descriptors, status, processes } = boot().report()
    expect(pid).toBe(1)
    expect([...descriptors.keys()]).toEqual([0, 1, 2])
    for (const key of ['SigBlk', 'SigIgn', 'SigCgt']) expect(status.get(key)).toMatch(/^0+$/)
    expect(processes.filter(({ ppid }) => ppid === 1)).toEqual([])
    expect(boot().console).not.toContain('zmachine: exited')
  })
})

describe('an /init that is no init system’s', () => {
  const boot = booted({ init: '/init', files: { init: { link: '/probe' } } })

  test('is supervised as any program', () => expect(boot().report().ppid).toBe(1))
})
