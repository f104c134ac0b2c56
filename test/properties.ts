/**
 * Makes property tests try the same cases each time, so that they pass or fail alike on every machine.
 * `FC_SEED=$RANDOM npm run ok` tries others.
 */

import fc from 'fast-check'

fc.configureGlobal({ seed: Number(process.env['FC_SEED'] ?? 20_261_123) })
