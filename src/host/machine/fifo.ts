/**
 * A pipe(7) from a child to this process. Node's own pipes are sockets, whose buffer is full after some 280 writes of one
 * byte, and QEMU writes a serial line byte by byte. A guest that can't write for 10 ms drops its output.
 */

import { spawn } from 'node:child_process'
import { closeSync, constants, openSync, unlinkSync } from 'node:fs'
import { Socket } from 'node:net'
import { join } from 'node:path'
import { collectStderr, endOf, failure } from '../lib/child.ts'

export interface Pipe {
  /** For a child's `stdio`. */
  readonly writeEnd: number
  /** To be called when the child has its end. The stream ends with the child. */
  read(): Socket
}

/** Makes a pipe, by a name in this folder that is removed at once. */
export async function createPipe(folder: string): Promise<Pipe> {
  const path = join(folder, 'pipe')
  const args = ['-m', '600', path]
  const child = spawn('mkfifo', args, { stdio: ['ignore', 'ignore', 'pipe'] })
  const stderr = collectStderr(child)
  const { code } = await endOf(child)
  if (code !== 0) throw failure('mkfifo', args, stderr(), 'check that the temporary folder can be written to')
  const readEnd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  const writeEnd = openSync(path, constants.O_WRONLY)
  unlinkSync(path)
  return {
    writeEnd,
    read() {
      closeSync(writeEnd)
      return new Socket({ fd: readEnd, readable: true, writable: false })
    },
  }
}
