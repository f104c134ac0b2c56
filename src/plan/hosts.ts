/** hosts(5): keeps the image's lines and adds what is missing. Pure. */

/** Marks our line, so that the next boot replaces it. */
const MARK = '# zmachine-init'

const LOCALHOST = '127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n'

/**
 * The file with `localhost` and the hostname in it. Idempotent.
 * @param present the file's text; undefined if there is none
 * @param address the machine's own
 */
export function renderHosts(
  present: string | undefined,
  hostname: string | undefined,
  address: string,
): string {
  const lines = (present ?? '').split('\n')
  if (lines[lines.length - 1] === '') lines.length--
  const foreign = lines.filter((line) => !line.endsWith(MARK))
  const text = foreign.map((line) => `${line}\n`).join('')
  const start = foreign.some((line) => names(line).includes('localhost')) ? text : `${LOCALHOST}${text}`
  if (hostname === undefined || start.split('\n').some((line) => names(line).includes(hostname))) return start
  const short = hostname.split('.')[0] ?? hostname
  const aliases = short === hostname || short === '' ? hostname : `${hostname} ${short}`
  return `${start}${address}\t${aliases}\t${MARK}\n`
}

/** The names of a line, without its address and comment. */
function names(line: string): string[] {
  const comment = line.indexOf('#')
  return (comment < 0 ? line : line.slice(0, comment)).split('\t').join(' ').split(' ').slice(1)
}
