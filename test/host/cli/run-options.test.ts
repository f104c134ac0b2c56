import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readVariables } from '../../../src/host/cli/option-values.ts'
import { type RunRequest, readRunOptions } from '../../../src/host/cli/run-options.ts'
import { UsageError } from '../../../src/host/lib/usage.ts'

/** What is read of a command line with a root in it. */
function read(...argv: readonly string[]): RunRequest {
  const request = readRunOptions(argv)
  if (request === 'help') throw new Error('help')
  return request
}

/** What the error says, and what to do. */
function refusal(...argv: readonly string[]): string {
  try {
    readRunOptions(argv)
  } catch (error) {
    if (error instanceof UsageError) return `${error.message}\n${error.hint}`
    throw error
  }
  return 'none'
}

test('what is not said has a default, or is not there', () => {
  expect(read('root')).toEqual({
    root: 'root',
    args: [],
    environment: [],
    environmentFiles: [],
    sshKeys: [],
    pid1: 'lean',
    memoryMB: 256,
    cpus: 1,
    volumes: [],
    disks: [],
    readOnly: false,
    fresh: false,
    network: { kind: 'user', outbound: true },
    forwards: [],
    addresses: [],
    gateways: [],
    nameservers: [],
    cmdline: '',
    protocol: 'seed',
    accel: 'auto',
    interactive: false,
    print: false,
    verbose: false,
  })
})

