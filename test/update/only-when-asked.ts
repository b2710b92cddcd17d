/**
 * A product's settings (see service/update-settings.ts) with which it is checked when somebody asks and not before, for as long as
 * a test takes: however long the machine has been up, and whatever time of day it is. A figure for `afterBootMs` would not do:
 * where the machine has been up for longer, the check is due at the start.
 */
export function onlyWhenAsked(): Readonly<Record<string, unknown>> {
  const inHalfADay = new Date(Date.now() + 12 * 3_600_000)
  const twoDigits = (value: number) => String(value).padStart(2, '0')
  const dailyAt = `${twoDigits(inHalfADay.getHours())}:${twoDigits(inHalfADay.getMinutes())}`
  return { afterBootMs: 'off', dailyAt, jitterMs: 0 }
}
