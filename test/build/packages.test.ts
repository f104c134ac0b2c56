import { expect, test } from 'vitest'
import lock from '../../package-lock.json' with { type: 'json' }

test('no npm package has an install script: npm before 11 would run it by a Node that may not start yet', () => {
  const scripted = Object.entries(lock.packages).filter(([, entry]) => 'hasInstallScript' in entry)
  expect(scripted.map(([path]) => path)).toEqual([])
})
