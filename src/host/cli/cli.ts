#!/usr/bin/env -S node --
// The -- is for Node, which would read our own --env-file itself.
/** The `zmachine` command's first lines: the process around `command.ts`. */

import module from 'node:module'
import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'

const { NO_COLOR = '', TERM = '', XDG_CACHE_HOME = '' } = process.env

// Where this runs from source, stripping types takes three quarters of the start. From Node 22.8 on the result is kept:
// in the user's own cache, as it is code.
const cache = isAbsolute(XDG_CACHE_HOME) ? XDG_CACHE_HOME : join(homedir(), '.cache')
module.enableCompileCache?.(join(cache, 'zmachine/compiled'))
const { zmachine } = await import('./command.ts')

// `zmachine plan | head` has read enough: no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
})

// Not process.exit(), which would cut off what a pipe has not taken yet.
process.exitCode = await zmachine(process.argv.slice(2), {
  stdin: process.stdin,
  stdout: process.stdout,
  write: (bytes: Uint8Array): unknown => process.stdout.write(bytes),
  colours: process.stdout.isTTY && NO_COLOR === '' && TERM !== 'dumb',
  errors: (text: string): unknown => process.stderr.write(text),
})
// A terminal that was read from would keep the process alive.
process.stdin.unref?.()
