/** Tests the session with a fake kernel that misbehaves, which the real one can't be made to. */

import { describe, expect, it } from 'vitest'
import type { Bytes } from '../../src/lib/bytes.ts'
import { i32, putU32, u32 } from '../../src/lib/bytes.ts'
import { linkChange } from '../../src/netlink/link.ts'
import { NLM_F_ACK, nextMessage, walk } from '../../src/netlink/message.ts'
import { closeSession, openSession, transact } from '../../src/netlink/session.ts'
import {
  SYS_clock_gettime,
  SYS_close,
  SYS_ppoll,
  SYS_recvfrom,
  SYS_sendto,
  SYS_setsockopt,
  SYS_socket,
  useRuntime,
} from '../../src/sys/linux.ts'
import type { Runtime, Words } from '../../src/sys/port.ts'
import { dumpLinks } from '../netlink/lists.ts'
import { ANSWERS } from './captured.ts'
import { bytesOf } from './hex.ts'

const EAGAIN = -11
const EINTR = -4

/** A datagram and its sender, or a failure of recvfrom(2). */
type Reply = { readonly bytes: Bytes; readonly from?: number } | number

interface Fake {
  readonly sent: Bytes[]
  clock: number
}

/** A kernel with one socket: `answer` returns what can be received after each message that is sent. */
function fakeKernel(answer: (sent: Bytes) => readonly Reply[]): Fake {
  const fake: Fake = { sent: [], clock: 0 }
  const queue: Reply[] = []
  const runtime: Runtime = {
    syscall(number, ...args) {
      const [, memory, , , sender] = args
      switch (number) {
        case SYS_socket:
          return 3
        case SYS_setsockopt:
        case SYS_close:
          return 0
        case SYS_sendto: {
          const message = (memory as Bytes).slice()
          fake.sent.push(message)
          queue.push(...answer(message))
          return message.length
        }
        case SYS_recvfrom: {
          const reply = queue.shift() ?? EAGAIN
          if (typeof reply === 'number') return reply
          const into = memory as Bytes
          into.set(reply.bytes.subarray(0, into.length))
          putU32(sender as Bytes, 4, reply.from ?? 0)
          return reply.bytes.length
        }
        case SYS_ppoll:
          fake.clock += 1
          return 0
        case SYS_clock_gettime:
          ;(args[1] as Words)[0] = fake.clock
          return 0
        default:
          throw new Error(`system call ${number} is not expected here`)
      }
    },
    addressOf: () => 0,
    drain: () => 0,
    spawn: () => -38,
    spawnInto: () => -38,
    text: () => '',
    putText: () => 0,
    load: () => undefined,
  }
  useRuntime(runtime)
  return fake
}

function acknowledgement(sequence: number, error: number): Bytes {
  const bytes = bytesOf('24000000 0200 0001 00000000 00000000 00000000 28000000 1300 0500 00000000 00000000')
  putU32(bytes, 8, sequence)
  putU32(bytes, 16, error)
  return bytes
}

function sequences(sent: Bytes): number[] {
  const found: number[] = []
  const messages = walk(sent, sent.length)
  while (nextMessage(messages)) found.push(u32(sent, messages.start - 8))
  return found
}

const up = (index: number) => linkChange({ index, up: true })
const outcome = (failures: readonly (Error | undefined)[]) => failures.map((failure) => failure?.message)

