/** Renders sshd(8)'s authorized_keys. Pure. */

/**
 * The file's text with these keys appended, each once. The user's own lines stay. Idempotent.
 */
export function renderAuthorizedKeys(present: string | undefined, keys: readonly string[]): string {
  const text =
    present === undefined || present === '' || present.endsWith('\n') ? (present ?? '') : `${present}\n`
  const known = new Set<string>()
  // One by one: `new Set(list)` costs the engine more instructions.
  for (const line of text.split('\n')) known.add(line)
  let added = ''
  for (const key of keys) {
    if (known.has(key)) continue
    known.add(key)
    added += `${key}\n`
  }
  return text + added
}
