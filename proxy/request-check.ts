/**
 * What the proxy does with a request, decided from its head alone (V§6, R6.1).
 *
 * Node's parser has already refused the usual smuggling forms; refused here is what it lets through. Whatever two
 * readers could understand differently is refused rather than repaired, with one exception that RFC 9112 3.2.2 asks
 * for: `Host` beside an absolute-form target is ignored, and the target's authority is used.
 */
import type { IncomingMessage } from 'node:http'
import { Fault } from '../core/fault.ts'
import { withoutSecrets } from '../core/redaction.ts'
import { fieldsFromRaw, fieldValues, type Fields, hasField } from '../core/fields.ts'
import { hasContent, offeredProtocols } from './upgrade-request.ts'
import { hasPassed } from './via.ts'

/** A request's head as it came. */
export interface ReceivedHead {
  readonly method: string
  /** The request-target, raw (RFC 9112 3.2). */
  readonly target: string
  /** `1.1`, without `HTTP/`. */
  readonly version: string
  readonly fields: Fields
}

export interface CheckSettings {
  /** This node's name in `Via`. */
  readonly pseudonym: string
  /** `host:port` under which the node's own pages are known: its listen addresses and `localhost` (V§4, rebinding). */
  readonly ownAuthorities: readonly string[]
  /** Whether there is an own page at this path (query included). */
  readonly isOwnPage: (path: string) => boolean
}

export type RequestDecision =
  /** Forward it, from the cache or through. */
  | { readonly kind: 'proxy'; readonly target: URL }
  | { readonly kind: 'own-page'; readonly path: string }
  /** `host` without brackets, an IPv4 literal in dotted decimal. */
  | { readonly kind: 'connect'; readonly host: string; readonly port: number }
  | { readonly kind: 'refused'; readonly fault: Fault }

/** More field lines than any user agent sends. */
export const MAX_FIELD_LINES = 256

/** The head of a request that Node's server has parsed. */
export function receivedHead(request: IncomingMessage): ReceivedHead {
  const { method = '', url: target = '', httpVersion: version } = request
  return { method, target, version, fields: fieldsFromRaw(request.rawHeaders) }
}

/** Refusals are BAD_REQUEST, EXPECTATION_FAILED, LOOP_DETECTED, NOT_A_PROXY_REQUEST or NOT_FOUND. */
export function checkRequest(head: ReceivedHead, settings: CheckSettings): RequestDecision {
  return checkFields(head, settings) ?? checkTarget(head, settings)
}

/** The first half of `checkRequest`: a refusal for what the fields and the version say, whatever the target is. */
export function checkFields(
  head: ReceivedHead,
  settings: Pick<CheckSettings, 'pseudonym'>,
): Extract<RequestDecision, { kind: 'refused' }> | undefined {
  const flaw = CHECKS.map((check) => check(head)).find((found) => found !== undefined)
  if (flaw !== undefined) return refuse('BAD_REQUEST', flaw)
  const expectations = fieldValues(head.fields, 'expect')
  if (expectations.some((each) => each.toLowerCase() !== '100-continue')) {
    return refuse('EXPECTATION_FAILED', `expected "100-continue" in Expect, got "${expectations.join(', ')}"`)
  }
  return hasPassed(head.fields, settings.pseudonym)
    ? refuse('LOOP_DETECTED', 'this node has already forwarded this request (Via)')
    : undefined
}

/** The second half: where the request goes. An absolute-form target decides it alone, without the fields. */
export function checkTarget(head: ReceivedHead, settings: CheckSettings): RequestDecision {
  return head.method === 'CONNECT' ? toAuthority(head, settings) : toResource(head, settings)
}

/** Each gives what is wrong with the head, or nothing. */
const CHECKS: readonly ((head: ReceivedHead) => string | undefined)[] = [
  ({ version }) =>
    version === '1.1' || version === '1.0' ? undefined : `expected HTTP/1.1, got HTTP/${version}`,
  ({ fields }) =>
    fields.length > MAX_FIELD_LINES ? `more than ${MAX_FIELD_LINES} header field lines` : undefined,
  ({ fields, version }) => {
    const hosts = fieldValues(fields, 'host')
    if (hosts.length > 1) return 'more than one Host line'
    if (hosts[0] === undefined) return version === '1.1' ? 'no Host line' : undefined
    return hosts[0] === '' || AUTHORITY.test(hosts[0]) ? undefined : `malformed Host "${hosts[0]}"`
  },
  framingFlaw,
  ({ fields }) =>
    offeredProtocols(fields).length > 0 && hasContent(fields) ? 'Upgrade together with content' : undefined,
  ({ method, fields }) =>
    (method === 'CONNECT' || method === 'TRACE') && hasContent(fields)
      ? `${method} together with content`
      : undefined,
]