describe('transact', () => {
  it('sends one message and asks for one answer', () => {
    const fake = fakeKernel((sent) => [{ bytes: acknowledgement(sequences(sent).at(-1) ?? 0, 0) }])
    const session = openSession()
    expect(transact(session, [up(1), up(2), up(3)])).toEqual([undefined, undefined, undefined])
    expect(fake.sent).toHaveLength(1)
    const [sent = new Uint8Array(0)] = fake.sent
    expect(sequences(sent)).toEqual([1, 2, 3])
    expect([6, 38, 70].map((at) => (sent[at] ?? 0) & NLM_F_ACK)).toEqual([0, 0, NLM_F_ACK])
    closeSession(session)
  })

  it('splits what does not fit into one message', () => {
    const fake = fakeKernel((sent) => [{ bytes: acknowledgement(sequences(sent).at(-1) ?? 0, 0) }])
    const requests = Array.from({ length: 300 }, (_, index) => up(index))
    expect(transact(openSession(), requests)).toEqual(requests.map(() => undefined))
    expect(fake.sent.map((sent) => sequences(sent).length)).toEqual([128, 128, 44])
    const large = Array.from({ length: 20 }, () => ({ message: new Uint8Array(4000), describe: () => 'x' }))
    for (const { message } of large) putU32(message, 0, 4000)
    transact(openSession(), large)
    expect(fake.sent.slice(3).map((sent) => sequences(sent).length)).toEqual([8, 8, 4])
  })

  it('ignores strangers, late answers and garbage', () => {
    fakeKernel((sent) => {
      const [first = 0, last = 0] = sequences(sent)
      return [
        EINTR,
        { bytes: acknowledgement(first, -1), from: 4711 },
        { bytes: acknowledgement(first - 1, -1) },
        { bytes: acknowledgement(last + 1, -1) },
        { bytes: new Uint8Array(0) },
        { bytes: new Uint8Array(3) },
        { bytes: ANSWERS.link },
        { bytes: acknowledgement(first, -1).slice(0, 18) },
        { bytes: acknowledgement(last, 0) },
      ]
    })
    expect(transact(openSession(), [up(1), up(2)])).toEqual([undefined, undefined])
  })

  it('gives up on a kernel that does not answer', () => {
    const fake = fakeKernel(() => [])
    expect(outcome(transact(openSession(), [up(1)]))).toEqual([
      'set link 1 up: ETIMEDOUT (connection timed out): no answer from the kernel',
    ])
    expect(fake.clock).toBe(5)
  })

  it('gives up on a kernel that answers something else', () => {
    const fake = fakeKernel(() => Array.from({ length: 1000 }, () => ({ bytes: ANSWERS.link })))
    expect(outcome(transact(openSession(), [up(1)]))[0]).toContain('ETIMEDOUT')
    expect(fake.sent).toHaveLength(1)
  })

  it('reports every request as failed if answers were lost, and keeps those that came', () => {
    fakeKernel((sent) => [-105, { bytes: acknowledgement(sequences(sent)[1] ?? 0, -19) }])
    expect(outcome(transact(openSession(), [up(1), up(2), up(3)]))).toEqual([
      'set link 1 up: ENOBUFS (no buffer space available): no answer from the kernel',
      'set link 2 up: ENODEV (no such device)',
      'set link 3 up: ENOBUFS (no buffer space available): no answer from the kernel',
    ])
  })

  it('takes a tolerated failure for success', () => {
    fakeKernel((sent) => [{ bytes: acknowledgement(sequences(sent)[0] ?? 0, -17) }])
    expect(transact(openSession(), [{ ...up(1), tolerated: 17 }])).toEqual([undefined])
  })
})

describe('a dump', () => {
  const numbered = (bytes: Bytes, sequence: number, flags = 2): Bytes => {
    const copy = bytes.slice()
    copy[6] = flags
    putU32(copy, 8, sequence)
    return copy
  }

  it('is read again if the list changed meanwhile', () => {
    let attempts = 0
    fakeKernel((sent) => {
      const [sequence = 0] = sequences(sent)
      return [
        { bytes: numbered(ANSWERS.link, sequence, attempts++ === 0 ? 0x12 : 2) },
        { bytes: numbered(ANSWERS.done, sequence) },
      ]
    })
    expect(dumpLinks(openSession()).map(({ name }) => name)).toEqual(['eth0'])
    expect(attempts).toBe(2)
  })

  it('throws the kernel’s refusal', () => {
    fakeKernel((sent) => [{ bytes: acknowledgement(sequences(sent)[0] ?? 0, -1) }])
    expect(() => dumpLinks(openSession())).toThrow('list links: EPERM (operation not permitted)')
  })

  it('throws an error from the middle of the list', () => {
    fakeKernel((sent) => {
      const [sequence = 0] = sequences(sent)
      const done = numbered(ANSWERS.done, sequence)
      putU32(done, 16, -12)
      expect(i32(done, 16)).toBe(-12)
      return [{ bytes: numbered(ANSWERS.link, sequence) }, { bytes: done }]
    })
    expect(() => dumpLinks(openSession())).toThrow('list links: ENOMEM')
  })

  it('throws if the kernel stops answering', () => {
    fakeKernel((sent) => [{ bytes: numbered(ANSWERS.link, sequences(sent)[0] ?? 0) }])
    expect(() => dumpLinks(openSession())).toThrow('list links: ETIMEDOUT')
  })
})
