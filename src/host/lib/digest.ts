/** The SHA-256 of a file. */

import { createReadStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { crypto } from './lazy.ts'

/** In hexadecimal. Rejects as fs does if the file can't be read. */
export async function sha256(path: string): Promise<string> {
  const hash = crypto().createHash('sha256')
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash)
  return hash.digest('hex')
}