/** RFC 9112 6.1 and 6.3; strict, because every reader on the way must see the same end of the message. */
function framingFlaw({ fields, version }: ReceivedHead): string | undefined {
  const codings = fieldValues(fields, 'transfer-encoding')
  const lengths = fieldValues(fields, 'content-length')
  if (codings.length > 0 && lengths.length > 0) return 'Transfer-Encoding together with Content-Length'
  if (codings.length > 1 || (codings[0] ?? 'chunked') !== 'chunked') {
    return `expected Transfer-Encoding "chunked", got "${codings.join(', ')}"`
  }
  if (codings.length > 0 && version === '1.0') return 'Transfer-Encoding in HTTP/1.0'
  if (lengths.length > 1 || !/^\d{1,15}$/.test(lengths[0] ?? '0')) {
    return `malformed Content-Length "${lengths.join(', ')}"`
  }
  return undefined
}

/** A registered name or an IP literal, with or without a port; no userinfo, no percent-encoding. */
const AUTHORITY = /^(?:[\w.-]+|\[[\da-f:.]+\])(?::\d{0,5})?$/i

function toAuthority({ target }: ReceivedHead, settings: CheckSettings): RequestDecision {
  const url = AUTHORITY.test(target) && /:\d+$/.test(target) ? parse(`http://${target}/`) : undefined
  const port = Number(/\d+$/.exec(target)?.[0])
  if (!url || port < 1)
    return refuse('BAD_REQUEST', `expected CONNECT host:port, got "${withoutSecrets(target)}"`)
  if (isOwn(url, settings)) return refuse('LOOP_DETECTED', `${target} is this node itself`)
  return { kind: 'connect', host: url.hostname.replace(/^\[|\]$/g, ''), port }
}

function toResource(head: ReceivedHead, settings: CheckSettings): RequestDecision {
  if (/[^\x21-\x7e]|[#\\]/.test(head.target)) return refuse('BAD_REQUEST', 'the target is not a URI')
  if (head.target.startsWith('/')) return toOwnPage(head.target, hostOf(head.fields), settings)
  const authority = /^http:\/\/([^/?]*)/i.exec(head.target)?.[1]
  if (authority === undefined) {
    return refuse('NOT_A_PROXY_REQUEST', `expected an absolute http: URI, got "${shown(head.target)}"`)
  }
  const target = AUTHORITY.test(authority) ? parse(head.target) : undefined
  if (!target) return refuse('BAD_REQUEST', 'expected host or host:port in the URI, without userinfo')
  return isOwn(target, settings)
    ? toOwnPage(requestPath(head.target), target, settings)
    : { kind: 'proxy', target }
}

/** Own pages are shown under fixed names only, so that a name that was rebound to this node gets nothing (V§4). */
function toOwnPage(path: string, host: URL | undefined, settings: CheckSettings): RequestDecision {
  if (!host || !isOwn(host, settings)) {
    return refuse('NOT_A_PROXY_REQUEST', 'this is a proxy: it expects an absolute http: URI or CONNECT')
  }
  return settings.isOwnPage(path)
    ? { kind: 'own-page', path }
    : refuse('NOT_FOUND', `there is no page ${shown(path)} on this node`)
}

/** The path and query of an absolute-form target as they were written (RFC 9110 7.7 forbids changing them). */
export function requestPath(target: string): string {
  const path = target.replace(/^https?:\/\/[^/?]*/i, '')
  return path.startsWith('/') ? path : `/${path}`
}

function hostOf(fields: Fields): URL | undefined {
  const [host] = fieldValues(fields, 'host')
  return hasField(fields, 'host') && host !== '' ? parse(`http://${host}/`) : undefined
}

function isOwn(url: URL, settings: CheckSettings): boolean {
  return ownHosts(settings.ownAuthorities).has(url.host)
}

const hosts = new WeakMap<readonly string[], ReadonlySet<string>>()

/** The authorities as URLs spell them. */
function ownHosts(authorities: readonly string[]): ReadonlySet<string> {
  const known = hosts.get(authorities)
  if (known !== undefined) return known
  const found = new Set(authorities.flatMap((authority) => parse(`http://${authority}/`)?.host ?? []))
  hosts.set(authorities, found)
  return found
}

function parse(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined
}

/** Enough of a target to recognize it in a message, without what follows the `?` or comes before an `@`. */
function shown(target: string): string {
  return withoutSecrets(target).slice(0, 80)
}

function refuse(code: Fault['code'], message: string): Extract<RequestDecision, { kind: 'refused' }> {
  return { kind: 'refused', fault: new Fault(code, message) }
}
