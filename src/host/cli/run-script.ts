/** What `zmachine run --print` prints: a shell script that runs the same machine without this command. */

import { commandLine } from '../lib/child.ts'
import type { MachineCommands } from '../machine/machine.ts'
import type { EncodedSeed } from '../seed/encode-seed.ts'

export interface Script {
  /** Made by the script for its sockets and files, and removed at its end. */
  readonly folder: string
  /** Commands that make the machine's files. */
  readonly preparation: readonly string[]
  readonly commands: MachineCommands
  /** Shown as comments; the script has it as an image. */
  readonly seed: EncodedSeed | undefined
}

export function formatScript({ folder, preparation, commands, seed }: Script): string {
  const { servers, qemu } = commands
  const quoted = commandLine(folder, [])
  const [program = '', ...args] = qemu
  const lines = [
    '#!/bin/sh',
    '# The machine of a zmachine run --print. Its console is the terminal; Ctrl-A X ends it. The exit code is that of QEMU;',
    "# the container's is in the console's last line, zmachine: exited.",
    'set -eu',
    `cd ${commandLine(process.cwd(), [])}`,
    'servers=',
    `trap 'kill $servers 2>/dev/null || :; rm -rf ${quoted}' EXIT`,
    `mkdir -m 700 ${quoted}`,
    ...seedComments(seed),
    ...preparation,
    ...servers.flatMap(({ command: [server = '', ...rest] }) => [
      `${commandLine(server, rest)} &`,
      'servers="$servers $!"',
    ]),
    ...servers.map(({ socket }) => `until test -S ${commandLine(socket, [])}; do sleep 0.1; done`),
    ...(servers.length === 0 ? [] : ['sleep 0.1']),
    commandLine(program, args),
  ]
  return `${lines.join('\n')}\n`
}

function seedComments(seed: EncodedSeed | undefined): string[] {
  return Object.entries(seed ?? {}).flatMap(([name, text]) => [
    `# seed/${name}`,
    ...text
      .trimEnd()
      .split('\n')
      .map((line) => `#   ${line}`),
  ])
}
