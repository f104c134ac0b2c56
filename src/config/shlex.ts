/**
 * An entrypoint with arguments in one text, as `/sbin/zinit init`, split by the rules of github.com/google/shlex, which a zos
 * host splits it with (zosbase, pkg/vm/cloudinit/image.go). Nothing is expanded.
 */

export interface Words {
  readonly words: readonly string[]
  /** Why the text can't be split; the words before that are given. */
  readonly problem?: string
}

/**
 * Blanks, tabs and line ends separate. Single quotes protect everything, double quotes everything but a backslash. A backslash
 * takes any character's special meaning and goes, also in double quotes and before a line end. `#` begins a comment where a word
 * could begin.
 */
export function splitWords(text: string): Words {
  const words: string[] = []
  let word: string | undefined
  let quoted = ''
  for (let at = 0; at < text.length; at++) {
    const char = text.charAt(at)
    if (quoted !== '' && char === quoted) {
      quoted = ''
    } else if (char === '\\' && quoted !== "'") {
      if (++at >= text.length) return { words, problem: 'nothing follows the backslash at its end' }
      word = (word ?? '') + text.charAt(at)
    } else if (quoted !== '') {
      word += char
    } else if (char === "'" || char === '"') {
      quoted = char
      word ??= ''
    } else if (char === ' ' || char === '\t' || char === '\r' || char === '\n') {
      if (word !== undefined) words.push(word)
      word = undefined
    } else if (char === '#' && word === undefined) {
      const end = text.indexOf('\n', at)
      at = end < 0 ? text.length : end
    } else {
      word = (word ?? '') + char
    }
  }
  if (quoted !== '') return { words, problem: `no closing ${quoted}` }
  if (word !== undefined) words.push(word)
  return { words }
}
