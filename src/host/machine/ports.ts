/** Checks the published ports of this computer, and chooses free ones, before anything runs. */

import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { errorCode } from '../lib/input.ts'
import type { Forward } from './options.ts'

/** Where a forward listens if it names no address: this computer only. */
export const LOOPBACK = '127.0.0.1'

/**
 * Binds each port for a moment, all of them at once. A host port of 0 becomes a free one. Another program may still take
 * a port before QEMU does, and then QEMU says so.
 * @throws Error if one is in use, needs root, or has an address that this computer does not
 */
export async function choosePorts(forwards: readonly Forward[]): Promise<Forward[]> {
  const releases: (() => void)[] = []
  try {
    const chosen: Forward[] = []
    for (const forward of forwards) {
      const bound = await bind(forward).catch((error: unknown) => {
        throw refusal(forward, errorCode(error))
      })
      releases.push(bound.release)
      chosen.push({ ...forward, hostPort: bound.port })
    }
    return chosen
  } finally {
    for (const release of releases) release()
  }
}

interface Bound {
  readonly port: number
  readonly release: () => void
}

async function bind({ protocol, hostAddress = LOOPBACK, hostPort }: Forward): Promise<Bound> {
  if (protocol === 'udp') {
    const socket = createSocket('udp4').bind(hostPort, hostAddress)
    await once(socket, 'listening')
    return { port: socket.address().port, release: () => void socket.close() }
  }
  const server = createServer().listen({ port: hostPort, host: hostAddress, exclusive: true })
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : hostPort
  return { port, release: () => void server.close() }
}

function refusal({ protocol, hostAddress = LOOPBACK, hostPort, guestPort }: Forward, code: string): Error {
  const where = `${hostAddress}:${hostPort}/${protocol}`
  const [why, advice] = {
    EADDRINUSE: [
      'another program uses this port',
      `-p PORT:${guestPort} with another port, or -p ${guestPort} for a free one; ss -lnp sport = :${hostPort} shows the program`,
    ],
    EACCES: [
      'ports below 1024 need root',
      `-p 8080:${guestPort}, or sysctl net.ipv4.ip_unprivileged_port_start=${hostPort}`,
    ],
    EADDRNOTAVAIL: [
      'this computer does not have this address',
      `-p ${hostPort}:${guestPort} listens on ${LOOPBACK}, -p 0.0.0.0:${hostPort}:${guestPort} on every address`,
    ],
  }[code] ?? [code, `publish another port: -p PORT:${guestPort}`]
  return new Error(`can't publish ${where}: ${why}\n  what to do: ${advice}`)
}
