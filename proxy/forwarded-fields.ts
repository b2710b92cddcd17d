/**
 * The header sections that leave this node, made from those that came (RFC 9110 7.6, V§6): end-to-end fields stay
 * as they are, hop-by-hop fields and all that `Connection` names go, framing is written anew from parsed values.
 */
import {
  endToEndFields,
  type FieldLine,
  type Fields,
  fieldValue,
  hasField,
  withField,
  withoutFields,
} from '../core/fields.ts'
import type { ReceivedHead } from './request-check.ts'
import { listed } from './upgrade-request.ts'
import { viaLine } from './via.ts'

/**
 * The request's fields for the next connection, without those of `connectionFields`.
 * @param host the target URI's authority, which replaces any Host that came (RFC 9112 3.2.2)
 */
export function requestFields(head: ReceivedHead, host: string, pseudonym: string): Fields {
  const kept = withoutFields(endToEndFields(head.fields), [
    'host',
    'content-length',
    'expect',
    'http2-settings',
  ])
  return [['Host', host], ...forwardedOnce(head, kept), ...framing(head), viaLine(head.version, pseudonym)]
}

/** The hop-by-hop fields of the request's next connection: it serves one request, or is switched. */
export function connectionFields(head: ReceivedHead, protocols: readonly string[]): Fields {
  if (protocols.length > 0) {
    return [
      ['Connection', 'Upgrade'],
      ['Upgrade', protocols.join(', ')],
    ]
  }
  const wantsTrailers = listed(head.fields, 'te').some((coding) => coding.toLowerCase() === 'trailers')
  const lines: FieldLine[] = wantsTrailers
    ? [
        ['Connection', 'close, TE'],
        ['TE', 'trailers'],
      ]
    : [['Connection', 'close']]
  if (head.version === '1.1' && hasField(head.fields, 'expect')) lines.push(['Expect', '100-continue'])
  return lines
}

/**
 * The response's fields for the user agent. Node's server adds the framing that the body gets.
 * @param head the response as it came; `status` decides about Content-Length
 */
export function responseFields(
  head: { readonly status: number; readonly version: string; readonly fields: Fields },
  pseudonym: string,
): Fields {
  const dropsLength = head.status === 204 || isChunked(head.fields)
  const kept = withoutFields(endToEndFields(head.fields), dropsLength ? ['content-length'] : [])
  const announced = isChunked(head.fields) ? trailerLine(head.fields) : []
  return [...kept, ...announced, viaLine(head.version, pseudonym)]
}

/**
 * The trailer fields that may be forwarded: never framing, routing, credentials or content description, which a
 * recipient must not take from a trailer section (RFC 9110 6.5.1).
 */
export function trailerFields(received: Fields): Fields {
  return withoutFields(endToEndFields(received), NEVER_IN_TRAILERS)
}

const NEVER_IN_TRAILERS = [
  'authorization',
  'cache-control',
  'content-encoding',
  'content-length',
  'content-range',
  'content-type',
  'cookie',
  'expect',
  'host',
  'max-forwards',
  'range',
  'set-cookie',
  'via',
  'www-authenticate',
]

/** One hop less for OPTIONS and TRACE (RFC 9110 7.6.2); zero never comes here. */
function forwardedOnce({ method, fields }: ReceivedHead, kept: Fields): Fields {
  const left = maxForwards(method, fields)
  return left === undefined ? kept : withField(kept, 'Max-Forwards', String(left - 1))
}

/** How many more times the request may be forwarded; `undefined`: no limit. */
export function maxForwards(method: string, fields: Fields): number | undefined {
  if (method !== 'OPTIONS' && method !== 'TRACE') return undefined
  const value = fieldValue(fields, 'max-forwards') ?? ''
  return /^\d{1,9}$/.test(value) ? Number(value) : undefined
}

/** Every request says where it ends; a method that has content but brings none says zero. */
function framing({ method, fields }: ReceivedHead): Fields {
  if (isChunked(fields)) return [['Transfer-Encoding', 'chunked'], ...trailerLine(fields)]
  const length = fieldValue(fields, 'content-length')
  if (length !== undefined) return [['Content-Length', length]]
  return method === 'GET' || method === 'HEAD' || method === 'TRACE' ? [] : [['Content-Length', '0']]
}

function isChunked(fields: Fields): boolean {
  return hasField(fields, 'transfer-encoding')
}

/** `Trailer` is hop-by-hop for the old, but what it announces passes, so it is announced again. */
function trailerLine(fields: Fields): Fields {
  const announced = fieldValue(fields, 'trailer')
  return announced === undefined ? [] : [['Trailer', announced]]
}
