/**
 * A Unix socket that listens before the program that serves it has started. So nobody has to wait for that program:
 * who connects is in the socket's queue, and is served as soon as it runs.
 */

import { once } from 'node:events'
import { linkSync } from 'node:fs'
import { createServer, type Server } from 'node:net'

export interface Listening {
  /** For the server's `stdio`. */
  readonly fd: number
  /** To be called once the server has it, and before anybody connects. */
  release(): void
}

/** Makes the socket at this path, which stays. */
export async function listenAt(path: string): Promise<Listening> {
  const server = createServer()
  // Node removes the name that it bound, when it closes its own descriptor.
  server.listen(`${path}.bound`)
  await once(server, 'listening')
  linkSync(`${path}.bound`, path)
  return { fd: descriptorOf(server), release: () => void server.close() }
}

/** Node has no public name for it. */
function descriptorOf(server: Server): number {
  const handle: unknown = Reflect.get(server, '_handle')
  if (typeof handle === 'object' && handle !== null && 'fd' in handle && typeof handle.fd === 'number') {
    return handle.fd
  }
  throw new Error('this version of Node does not show the descriptor of a listening socket')
}
