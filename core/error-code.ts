/** What Node says of a failed operation in one word. */

/** The code (`ENOENT`, `ECONNREFUSED`, …); empty for anything that has none. */
export function errorCode(thrown: unknown): string {
  return thrown instanceof Error && 'code' in thrown ? String(thrown.code) : ''
}

/** Whether it says that a file or directory does not exist. */
export function isMissing(thrown: unknown): boolean {
  return errorCode(thrown) === 'ENOENT'
}
