/** `Via` (RFC 9110 7.6.3): who forwarded a message, and how a request that has come back is known (V§6, loops). */
import { type FieldLine, type Fields, fieldValues } from '../core/fields.ts'

/**
 * This node's line for a message that it forwards.
 * @param receivedVersion the HTTP version in which the message came to this node: `1.1` or `1.0`
 * @param pseudonym this node's `received-by`: a token, different on every node
 */
export function viaLine(receivedVersion: string, pseudonym: string): FieldLine {
  return ['Via', `${receivedVersion} ${pseudonym} (ihave)`]
}

/** Whether a node called `pseudonym` has forwarded this message before; pseudonyms compare without case. */
export function hasPassed(fields: Fields, pseudonym: string): boolean {
  const entries = fieldValues(fields, 'via').flatMap((value) => withoutComments(value).split(','))
  return entries.some((entry) => receivedBy(entry) === pseudonym.toLowerCase())
}

/** `1.1 name` and `HTTP/1.1 name:port` alike. */
function receivedBy(entry: string): string | undefined {
  return entry.trim().split(/\s+/)[1]?.toLowerCase()
}

/** Comments nest and may hold commas and quoted parentheses (RFC 9110 5.6.5), so they are cut by counting. */
function withoutComments(value: string): string {
  let depth = 0
  let kept = ''
  for (let at = 0; at < value.length; at++) {
    const character = value.charAt(at)
    if (depth > 0 && character === '\\') at++
    else if (character === '(') depth++
    else if (depth > 0) depth -= character === ')' ? 1 : 0
    else kept += character
  }
  return kept
}
