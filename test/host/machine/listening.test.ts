import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { listenAt } from '../../../src/host/machine/listening.ts'
import { temporaryFolder } from '../plan/plan-helpers.ts'

const SERVER = `require('net').createServer((socket) => socket.end('served')).listen({ fd: 3 })`

test('who connects before the server has started is served by it, and nobody else', async () => {
  const path = join(temporaryFolder(), 'socket')
  const listening = await listenAt(path)
  const server = spawn(process.execPath, ['-e', SERVER], {
    stdio: ['ignore', 'ignore', 'ignore', listening.fd],
  })
  listening.release()
  const client = connect(path)
  const [answer] = await once(client, 'data')
  expect(String(answer)).toBe('served')
  server.kill()
})