describe('the forms of options', () => {
  test.each<readonly [argv: readonly string[], what: Partial<RunRequest>]>([
    [['--entrypoint', '/bin/sh'], { entrypoint: '/bin/sh' }],
    [
      ['-e', 'A=1', '--env', 'B=2=3', '--env=C='],
      {
        environment: [
          ['A', '1'],
          ['B', '2=3'],
          ['C', ''],
        ],
      },
    ],
    [['-e', 'NAME'], { environment: [['NAME', undefined]] }],
    [['-eA=1'], { environment: [['A', '1']] }],
    [['-e', 'MY-VAR=a\nb'], { environment: [['MY-VAR', 'a\nb']] }],
    [['--env-file', 'a', '--env-file', 'b'], { environmentFiles: ['a', 'b'] }],
    [['-u', 'app:staff'], { user: 'app:staff' }],
    [['--user', '1000'], { user: '1000' }],
    [['-w', '/srv'], { directory: '/srv' }],
    [['--workdir=/srv'], { directory: '/srv' }],
    [['--hostname', 'web'], { hostname: 'web' }],
    [['--ssh-key', 'a.pub', '--ssh-key', 'ssh-ed25519 AAAA'], { sshKeys: ['a.pub', 'ssh-ed25519 AAAA'] }],
    [['-i'], { interactive: true }],
    [['-t'], { interactive: false }],
    [['-it'], { interactive: true }],
    [['-ti'], { interactive: true }],
    [['--interactive', '--tty'], { interactive: true }],
    [['-m', '512'], { memoryMB: 512 }],
    [['--pid1', 'node'], { pid1: 'node', memoryMB: 512 }],
    [['--pid1=node', '-m', '1G'], { pid1: 'node', memoryMB: 1024 }],
    [['--pid1', 'lean'], { pid1: 'lean', memoryMB: 256 }],
    [['-m', '512m'], { memoryMB: 512 }],
    [['-m512M'], { memoryMB: 512 }],
    [['--memory', '1.5G'], { memoryMB: 1536 }],
    [['--memory=65536K'], { memoryMB: 64 }],
    [['--memory', '2GiB'], { memoryMB: 2048 }],
    [['--memory', '48'], { memoryMB: 48 }],
    [['--cpus', '4'], { cpus: 4 }],
    [['--cpus', '255'], { cpus: 255 }],
    [['-v', './site:/srv'], { volumes: [{ directory: './site', target: '/srv', readOnly: false }] }],
    [['-v', '/a:/b:rw'], { volumes: [{ directory: '/a', target: '/b', readOnly: false }] }],
    [['--volume', '/a b:/c d:ro'], { volumes: [{ directory: '/a b', target: '/c d', readOnly: true }] }],
    [['--disk', 'a.img'], { disks: [{ source: { file: 'a.img' }, type: 'auto', options: 'defaults' }] }],
    [
      ['--disk', 'a:/d'],
      { disks: [{ source: { file: 'a' }, target: '/d', type: 'auto', options: 'defaults' }] },
    ],
    [
      ['--disk', 'a:/d:xfs:ro,nofail'],
      { disks: [{ source: { file: 'a' }, target: '/d', type: 'xfs', options: 'ro,nofail' }] },
    ],
    [
      ['--disk', 'a:/d::ro'],
      { disks: [{ source: { file: 'a' }, target: '/d', type: 'auto', options: 'ro' }] },
    ],
    [
      ['--disk', 'new:64M:/d'],
      { disks: [{ source: { bytes: 64 << 20 }, target: '/d', type: 'auto', options: 'defaults' }] },
    ],
    [
      ['--disk', 'new:1G:/d:btrfs'],
      { disks: [{ source: { bytes: 1 << 30 }, target: '/d', type: 'btrfs', options: 'defaults' }] },
    ],
    [['--disk', 'new:5'], { disks: [{ source: { bytes: 5 << 20 }, type: 'auto', options: 'defaults' }] }],
    [['--read-only'], { readOnly: true }],
    [['--fresh'], { fresh: true }],
    [['--network', 'user'], { network: { kind: 'user', outbound: true } }],
    [['--network', 'isolated'], { network: { kind: 'user', outbound: false } }],
    [['--network', 'none'], { network: { kind: 'none' } }],
    [['--network=tap=tap0'], { network: { kind: 'tap', interface: 'tap0' } }],
    [['-p', '8080:80'], { forwards: [{ protocol: 'tcp', hostPort: 8080, guestPort: 80 }] }],
    [['-p8080:80'], { forwards: [{ protocol: 'tcp', hostPort: 8080, guestPort: 80 }] }],
    [['-p', '80'], { forwards: [{ protocol: 'tcp', hostPort: 0, guestPort: 80 }] }],
    [['-p', '53/udp'], { forwards: [{ protocol: 'udp', hostPort: 0, guestPort: 53 }] }],
    [
      ['-p', '127.0.0.1::80'],
      { forwards: [{ protocol: 'tcp', hostAddress: '127.0.0.1', hostPort: 0, guestPort: 80 }] },
    ],
    [
      ['-p', '127.0.0.1:80:1', '-p', '127.0.0.2:80:2', '-p', '80:3/udp', '-p', '80', '-p', '80'],
      { forwards: expect.objectContaining({ length: 5 }) },
    ],
    [['-p', '53:53/udp'], { forwards: [{ protocol: 'udp', hostPort: 53, guestPort: 53 }] }],
    [['-p', '1:65535/tcp'], { forwards: [{ protocol: 'tcp', hostPort: 1, guestPort: 65535 }] }],
    [
      ['--publish', '0.0.0.0:8080:80'],
      { forwards: [{ protocol: 'tcp', hostAddress: '0.0.0.0', hostPort: 8080, guestPort: 80 }] },
    ],
    [['--ip', '10.0.0.2/24', '--ip', 'fd00::2/64'], { addresses: ['10.0.0.2/24', 'fd00::2/64'] }],
    [
      ['--ip', '10.0.0.3/24', '--gateway', '10.0.0.1', '--gateway', 'FD00::0001'],
      { addresses: ['10.0.0.3/24'], gateways: ['10.0.0.1', 'fd00::1'] },
    ],
    [['--dns', '1.1.1.1', '--dns', '::1'], { nameservers: ['1.1.1.1', '::1'] }],
    [['--kernel', 'k', '--initramfs', 'i'], { kernel: 'k', initramfs: 'i' }],
    [['--cmdline', 'zmachine.grace=1 x'], { cmdline: 'zmachine.grace=1 x' }],
    [['--cmdline=-x'], { cmdline: '-x' }],
    [['--protocol', 'cmdline'], { protocol: 'cmdline' }],
    [['--accel', 'tcg'], { accel: 'tcg' }],
    [['--timeout', '1.5'], { timeout: 1.5 }],
    [['--print', '--verbose'], { print: true, verbose: true }],
    [['--log', 'x.log'], { log: 'x.log' }],
  ])('%j', (argv, what) => {
    const before = read(...argv, 'root')
    expect(before).toMatchObject({ root: 'root', args: [], ...what })
    expect(read('root', ...argv), 'after the root').toEqual(before)
  })
})

