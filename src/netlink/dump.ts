/** Lists of what the kernel has: links, addresses, routes. */

import { type Bytes, i32, putU32 } from '../lib/bytes.ts'
import { must, SysError } from '../sys/errno.ts'
import { send } from '../sys/linux.ts'
import { decodeAcknowledgement } from './acknowledgement.ts'
import { type Address, addressDump, decodeAddress, RTM_NEWADDR } from './address.ts'
import { decodeLink, type Link, linkDump, RTM_NEWLINK } from './link.ts'
import {
  messageFlags,
  messageSequence,
  NLM_F_DUMP_INTR,
  NLMSG_DONE,
  NLMSG_ERROR,
  nextMessage,
  type Request,
  walk,
} from './message.ts'
import { decodeRoute, type Route, RTM_NEWROUTE, routeDump } from './route.ts'
import { receiveAnswer, type Session } from './session.ts'

/** A list that changed while it was read is read again, so many times at most. */
const DUMP_ATTEMPTS = 3

/** All that one dump request lists. Throws a SysError. */
function dump<T>(
  session: Session,
  request: Request,
  type: number,
  decode: (bytes: Bytes, start: number, end: number) => T | undefined,
): T[] {
  for (let attempt = 1; ; attempt++) {
    const sequence = ++session.sequence
    putU32(request.message, 8, sequence)
    must(send(session.fd, request.message), request.describe)
    const listed: T[] = []
    let interrupted = false
    for (let done = false; !done; ) {
      const length = must(receiveAnswer(session), request.describe)
      const messages = walk(session.buffer, length)
      while (!done && nextMessage(messages)) {
        if (messageSequence(messages) !== sequence) continue
        if ((messageFlags(messages) & NLM_F_DUMP_INTR) !== 0) interrupted = true
        if (messages.type === NLMSG_DONE) {
          // Its payload is the number of an error that came in the middle.
          if (messages.end - messages.start >= 4) must(i32(messages.bytes, messages.start), request.describe)
          done = true
        } else if (messages.type === NLMSG_ERROR) {
          const { error, text } = decodeAcknowledgement(messages) ?? { error: 0, text: '' }
          if (error < 0) throw new SysError(request.describe(), error, text)
          done = true
        } else if (messages.type === type) {
          const item = decode(messages.bytes, messages.start, messages.end)
          if (item !== undefined) listed.push(item)
        }
      }
    }
    if (!interrupted || attempt === DUMP_ATTEMPTS) return listed
  }
}

/** All links of this network namespace. Throws a SysError. */
export const dumpLinks = (session: Session): Link[] => dump(session, linkDump(), RTM_NEWLINK, decodeLink)

/** All addresses of all links. Throws a SysError. */
export const dumpAddresses = (session: Session): Address[] =>
  dump(session, addressDump(), RTM_NEWADDR, decodeAddress)

/** All routes of all tables, of both families. Throws a SysError. */
export const dumpRoutes = (session: Session): Route[] => dump(session, routeDump(), RTM_NEWROUTE, decodeRoute)
