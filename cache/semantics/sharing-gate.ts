/**
 * What the LAN may hear of at all (V§3): a gate of its own, apart from freshness and storing, and stricter. It
 * fails closed: whatever it does not understand stays on this machine. Each check says what it keeps in.
 */
import type { Fields } from '../../core/fields.ts'
import { fieldValues, hasField } from '../../core/fields.ts'
import type { Policy } from '../../core/policy.ts'
import { parseTargetUri } from '../../core/target-uri.ts'
import { parseDirectives } from './cache-control.ts'
import { credentialInPath, credentialInQuery } from './credentials.ts'
import { splitList } from './list.ts'

/** The request as the user agent made it: the gate must see the fields that are stripped before forwarding. */
export interface RequestView {
  readonly method: string
  /** The URI as the user agent wrote it, userinfo included. */
  readonly uri: string
  readonly fields: Fields
  /** Set when the user agent showed a certificate (intercepted TLS). */
  readonly hasClientCertificate?: boolean
}

export interface ResponseView {
  readonly status: number
  /** The fields as they were received. */
  readonly fields: Fields
}

/** Whether the bytes are known by digest before anybody is asked (rungs V1 and V2 of V§1). */
export type SharingProof = 'known-digest' | 'none'

export type Sharing =
  | { readonly kind: 'share' }
  /** `reason` is for logs and "why"; it holds no value of a field or a query. */
  | { readonly kind: 'withhold'; readonly reason: string }

/**
 * Whether a response may be named to the LAN and offered to it: its request passes `mayNameToLan`, it is a 200
 * for everybody, and its directives are readable and say nothing of the kind of private (V§3).
 */
export function maySharePeerwise(
  request: RequestView,
  response: ResponseView,
  policy: Pick<Policy, 'share'>,
  proof: SharingProof,
): Sharing {
  return verdict(withheldByRequest(request, policy, proof === 'known-digest') ?? withheldByResponse(response))
}

/** The half that can be asked before there is a response: only URLs that pass are ever broadcast. */
export function mayNameToLan(
  request: RequestView,
  policy: Pick<Policy, 'share'>,
  knownDigest: boolean,
): Sharing {
  return verdict(withheldByRequest(request, policy, knownDigest))
}

function verdict(reason: string | undefined): Sharing {
  return reason === undefined ? { kind: 'share' } : { kind: 'withhold', reason }
}

/** Requests that carry who somebody is. */
const CREDENTIAL_FIELD = /authorization|cookie|credential|token|secret|passw|api-?key|client-cert|^x-auth/i

function withheldByRequest(
  request: RequestView,
  policy: Pick<Policy, 'share'>,
  knownDigest: boolean,
): string | undefined {
  if (!policy.share) return 'the rule does not share'
  if (request.method !== 'GET') return `method ${request.method}`
  if (request.hasClientCertificate) return 'the request has a client certificate'
  const credential = request.fields.find(([name]) => CREDENTIAL_FIELD.test(name))
  if (credential !== undefined) return `the request has ${credential[0]}`
  return withheldByDirectives(request.fields, ['no-store']) ?? withheldByUri(request.uri, knownDigest)
}

function withheldByUri(uri: string, knownDigest: boolean): string | undefined {
  if (parseTargetUri(uri) === undefined) return 'the URL has userinfo or cannot be read'
  // The exception of V§3: bytes that a public index or the name itself gives the digest of are no secret.
  if (knownDigest) return undefined
  const { search, pathname } = new URL(uri)
  const credential = credentialInQuery(search)
  if (credential !== undefined) return `the query looks like a credential (${credential})`
  const inPath = credentialInPath(pathname)
  return inPath && `the path has a parameter that looks like a credential (${inPath})`
}

/** Responses to somebody in particular, or to a part of a request. */
const TELLTALE_FIELDS = [
  'set-cookie',
  'set-cookie2',
  'www-authenticate',
  'proxy-authenticate',
  'authentication-info',
  'proxy-authentication-info',
  'content-range',
]

function withheldByResponse({ status, fields }: ResponseView): string | undefined {
  if (status !== 200) return `status ${status}`
  const telltale = TELLTALE_FIELDS.find((name) => hasField(fields, name))
  if (telltale !== undefined) return `the response has ${telltale}`
  const varying = fieldValues(fields, 'vary').flatMap(splitList)
  if (varying.some((name) => name.toLowerCase() !== 'accept-encoding'))
    return 'Vary names more than Accept-Encoding'
  return withheldByDirectives(fields, ['private', 'no-store', 'no-cache'])
}

/** `Pragma` is read alike: it says nothing that we would rather not hear. */
function withheldByDirectives(fields: Fields, words: readonly string[]): string | undefined {
  const directives = parseDirectives(['cache-control', 'pragma'].flatMap((name) => fieldValues(fields, name)))
  if (directives.syntaxError) return 'Cache-Control cannot be read'
  if (directives.conflict) return 'Cache-Control contradicts itself'
  // Anywhere in a name or an argument, not only at its beginning: an unknown spelling is understood as a refusal.
  const said = directives.list.map(({ name, argument }) => `${name}=${argument ?? ''}`.toLowerCase())
  const found = words.find((word) => said.some((each) => each.includes(word)))
  return found === undefined ? undefined : `Cache-Control says ${found}`
}
