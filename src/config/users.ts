/** Looks up `user[:group]` in the root's passwd(5) and group(5). */

import { parseDecimal, quote } from '../lib/text.ts'

export interface Identity {
  readonly uid: number
  readonly gid: number
  /** Supplementary groups, without the primary one. */
  readonly groups: readonly number[]
  readonly home: string
  /** undefined for an id without a name. */
  readonly name: string | undefined
}

interface Passwd {
  readonly name: string
  readonly uid: number
  readonly gid: number
  readonly home: string
}

/**
 * As docker's `--user`: names or numbers; a number need not be in passwd. Without a group, it is the user's own (0 for an
 * unknown number) plus supplementary groups; with one, there are no supplementary groups.
 * @param passwd the text of /etc/passwd; if it is empty, only root and numbers are known
 * @returns the identity, or what is wrong
 */
export function resolveUser(spec: string, passwd: string, group: string): Identity | string {
  const colon = spec.indexOf(':')
  const userPart = colon < 0 ? spec : spec.slice(0, colon)
  const groupPart = colon < 0 ? undefined : spec.slice(colon + 1)
  const user = findUser(userPart === '' ? '0' : userPart, passwd)
  if (typeof user === 'string') return user
  const found = { uid: user.uid, home: user.home, name: user.name === '' ? undefined : user.name }
  if (groupPart === undefined || groupPart === '') {
    return { ...found, gid: user.gid, groups: supplementary(user, group) }
  }
  const gid = findGroup(groupPart, group)
  return typeof gid === 'string' ? gid : { ...found, gid, groups: [] }
}

/** A uid or gid. The last 32-bit number is -1, which setuid(2) takes for "no change"; the kernel would truncate a larger number. */
function parseId(text: string): number | undefined {
  const id = parseDecimal(text)
  return id === undefined || id >= 0xffff_ffff ? undefined : id
}

function findUser(wanted: string, passwd: string): Passwd | string {
  const id = parseId(wanted)
  for (const line of passwd.split('\n')) {
    const [name = '', , uid = '', gid = '', , home = ''] = line.split(':')
    const number = parseId(uid)
    const primary = parseId(gid)
    const matches = id === undefined ? name === wanted : number === id
    if (matches && number !== undefined && primary !== undefined) {
      return { name, uid: number, gid: primary, home: home === '' ? '/' : home }
    }
  }
  if (id === 0 || wanted === 'root') return { name: 'root', uid: 0, gid: 0, home: '/root' }
  if (id !== undefined) return { name: '', uid: id, gid: 0, home: '/' }
  return `no user ${quote(wanted)} in /etc/passwd`
}

function findGroup(wanted: string, group: string): number | string {
  const id = parseId(wanted)
  if (id !== undefined) return id
  for (const line of group.split('\n')) {
    const [name, , gid = ''] = line.split(':')
    const number = parseId(gid)
    if (name === wanted && number !== undefined) return number
  }
  return wanted === 'root' ? 0 : `no group ${quote(wanted)} in /etc/group`
}

function supplementary(user: Passwd, group: string): number[] {
  const groups: number[] = []
  if (user.name === '') return groups
  for (const line of group.split('\n')) {
    const [, , gid = '', members = ''] = line.split(':')
    const number = parseId(gid)
    if (number === undefined || number === user.gid) continue
    if (members.split(',').includes(user.name)) groups.push(number)
  }
  return groups
}
