/** What Jazzer.js calls: the decoder that ZMACHINE_FUZZ_TARGET names. fuzz.ts bundles it. */

import { TARGETS } from './targets.ts'

const target = TARGETS.find(({ name }) => name === process.env['ZMACHINE_FUZZ_TARGET'])
if (target === undefined) throw new Error('ZMACHINE_FUZZ_TARGET names no target')

export const fuzz = (input: Uint8Array): void => target.run(new Uint8Array(input))
