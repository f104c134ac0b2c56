/** `meta-data` of a seed: what the machine is called. */

import { hostnameProblem, type Parsed } from './keys.ts'
import { parseYaml } from './yaml.ts'
import type { YamlNode } from './yaml-reader.ts'
import { asText, type Complaining, type Field, isNull, readFields, show } from './yaml-values.ts'

interface Collected extends Complaining {
  /** NoCloud's own key. */
  localHostname?: string
  /** What other clouds call it. */
  hostname?: string
}

const FIELDS: Readonly<Record<string, Field<Collected>>> = {
  'local-hostname': (into, node) => {
    const name = readHostname(into, node, 'local-hostname')
    if (name !== undefined) into.localHostname = name
  },
  hostname: (into, node) => {
    const name = readHostname(into, node, 'hostname')
    if (name !== undefined) into.hostname = name
  },
}

/** Whether a boot is the first one is seen from the files in the root, so the instance needs no name. */
const QUIET: readonly string[] = ['instance-id', 'instance_id', 'cloud-name', 'availability-zone', 'region']

/** @param source the file's name, for the problems */
export function parseMetaData(text: string, source: string): Parsed {
  const { root, problems, complain } = parseYaml(text, source)
  const into: Collected = { complain }
  readFields(into, root, '', FIELDS, QUIET)
  const hostname = into.localHostname ?? into.hostname
  return { layer: { source, ...(hostname !== undefined && { hostname }) }, problems }
}

/** A valid hostname, or undefined: there is none, or it is told what is wrong with it. */
export function readHostname(into: Complaining, node: YamlNode, what: string): string | undefined {
  if (isNull(node)) return undefined
  const name = asText(node)
  const wrong = name === undefined ? 'is not a name' : hostnameProblem(name)
  if (wrong === undefined) return name
  into.complain(node, `${what}: ${show(node)} ${wrong}; the hostname is not changed`)
  return undefined
}
