/** An image with the host computer's real ssh-keygen: the program and the libraries that it needs, each in its own place. */

import { run } from '../../../build/command.ts'
import { needProgram } from '../../../src/host/lib/programs.ts'
import type { Tree } from './files.ts'

export async function sshImage(): Promise<Tree> {
  const program = needProgram('ssh-keygen', 'openssh-client')
  const needed = (await run('ldd', [program])).toString()
  const libraries = [...needed.matchAll(/(\/\S+) \(0x/g)].map(([, file = '']) => file)
  const copies = [...libraries, program].map((file) => [file.slice(1), { copy: file }] as const)
  return {
    ...Object.fromEntries(copies),
    'usr/bin/ssh-keygen': { copy: program },
    // ssh-keygen wants to know who runs it.
    'etc/passwd': 'root:x:0:0:root:/root:/bin/sh\n',
    'etc/ssh/ssh_config': '',
  }
}
