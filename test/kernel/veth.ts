/** A pair of virtual Ethernet links, joined like a cable. */

import { IFLA_ADDRESS, IFLA_IFNAME } from '../../src/netlink/link.ts'
import {
  beginNested,
  buildMessage,
  endNested,
  finishMessage,
  NLM_F_CREATE,
  putAttribute,
  putTextAttribute,
  type Request,
} from '../../src/netlink/message.ts'
import { IFLA_INFO_KIND, IFLA_LINKINFO, RTM_NEWLINK } from '../netlink/lists.ts'

const IFLA_INFO_DATA = 2
const VETH_INFO_PEER = 1
const IFINFOMSG_WORDS = 4

export function vethAdd(name: string, peer: string, mac: readonly number[]): Request {
  const builder = buildMessage(RTM_NEWLINK, NLM_F_CREATE, IFINFOMSG_WORDS)
  putTextAttribute(builder, IFLA_IFNAME, name)
  putAttribute(builder, IFLA_ADDRESS, new Uint8Array(mac))
  const info = beginNested(builder, IFLA_LINKINFO)
  putTextAttribute(builder, IFLA_INFO_KIND, 'veth')
  const data = beginNested(builder, IFLA_INFO_DATA)
  const end = beginNested(builder, VETH_INFO_PEER)
  // The peer's own ifinfomsg, empty.
  builder.length += IFINFOMSG_WORDS
  putTextAttribute(builder, IFLA_IFNAME, peer)
  endNested(builder, end)
  endNested(builder, data)
  endNested(builder, info)
  return { message: finishMessage(builder), describe: () => `add veth ${name}, ${peer}` }
}
