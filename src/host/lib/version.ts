/** The package's version: put in by the bundler, or read out of package.json where the source runs as it is. */

import { readFileSync } from 'node:fs'

declare const ZMACHINE_VERSION: string | undefined

export function version(): string {
  if (typeof ZMACHINE_VERSION === 'string') return ZMACHINE_VERSION
  const manifest: unknown = JSON.parse(
    readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'),
  )
  const isManifest = typeof manifest === 'object' && manifest !== null && 'version' in manifest
  return isManifest ? String(manifest.version) : 'unknown'
}
