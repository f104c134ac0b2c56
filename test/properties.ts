/**
 * Property tests try the same cases each time, so that what fails on one machine fails on all, and what passes lands.
 * `FC_SEED=$RANDOM npm run ok` tries others.
 */

import fc from 'fast-check'

fc.configureGlobal({ seed: Number(process.env['FC_SEED'] ?? 20_261_123) })
