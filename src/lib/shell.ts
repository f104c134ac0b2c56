/** Quoting for a POSIX shell. */

/** Any text as one word, in single quotes; byte for byte as a zos host writes it into `zosrc`. */
export const shellQuote = (text: string): string => `'${text.split("'").join(`'"'"'`)}'`

const PLAIN = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_@%+=:,./-'

/** The same, without quotes where none are needed: for commands that people read and copy. */
export const shellWord = (text: string): string =>
  text !== '' && [...text].every((char) => PLAIN.includes(char)) ? text : shellQuote(text)
