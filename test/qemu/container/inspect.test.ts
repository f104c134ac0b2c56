/** `zmachine.inspect=PORT`: a debugger attaches to PID 1 from the host. */

import { describe, expect, test } from 'vitest'
import { freePort } from '../../free-port.ts'
import { booted } from '../lib/boot.ts'
import { ofNodeBuild } from '../lib/kernel.ts'

const PORT = 9229

/** A message of the inspector's protocol, as far as it is needed here. */
interface Message {
  readonly id?: number
  readonly method?: string
  readonly params?: Readonly<Record<string, unknown>>
  readonly result?: { readonly result?: { readonly value?: unknown } }
}

/** Attaches, and returns the messages. */
async function attach(port: number): Promise<{
  readonly send: (method: string, params?: object) => Promise<Message>
  /** The first message of a kind. */
  readonly event: (method: string, fits?: (message: Message) => boolean) => Promise<Message>
  readonly close: () => void
}> {
  const list = await fetch(`http://127.0.0.1:${port}/json/list`)
  const [target] = (await list.json()) as readonly { readonly webSocketDebuggerUrl: string }[]
  const socket = new WebSocket(target?.webSocketDebuggerUrl ?? '')
  const heard: Message[] = []
  const waiting = new Set<() => void>()
  socket.addEventListener('message', ({ data }) => {
    heard.push(JSON.parse(String(data)) as Message)
    for (const look of waiting) look()
  })
  const find = (fits: (message: Message) => boolean): Promise<Message> => {
    const { promise, resolve } = Promise.withResolvers<Message>()
    const look = (): void => {
      const found = heard.find(fits)
      if (found === undefined) return
      waiting.delete(look)
      resolve(found)
    }
    waiting.add(look)
    look()
    return promise
  }
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  socket.addEventListener('open', () => resolve())
  socket.addEventListener('error', () => reject(new Error('the inspector takes no connection')))
  await promise
  let last = 0
  return {
    send(method, params = {}) {
      const id = ++last
      socket.send(JSON.stringify({ id, method, params }))
      return find((message) => message.id === id)
    },
    event: (method, fits = () => true) => find((message) => message.method === method && fits(message)),
    close: () => socket.close(),
  }
}

const withInspector = (): void => {
  describe('a debugger', () => {
    let pid: unknown
    let paused: Message | undefined
    let map = ''
    const boot = booted(async () => {
      const hostPort = await freePort()
      return {
        nics: [
          {
            backend: {
              kind: 'user',
              forwards: [{ protocol: 'tcp', hostPort, guestPort: PORT }],
            },
          },
        ],
        cmdline: `net_eth0=10.0.2.15/24 zmachine.inspect=${PORT}`,
        // Orphans are reaped while a debugger is attached.
        probe: 'deaf , orphans 20 , signals 1 , exit 7'.split(' '),
        during: async (machine) => {
          await machine.console.waitFor('probe: ready for signals')
          const { send, event, close } = await attach(hostPort)
          pid = (await send('Runtime.evaluate', { expression: 'process.pid' })).result?.result?.value
          await send('Debugger.enable')
          const ours = await event('Debugger.scriptParsed', ({ params }) =>
            /init.cjs$/.test(String(params?.['url'])),
          )
          map = String(ours.params?.['sourceMapURL'])
          await send('Debugger.pause')
          paused = await event('Debugger.paused')
          await send('Debugger.resume')
          await event('Debugger.resumed')
          close()
          await machine.powerdown()
        },
      }
    })

    test('reads values of PID 1', () => {
      expect(pid).toBe(1)
    })

    test('stops it in our code, of which it has the source', () => {
      const frames = paused?.params?.['callFrames'] as readonly { readonly functionName: string }[]
      expect(frames.map(({ functionName }) => functionName)).toContain('supervise')
      expect(map).toMatch(/^data:application\/json/)
    })

    test('leaves, and PID 1 goes on', () => {
      expect(boot().container?.code).toBe(7)
      expect(boot().exit.reason).toBe('powerdown')
    })
  })

  describe('a port that can’t be had', () => {
    const boot = booted({ cmdline: 'zmachine.inspect=70000', probe: ['exit', '0'] })

    test('is a warning', () => {
      expect(boot().console).toContain("zmachine.inspect: '70000' is not a TCP port; ignored")
      expect(boot().container?.code).toBe(0)
    })
  })
}

const withoutInspector = (): void => {
  describe('a build without an inspector', () => {
    const boot = booted({ cmdline: `zmachine.inspect=${PORT}`, probe: ['exit', '0'] })

    test('says so, and boots', () => {
      expect(boot().console).toContain(
        'zmachine.inspect: this build has no inspector; the node build has one',
      )
      expect(boot().container?.code).toBe(0)
    })
  })
}

// One for each build: nothing is skipped.
if (ofNodeBuild) withInspector()
else withoutInspector()
