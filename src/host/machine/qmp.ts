/** Speaks QEMU's machine protocol: one JSON object per line, answers in the order of commands, events in between. */

import type { Duplex } from 'node:stream'

/** A JSON object. */
export type Json = { readonly [key: string]: unknown }

export interface Qmp {
  /** Runs a command and resolves with its `return` value; an error has QEMU's message. */
  execute(command: string, args?: Json): Promise<unknown>
}

/** What QEMU sends: a greeting, an event, or the answer to the oldest command without one. */
interface Message {
  readonly QMP?: unknown
  readonly event?: string
  readonly data?: Json
  readonly return?: unknown
  readonly error?: { readonly desc?: string }
}

/** Speaks QMP over a connected socket. `onEvent` gets each event's name and data. */
export async function connectQmp(socket: Duplex, onEvent: (name: string, data: Json) => void): Promise<Qmp> {
  const waiting: { command: string; resolve(value: unknown): void; reject(error: Error): void }[] = []
  let greeted: (() => void) | undefined
  let closed = false

  const receive = (message: Message): void => {
    if (message.QMP !== undefined) {
      greeted?.()
      return
    }
    if (typeof message.event === 'string') {
      onEvent(message.event, message.data ?? {})
      return
    }
    const request = waiting.shift()
    if (request === undefined) return
    if (message.error === undefined) {
      request.resolve(message.return)
    } else {
      request.reject(new Error(`QMP ${request.command}: ${message.error.desc}`))
    }
  }

  let rest = ''
  socket.setEncoding('utf8')
  socket.on('data', (chunk: string) => {
    const pieces = (rest + chunk).split('\n')
    rest = pieces.pop() ?? ''
    for (const line of pieces) if (line.trim() !== '') receive(JSON.parse(line))
  })

  const ended = new Promise<never>((_, reject) => {
    const end = (): void => {
      closed = true
      for (const request of waiting.splice(0)) {
        request.reject(new Error(`QMP ${request.command}: the machine has ended`))
      }
      reject(new Error('QMP: the machine has ended'))
    }
    // When the machine ends, the socket ends or is reset: both mean the same.
    socket.on('close', end)
    socket.on('end', end)
    socket.on('error', end)
  })
  ended.catch(() => {})

  const execute = (command: string, args: Json = {}): Promise<unknown> => {
    if (closed) return Promise.reject(new Error(`QMP ${command}: the machine has ended`))
    const answer = new Promise<unknown>((resolve, reject) => waiting.push({ command, resolve, reject }))
    socket.write(`${JSON.stringify({ execute: command, arguments: args })}\n`)
    return answer
  }

  const greeting = new Promise<void>((resolve) => {
    greeted = resolve
  })
  await Promise.race([greeting, ended])
  await execute('qmp_capabilities')
  return { execute }
}
