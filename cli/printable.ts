/** What strangers wrote (names in certificates, of files, of machines) does not reach the terminal as it is. */

/** Control and format characters as `?`; the ends of lines stay. */
export function printable(text: string): string {
  return text.replace(/[^\P{Cc}\n]|[\p{Cf}\u2028\u2029]/gu, '?')
}
