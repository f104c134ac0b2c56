/** Reads a seed's `meta-data`: the hostname. */

import { hostnameProblem } from '../lib/names.ts'
import type { Parsed } from './keys.ts'
import type { Place, YamlNode } from './yaml/reader.ts'
import { asText, type Complaining, isNull, readFields, show } from './yaml/values.ts'
import { parseYaml } from './yaml/yaml.ts'

interface Collected extends Complaining {
  /** NoCloud's own key. */
  localHostname?: string
  /** What other clouds call it. */
  hostname?: string
}

/** @param source the file's name, for the problems */
export function parseMetaData(text: string, source: string): Parsed {
  const { root, problems, complain } = parseYaml(text, source)
  const into: Collected = { complain }
  readFields(into, root, 0, 'the file', readField)
  const hostname = into.localHostname ?? into.hostname
  return { layer: hostname === undefined ? { source } : { source, hostname }, problems }
}

function readField(into: Collected, key: string, value: YamlNode, at: Place): boolean {
  switch (key) {
    case 'local-hostname': {
      const name = readHostname(into, value, at)
      if (name !== undefined) into.localHostname = name
      return true
    }
    case 'hostname': {
      const name = readHostname(into, value, at)
      if (name !== undefined) into.hostname = name
      return true
    }
    // Whether a boot is the first one shows in the root's files, so the instance needs no name.
    case 'instance-id':
    case 'instance_id':
    case 'cloud-name':
    case 'availability-zone':
    case 'region':
      return true
  }
  return false
}

/** A valid hostname; undefined if there is none (hosts write `""`), or an invalid one, which is a problem. */
export function readHostname(into: Complaining, node: YamlNode, at: Place): string | undefined {
  if (isNull(node)) return undefined
  const name = asText(node)
  if (name === '') return undefined
  const wrong = name === undefined ? 'is not a name' : hostnameProblem(name)
  if (wrong === undefined) return name
  into.complain(at, `${show(node)} ${wrong}; the hostname is not changed`)
  return undefined
}
