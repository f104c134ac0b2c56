/** hosts(5): what an image brings is kept, what is missing is added. Pure. */

/** Ends the line that is ours, so that the next boot finds and replaces it. */
const MARK = '# zmachine-init'

const LOCALHOST = '127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n'

/**
 * The file with `localhost` and the hostname in it. Rendering what it rendered gives the same text.
 * @param present the file's text, or undefined where there is none
 * @param address the machine's own, for its name
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
