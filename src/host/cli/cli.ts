#!/usr/bin/env -S node --
// The -- is for Node, which would read our own --env-file itself.
/** The `zmachine` command's first lines: the process around `command.ts`. */

import { zmachine } from './command.ts'

// `zmachine plan | head` has read enough: no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
})

const { NO_COLOR = '', TERM = '' } = process.env

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
