/**
 * Makes property tests try the same cases each time, so that they pass or fail alike on every machine.
 * `FC_SEED=$RANDOM npm run ok` tries others. `npm run ok` ends each property after a fifth of a second; `npm test` tries
 * all of its cases.
 */

import fc from 'fast-check'
import { thorough } from './programs.ts'

fc.configureGlobal({
  seed: Number(process.env['FC_SEED'] ?? 20_261_123),
  ...(thorough ? {} : { interruptAfterTimeLimit: 200 }),
})
