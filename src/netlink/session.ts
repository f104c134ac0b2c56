/** Sends requests to the kernel over netlink(7): many in one datagram, with one answer. */

import { putU32 } from '../lib/bytes.ts'
import { EAGAIN, EINTR, ENOBUFS, ETIMEDOUT, SysError } from '../sys/errno.ts'
import {
  NETLINK_CAP_ACK,
  NETLINK_EXT_ACK,
  NETLINK_GET_STRICT_CHK,
  NETLINK_ROUTE,
  POLLIN,
  SOL_NETLINK,
} from '../sys/flags.ts'
import { close, poll, send, setsockopt, uptime } from '../sys/linux.ts'
import { decodeAcknowledgement } from './acknowledgement.ts'
import { messageSequence, NLM_F_ACK, NLMSG_ERROR, nextMessage, type Request, walk } from './message.ts'
import { openSocket, receive, type Socket } from './socket.ts'

/** How long the kernel may take to answer. It answers before sendto(2) returns, so this should never be reached. */
const ANSWER_MS = 5000

/** The most to send at once. The kernel's own datagrams are no larger either. */
const BATCH_BYTES = 32768

/** Answers wait in the socket, which by default holds 256 small messages; this is half of that, should all requests fail. */
const BATCH_REQUESTS = 128

export interface Session extends Socket {
  /** Of the last request. */
  sequence: number
}

/** Opens a NETLINK_ROUTE socket for `transact`. Throws a SysError if the kernel has no netlink. */
export function openSession(): Session {
  const opened = openSocket(NETLINK_ROUTE, BATCH_BYTES)
  // Best effort: older kernels answer without text, and repeat the request.
  setsockopt(opened.fd, SOL_NETLINK, NETLINK_EXT_ACK, 1)
  setsockopt(opened.fd, SOL_NETLINK, NETLINK_CAP_ACK, 1)
  setsockopt(opened.fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1)
  return { ...opened, sequence: 0 }
}

export function closeSession(session: Session): void {
  close(session.fd)
}

/** As `receive`, but waits; -ETIMEDOUT after ANSWER_MS. */
export function receiveAnswer(session: Session): number {
  let deadline = -1
  for (;;) {
    const length = receive(session)
    if (length !== -EAGAIN) return length
    const now = uptime()
    if (deadline < 0) deadline = now + ANSWER_MS
    if (now >= deadline) return -ETIMEDOUT
    const ready = poll([{ fd: session.fd, events: POLLIN }], deadline - now)
    if (typeof ready === 'number' && ready !== -EINTR) return ready
  }
}

/**
 * Makes requests, in order, with as few system calls as possible: many go in one datagram, and only the last of them asks
 * for an acknowledgement. The kernel reports a request that fails in any case, and continues with the next one.
 * @returns for each request, undefined or why it failed
 */
export function transact(session: Session, requests: readonly Request[]): (SysError | undefined)[] {
  const failures: (SysError | undefined)[] = []
  let first = 0
  while (first < requests.length) {
    let size = 0
    let end = first
    for (; end < requests.length && end - first < BATCH_REQUESTS; end++) {
      const length = requests[end]?.message.length ?? 0
      if (size + length > BATCH_BYTES && end > first) break
      size += length
    }
    const batch = end - first === requests.length ? requests : requests.slice(first, end)
    transactBatch(session, batch, size, failures)
    first = end
  }
  return failures
}

/** Sends one batch of `size` bytes, and appends an entry for each request to `failures`. */
function transactBatch(
  session: Session,
  batch: readonly Request[],
  size: number,
  failures: (SysError | undefined)[],
): void {
  const base = failures.length
  const firstSequence = session.sequence + 1
  const datagram = new Uint8Array(size)
  let at = 0
  let last = 0
  for (const { message } of batch) {
    datagram.set(message, at)
    session.sequence++
    putU32(datagram, at + 8, session.sequence)
    failures.push(undefined)
    last = at
    at += message.length
  }
  datagram[last + 6] = (datagram[last + 6] ?? 0) | NLM_F_ACK

  let result = send(session.fd, datagram)
  let lost = 0
  for (let answered = false; result >= 0 && !answered; ) {
    // Once an answer is lost, the last one may be lost, too: read what is there, but don't wait.
    result = lost === 0 ? receiveAnswer(session) : receive(session)
    if (result === -ENOBUFS) {
      lost = result
      result = 0
    }
    const messages = walk(session.buffer, result)
    while (nextMessage(messages)) {
      const index = messageSequence(messages) - firstSequence
      const request = batch[index]
      if (messages.type !== NLMSG_ERROR || request === undefined) continue
      const answer = decodeAcknowledgement(messages)
      if (answer === undefined) continue
      if (answer.error < 0 && request.tolerated !== -answer.error) {
        failures[base + index] = new SysError(request.describe(), answer.error, answer.text)
      }
      if (index === batch.length - 1) answered = true
    }
  }
  const reason = lost === 0 ? result : lost
  if (reason >= 0) return
  // Nothing was sent, or answers are missing: any request that was not reported may have failed.
  batch.forEach((request, index) => {
    failures[base + index] ??= new SysError(request.describe(), reason, 'no answer from the kernel')
  })
}
