/** Sizes as people write and read them. Pure. */

const SHIFTS: Readonly<Record<string, number>> = { '': 20, B: 0, K: 10, M: 20, G: 30, T: 40 }

/** A size in bytes: `512M`, `10GB`, `1.5G`; units are powers of 1024, and a number alone is MB. undefined: it is none. */
export function readSize(text: string): number | undefined {
  const [, digits, multiple, unit = multiple ?? ''] =
    /^(\d+(?:\.\d+)?)(?:([KMGT])(?:i?B)?|(B))?$/i.exec(text) ?? []
  const shift = SHIFTS[unit.toUpperCase()]
  if (digits === undefined || shift === undefined) return undefined
  const bytes = Math.round(Number(digits) * 2 ** shift)
  return Number.isSafeInteger(bytes) && bytes > 0 ? bytes : undefined
}

const UNITS = ['kB', 'MB', 'GB', 'TB']

/** Decimal, with two digits at least: `4.1 kB`, `142 MB`. */
export function formatSize(bytes: number): string {
  const power = Math.min(UNITS.length, Math.max(1, Math.floor(Math.log10(Math.max(bytes, 1)) / 3)))
  const amount = bytes / 1000 ** power
  return `${amount.toFixed(amount < 10 ? 1 : 0)} ${UNITS[power - 1]}`
}
