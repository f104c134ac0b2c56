/** What the kernel takes as an interface's name (dev_valid_name), less what only a pattern or a mistake has. */
export function isInterfaceName(name: string): boolean {
  if (name === '' || name.length > 15 || name === '.' || name === '..') return false
  for (let at = 0; at < name.length; at++) {
    if (name.charCodeAt(at) <= 32 || '/:*?[]'.includes(name.charAt(at))) return false
  }
  return true
}
