/** Requests that ask for another protocol on the same connection (RFC 9110 7.8). */
import { type Fields, fieldValues } from '../core/fields.ts'

/**
 * The protocols that a request offers to switch to, as written; empty when it does not ask.
 * `h2c` is left out: RFC 9113 dropped it, any recipient may ignore it, and a raw HTTP/2 connection would pass by the
 * cache and every check of this proxy.
 */
export function offeredProtocols(fields: Fields): string[] {
  if (!listed(fields, 'connection').some((option) => option.toLowerCase() === 'upgrade')) return []
  return listed(fields, 'upgrade').filter((protocol) => protocol.toLowerCase() !== 'h2c')
}

/** Whether the request's framing announces content (RFC 9112 6.3). */
export function hasContent(fields: Fields): boolean {
  if (fieldValues(fields, 'transfer-encoding').length > 0) return true
  return fieldValues(fields, 'content-length').some((length) => length !== '0')
}

/** The members of a comma-separated field, without the empty ones (RFC 9110 5.6.1). */
export function listed(fields: Fields, name: string): string[] {
  const members = fieldValues(fields, name).flatMap((value) => value.split(','))
  return members.map((member) => member.trim()).filter((member) => member !== '')
}
