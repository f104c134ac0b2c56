/** struct nlmsgerr with its extended-ack attributes (linux/netlink.h): the kernel's answer to one request. */

import { i32, u32 } from '../lib/bytes.ts'
import { attributeText, findAttributes, messageFlags, NLMSG_HDRLEN, type Walk } from './message.ts'

export const NLM_F_CAPPED = 0x100
export const NLM_F_ACK_TLVS = 0x200
export const NLMSGERR_ATTR_MSG = 1

/** struct nlmsgerr: int error, then the header of the request. */
const NLMSGERR_LEN = 4 + NLMSG_HDRLEN

export interface Acknowledgement {
  /** 0, or a negative errno. */
  readonly error: number
  /** What the kernel says beyond the number: `Nexthop has invalid gateway`; or empty. */
  readonly text: string
}

/** Reads the NLMSG_ERROR message where the walk stands; undefined where it is too short to hold an answer. */
export function decodeAcknowledgement(message: Walk): Acknowledgement | undefined {
  const { bytes, start, end } = message
  if (end - start < 4) return undefined
  const error = i32(bytes, start)
  const flags = messageFlags(message)
  if (error === 0 || (flags & NLM_F_ACK_TLVS) === 0) return { error, text: '' }
  // NETLINK_CAP_ACK leaves out the request's body; a kernel without it sends everything back.
  const body = (flags & NLM_F_CAPPED) !== 0 ? 0 : u32(bytes, start + 4) - NLMSG_HDRLEN
  const attributes = findAttributes(bytes, start + NLMSGERR_LEN + Math.max(0, (body + 3) & ~3), end)
  return { error, text: attributeText(bytes, attributes[NLMSGERR_ATTR_MSG] ?? 0) }
}
