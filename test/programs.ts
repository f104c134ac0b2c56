/** What `npm run ok` may leave out and `npm test` may not. */

import { test } from 'vitest'
import { findProgram } from '../src/host/lib/programs.ts'

/** Whether everything is tested, and nothing skipped because the system lacks a program: as `npm test` does, which installs them. */
export const thorough = process.env['ZMACHINE_THOROUGH'] === '1'

/** A test that runs programs of Debian packages which a minimal system lacks. */
export const testWith = (...programs: readonly string[]) =>
  test.skipIf(!thorough && programs.some((name) => findProgram(name) === undefined))
