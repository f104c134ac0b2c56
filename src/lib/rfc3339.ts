/** Times as RFC 3339 writes them, for an engine without Date. Pure. */

const DAY = 86_400

/**
 * `2026-11-28T01:02:03.000000042Z`.
 * @param seconds since 1970, as CLOCK_REALTIME counts; not before it
 */
export function rfc3339(seconds: number, nanoseconds: number): string {
  const days = Math.floor(seconds / DAY)
  const rest = seconds - days * DAY
  const time = [Math.floor(rest / 3600), Math.floor(rest / 60) % 60, rest % 60].map((part) => padded(part, 2))
  return `${dateOf(days)}T${time.join(':')}.${padded(nanoseconds, 9)}Z`
}

/** The Gregorian date of a day since 1970. Years begin in March here, so that a leap day is the last one. */
function dateOf(days: number): string {
  // Since 1 March 0000. An era has 400 years, or 146,097 days.
  const since = days + 719_468
  const era = Math.floor(since / 146_097)
  const day = since - era * 146_097
  const year = Math.floor(
    (day - Math.floor(day / 1460) + Math.floor(day / 36_524) - Math.floor(day / 146_096)) / 365,
  )
  const ofYear = day - (365 * year + Math.floor(year / 4) - Math.floor(year / 100))
  const month = Math.floor((5 * ofYear + 2) / 153)
  const ofMonth = ofYear - Math.floor((153 * month + 2) / 5) + 1
  const isNext = month >= 10
  return `${padded(year + era * 400 + (isNext ? 1 : 0), 4)}-${padded(isNext ? month - 9 : month + 3, 2)}-${padded(ofMonth, 2)}`
}

const padded = (value: number, length: number): string => {
  const digits = `${value}`
  return digits.length < length ? '0'.repeat(length - digits.length) + digits : digits
}