describe('what is wrong is named, with what to do', () => {
  test.each<readonly [argv: readonly string[], said: RegExp]>([
    [[], /^ROOT is missing: .*\nzmachine run --help/],
    [['--', 'sh'], /^ROOT is missing/],
    [['root', 'sh', '-c'], /^unknown option -c\nzmachine run --help/],
    [
      ['root', '/bin/sh', 'x'],
      /^unexpected argument "\/bin\/sh" after ROOT "root"\n.*zmachine run root -- \/bin\/sh x$/,
    ],
    [['root', '-x'], /^unknown option -x\nzmachine run --help/],
    [['root', '--memry', '1G'], /^unknown option --memry; did you mean --memory\?\nzmachine run --help/],
    [['root', '--read-only=yes'], /--read-only/],
    [['root', '--env'], /--env.* argument missing/],
    [['root', '-e', '-i'], /'-e' argument is ambiguous/],
    [
      ['root', '-e', 'A B=c'],
      /^--env "A B=c": a variable's name can't contain white space\n--env NAME=VALUE/,
    ],
    [['root', '-e', '=x'], /^--env "=x": the name of the variable is missing\n--env NAME=VALUE/],
    [['root', '-e', ''], /^--env "": the name of the variable is missing/],
    [['root', '-m', '0'], /^--memory "0" is not a size\n--memory 512M/],
    [['root', '-m', '-1'], /-m/],
    [['root', '-m', 'much'], /^--memory "much" is not a size/],
    [['root', '-m', '1e3'], /^--memory "1e3" is not a size/],
    [['root', '-m', '47M'], /^--memory 47M is less than 48 MB, the least that boots\n--memory 256M/],
    [['root', '-m', '99999999T'], /^--memory "99999999T" is not a size/],
    [['root', '--cpus', '0'], /^--cpus "0" is not a whole number from 1 to 255/],
    [['root', '--cpus', '1.5'], /^--cpus "1.5" is not a whole number from 1 to 255/],
    [['root', '--cpus', '256'], /^--cpus "256" is not a whole number from 1 to 255/],
    [['root', '-v', '/a'], /^--volume "\/a": not DIR:\/target or DIR:\/target:ro\n--volume \.\/data:\/data/],
    [['root', '-v', '/a:b'], /^--volume "\/a:b"/],
    [['root', '-v', '/a:/'], /^--volume "\/a:\/": \/ is ROOT itself\n--volume \.\/data:\/data/],
    [['root', '--disk', 'a://'], /^--disk "a:\/\/": \/ is ROOT itself\n/],
    [['root', '-v', ':/b'], /^--volume ":\/b"/],
    [['root', '-v', '/a:/b:rx'], /^--volume "\/a:\/b:rx"/],
    [['root', '-v', '/a:/b:ro:z'], /^--volume/],
    [['root', '--disk', ''], /^--disk "": the file is missing\n--disk FILE/],
    [['root', '--disk', ':/d'], /the file is missing/],
    [['root', '--disk', 'a:d'], /the target d is not an absolute path/],
    [['root', '--disk', 'a:/d:ext4:ro:x'], /too many colons/],
    [['root', '--disk', 'new'], /new: needs a size, as in new:10G:\/data/],
    [['root', '--disk', 'new:/d'], /new: needs a size/],
    [['root', '--disk', 'new:big:/d'], /new: needs a size/],
    [['root', '--disk', 'new:0:/d'], /new: needs a size/],
    [
      ['root', '--network', 'isolate'],
      /^--network "isolate" is not supported; did you mean isolated\?\none of user, isolated/,
    ],
    [
      ['root', '--network', 'bridge'],
      /^--network "bridge" is not supported\none of user, isolated, none, tap=IFACE/,
    ],
    [['root', '--network', 'tap='], /^--network "tap="/],
    [['root', '--network', 'tap=a/b'], /^--network "tap=a\/b"/],
    [['root', '--network', 'tap=sixteen-letters0'], /^--network "tap=sixteen-letters0"/],
    [
      ['root', '-p', '0'],
      /^--publish "0": ports are from 1 to 65535, not 0\n--publish \[ADDRESS:\]\[PORT:\]CONTAINER_PORT/,
    ],
    [['root', '-p', '80:0'], /^--publish "80:0"/],
    [['root', '-p', '65536:80'], /^--publish "65536:80"/],
    [['root', '-p', '80:http'], /^--publish "80:http"/],
    [['root', '-p', '80:80/sctp'], /^--publish "80:80\/sctp": not a port/],
    [['root', '-p', '300.0.0.1:80:80'], /^--publish "300.0.0.1:80:80"/],
    [['root', '-p', '[::1]:80:80'], /: only IPv4 addresses/],
    [['root', '-p', '::80'], /^--publish "::80"/],
    [['root', '-p', ':80'], /^--publish ":80": not a port/],
    [['root', '-p', ''], /^--publish "": not a port/],
    [['root', '-p', '8000-8010:80'], /: one port each, no ranges/],
    [['root', '-p', '80:1', '-p', '80:2'], /^--publish: port 80\/tcp of this computer is published twice/],
    [
      ['root', '-p', '80:1/udp', '-p', '0.0.0.0:80:2/udp'],
      /port 80\/udp of this computer is published twice/,
    ],
    [['root', '-p', '80:80', '--network', 'none'], /^-p needs --network user or isolated, not none/],
    [
      ['root', '-p', '80:80', '--network', 'tap=t'],
      /^-p needs .*; with tap=t use the container's own address/,
    ],
    [['root', '--network', 'none', '--ip', '10.0.0.2/24'], /^--network none has no NIC/],
    [['root', '--network', 'none', '--gateway', '10.0.0.1'], /^--network none has no NIC/],
    [
      ['root', '--ip', '10.0.0.2'],
      /^--ip "10.0.0.2" is not an address with a prefix length\n--ip 10.1.2.3\/24/,
    ],
    [['root', '--ip', '10.0.0.2/33'], /^--ip "10.0.0.2\/33"/],
    [['root', '--ip', 'fd00::g/64'], /^--ip "fd00::g\/64"/],
    [['root', '--gateway', 'router'], /^--gateway "router" is not an IP address/],
    [
      ['root', '--ip', '10.0.0.3/24', '--gateway', '10.0.0.1', '--gateway', '10.0.0.2'],
      /^more than one --gateway for IPv4/,
    ],
    [['root', '--gateway', '10.0.0.1'], /^--gateway needs --ip/],
    [['root', '--workdir', 'srv'], /^--workdir "srv" is not an absolute path/],
    [['root', '--cmdline', 'a -- b'], /^--cmdline contains --, after which/],
    [['root', '--gateway', 'fd00::1', '--gateway', 'fd00::2'], /^more than one --gateway for IPv6/],
    [['root', '--dns', 'dns.example'], /^--dns "dns.example" is not an IP address/],
    [
      ['root', '--protocol', 'sed'],
      /^--protocol "sed" is not supported; did you mean seed\?\none of seed, cmdline/,
    ],
    [['root', '--accel', 'hvf'], /^--accel "hvf".*\none of auto, kvm, tcg/],
    [['root', '--timeout', '0'], /^--timeout "0" is not a number of seconds greater than 0\n--timeout 60/],
    [['root', '--timeout', '1m'], /^--timeout "1m" is not a number of seconds/],
    [['root', '--timeout', '2147484'], /^--timeout "2147484" is not a number of seconds/],
    [['root', '--__proto__'], /^unknown option --__proto__/],
    [['root', '--constructor=x'], /^unknown option --constructor/],
  ])('%j', (argv, said) => {
    expect(refusal(...argv)).toMatch(said)
    expect(refusal(...argv), 'a hint').not.toMatch(/undefined$/)
  })
})

