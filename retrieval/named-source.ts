/**
 * Bytes of named content from a place of which its user says that it has them. What they must be is known, so it does not
 * matter who sends them in the end: redirects are followed, and a wrong status is a place that does not have it.
 */
import { NO_LONGER_NEEDED } from '../core/ended.ts'
import { Fault } from '../core/fault.ts'
import { fieldValue, withoutFields, type Fields } from '../core/fields.ts'
import { withoutSecrets } from '../core/redaction.ts'
import { parseTargetUri } from '../core/target-uri.ts'
import type { Upstream, UpstreamRequest, UpstreamResponse } from '../core/upstream.ts'

/** As many as browsers follow. */
export const MAX_REDIRECTS = 20

const REDIRECTS = [301, 302, 303, 307, 308]

/** Who somebody is, is told to the server that it was meant for and no other. */
const CREDENTIALS = ['authorization', 'cookie', 'proxy-authorization']

/** Where a redirect leads, and with which fields; `undefined` when the response is none (RFC 9110 15.4). */
export interface Redirect {
  /** As it was written, made absolute. */
  readonly target: string
  readonly fields: Fields
}

/** @throws Fault RESPONSE_INVALID for a redirect that leads to no `http:` or `https:` URL. */
export function redirectOf(
  { status, fields }: Pick<UpstreamResponse, 'status' | 'fields'>,
  from: Redirect,
): Redirect | undefined {
  if (!REDIRECTS.includes(status)) return undefined
  const location = fieldValue(fields, 'location') ?? ''
  const target = URL.canParse(location, from.target) ? new URL(location, from.target).href : ''
  const uri = /^https?:/.test(target) ? parseTargetUri(target) : undefined
  if (uri === undefined)
    throw new Fault('RESPONSE_INVALID', 'expected a redirect to an http or https URL without userinfo')
  const isElsewhere = new URL(uri).origin !== new URL(from.target).origin
  return { target, fields: isElsewhere ? withoutFields(from.fields, CREDENTIALS) : from.fields }
}

/** The same upstream; a response that is no file is a fault, and a redirect the response that it leads to. */
export function followingRedirects(upstream: Upstream): Upstream {
  return {
    async request(request) {
      let at: Redirect = { target: request.uri, fields: request.fields }
      for (let hops = 0; hops <= MAX_REDIRECTS; hops += 1) {
        const [response, next] = await hop(upstream, request, at)
        if (next === undefined) return response
        at = next
      }
      throw new Fault('RESPONSE_INVALID', `more than ${MAX_REDIRECTS} redirects`)
    },
  }
}

async function hop(
  upstream: Upstream,
  request: UpstreamRequest,
  { target, fields }: Redirect,
): Promise<[UpstreamResponse, Redirect | undefined]> {
  const end = new AbortController()
  const signal = AbortSignal.any([request.signal, end.signal])
  const response = await upstream.request({ ...request, uri: target, fields, signal })
  if (response.status === 200 || response.status === 206) return [response, undefined]
  end.abort(NO_LONGER_NEEDED)
  const next = redirectOf(response, { target, fields })
  if (next !== undefined) return [response, next]
  throw new Fault(
    'RESPONSE_REFUSED',
    `${withoutSecrets(target)}: the origin server answered with status ${response.status}`,
  )
}
