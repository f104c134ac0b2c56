import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { expect, test } from 'vitest'
import type { Forward } from '../../../src/host/machine/options.ts'
import { choosePorts } from '../../../src/host/machine/ports.ts'
import { freePort } from '../../free-port.ts'

const tcp = (hostPort: number, hostAddress?: string): Forward => ({
  protocol: 'tcp',
  hostPort,
  guestPort: 80,
  ...(hostAddress === undefined ? {} : { hostAddress }),
})

test('a port that is named stays, and 0 becomes a free one, for TCP and UDP', async () => {
  const port = await freePort()
  const udp: Forward = { protocol: 'udp', hostPort: 0, guestPort: 53 }
  const [named, first, second, datagrams] = await choosePorts([tcp(port), tcp(0), tcp(0), udp])
  expect(named).toEqual(tcp(port))
  expect(new Set([port, first?.hostPort, second?.hostPort]).size).toBe(3)
  for (const chosen of [first, second, datagrams]) expect(chosen?.hostPort).toBeGreaterThan(0)
  // They are free again.
  expect(await choosePorts([tcp(first?.hostPort ?? 0)])).toHaveLength(1)
})

test('a port in use is refused with what to do, for TCP and UDP', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  await expect(choosePorts([tcp(port)])).rejects.toThrow(
    `can't publish 127.0.0.1:${port}/tcp: another program uses this port\n  what to do: -p PORT:80 with another port`,
  )
  server.close()
  const socket = createSocket('udp4').bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const udp: Forward = { protocol: 'udp', hostPort: socket.address().port, guestPort: 53 }
  await expect(choosePorts([udp])).rejects.toThrow(/\/udp: another program uses this port\n/)
  socket.close()
})

test('an address that is another computer’s is refused', async () => {
  await expect(choosePorts([tcp(0, '192.0.2.1')])).rejects.toThrow(
    /^can't publish 192\.0\.2\.1:0\/tcp: this computer does not have this address\n/,
  )
})