test.each([
  ['--rm', /leave it out/],
  ['--detach', /; or setsid -f zmachine run \.\.\. <\/dev\/null >machine\.log 2>&1$/m],
  ['-d', /^systemd-run --user --same-dir --unit NAME zmachine run /m],
  ['-P', /-p CONTAINER_PORT/],
  ['--init', /leave it out/],
  ['--runtime=runc', /leave it out/],
  ['--name=web', /--hostname/],
  ['--net=none', /--network/],
  ['--mount=type=bind', /--volume or --disk/],
  ['--privileged', /leave it out/],
  ['--tmpfs=/tmp', /in the container/],
  ['--restart=always', /zmachine\.on_exit=restart/],
])('%s of docker names the alternative', (option, said) => {
  expect(refusal(option, 'root')).toMatch(/^docker's -+\w+ is not supported\n/)
  expect(refusal(option, 'root')).toMatch(said)
})

describe('an --env-file', () => {
  test('has a variable in each line, but for comments', () => {
    const text = '\ufeffA=1\r\n\n# B=2\n  # C=3\n  D= 4 \nNAME\nE=a=b # no comment'
    expect(readVariables(text, 'f')).toEqual([
      ['A', '1'],
      ['D', ' 4 '],
      ['NAME', undefined],
      ['E', 'a=b # no comment'],
    ])
  })

  test.each([
    ['A=1\nexport B=2', /^--env-file f:2: "export B=2": a variable's name can't contain white space/],
    ['SOME WORDS', /^--env-file f:1: "SOME WORDS": a variable's name/],
    ['\n\n=x', /^--env-file f:3: "=x": the name of the variable is missing/],
  ])('%j is refused by its line', (text, said) => expect(() => readVariables(text, 'f')).toThrow(said))
})

describe('--', () => {
  test('ends the options: what follows is the container’s, whatever it looks like', () => {
    const argv = ['sh', '-c', 'echo "$1"', '--', '--help', '-p', '', '--']
    expect(read('-i', 'root', '--', ...argv)).toMatchObject({ interactive: true, args: argv })
  })

  test('may have nothing behind it', () => expect(read('root', '--').args).toEqual([]))

  test('gives an --entrypoint its arguments only', () => {
    const { entrypoint, args } = read('--entrypoint', 'ls', 'root', '--', '-l')
    expect({ entrypoint, args }).toEqual({ entrypoint: 'ls', args: ['-l'] })
  })

  test('is not a value of the option before it', () => {
    expect(refusal('root', '--env', '--', 'sh')).toMatch(/argument missing/)
  })
})

test.each([[['--help']], [['-h']], [['root', '-h']], [['root', '-m', 'much', '--help']]])(
  '%j asks for help, whatever else is there',
  (argv) => expect(readRunOptions(argv)).toBe('help'),
)

test('help is the container’s own behind --', () =>
  expect(read('root', '--', '--help').args).toEqual(['--help']))

test('of an option that is there once the last one counts', () => {
  expect(read('-m', '64M', '-m', '128M', '--network', 'none', '--network', 'user', 'root')).toMatchObject({
    memoryMB: 128,
    network: { kind: 'user' },
  })
})

/** Words that come near to options, and any other. */
const word = fc.oneof(
  fc.string(),
  fc.string({ unit: fc.constantFrom(...'-:=/.,0123456789aenpvi[] ') }),
  fc.constantFrom(
    ...'-i -t -it -p -v -e -m -u -w -h --disk --env --ip --gateway --dns --network --timeout --cpus'.split(
      ' ',
    ),
    ...'-- new:1G:/d a:/d 80:80 10.0.0.2/24 tap=t none fd00::1 --rm --__proto__ --no-rm root'.split(' '),
  ),
)

test('any command line is read, or refused with a UsageError', () => {
  fc.assert(
    fc.property(fc.array(word, { maxLength: 6 }), (argv) => {
      try {
        const request = readRunOptions(argv)
        expect(request === 'help' || typeof request.root === 'string').toBe(true)
      } catch (error) {
        expect(error).toBeInstanceOf(UsageError)
      }
    }),
    { numRuns: 2000 },
  )
})

test('what follows -- arrives as it is', () => {
  fc.assert(
    fc.property(fc.array(word), (rest) => {
      expect(read('root', '--', ...rest).args).toEqual(rest)
    }),
  )
})
