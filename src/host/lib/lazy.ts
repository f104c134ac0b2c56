/** Modules of Node's that few commands need, loaded at their first use: together they take a third of the command's start. */

import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)

export const crypto = (): typeof import('node:crypto') => require('node:crypto')
export const readline = (): typeof import('node:readline') => require('node:readline')
export const zlib = (): typeof import('node:zlib') => require('node:zlib')
