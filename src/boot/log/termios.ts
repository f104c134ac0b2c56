/** struct termios as TCGETS and TCSETS have it (asm-generic/termbits.h). Pure. */

import { putU32, u32 } from '../../lib/bytes.ts'
import type { Memory } from '../../sys/port.ts'

/** Four words of flags, the line discipline, and 19 control characters. */
export const TERMIOS_SIZE = 36

/** BRKINT, PARMRK, ISTRIP, INLCR, IGNCR, ICRNL, IXON */
const INPUT = 0o2 | 0o10 | 0o40 | 0o100 | 0o200 | 0o400 | 0o2000
/** A break on a serial line is not data. */
const IGNBRK = 0o1
/** OPOST */
const OUTPUT = 0o1
/** CSIZE, PARENB; CS8 */
const CONTROL = 0o60 | 0o400
const CS8 = 0o60
/** ISIG, ICANON, ECHO, ECHONL, IEXTEN */
const LOCAL = 0o1 | 0o2 | 0o10 | 0o100 | 0o100000

/** A terminal that passes on every byte as it is, as cfmakeraw(3) has it. */
export function makeRaw(termios: Memory): Memory {
  const raw = termios.slice()
  putU32(raw, 0, (u32(raw, 0) & ~INPUT) | IGNBRK)
  putU32(raw, 4, u32(raw, 4) & ~OUTPUT)
  putU32(raw, 8, (u32(raw, 8) & ~CONTROL) | CS8)
  putU32(raw, 12, u32(raw, 12) & ~LOCAL)
  return raw
}

/** The key that ends the input: VEOF, the fifth of the control characters. */
export const endKey = (termios: Memory): number => termios[17 + 4] ?? 0
