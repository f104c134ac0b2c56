/** sshd(8)'s authorized_keys. Pure. */

/**
 * The file with these keys in it, each once, behind what it has already: a user's own keys stay, and rendering what it
 * rendered gives the same text.
 */
export function renderAuthorizedKeys(present: string | undefined, keys: readonly string[]): string {
  const text =
    present === undefined || present === '' || present.endsWith('\n') ? (present ?? '') : `${present}\n`
  const known = new Set<string>()
  // One by one: the way by which the engine fills a Set from a list is a long one, for one use in a boot.
  for (const line of text.split('\n')) known.add(line)
  let added = ''
  for (const key of keys) {
    if (known.has(key)) continue
    known.add(key)
    added += `${key}\n`
  }
  return text + added
}
