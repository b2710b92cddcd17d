/** HEAD says what GET would (RFC 9110 9.3.2); no body is stored for it, and the LAN is not asked (BITS asks it first). */
import type { Clock } from '../core/clock.ts'
import { endToEndFields, withField } from '../core/fields.ts'
import type { Random } from '../core/random.ts'
import type { Upstream, UpstreamResponse } from '../core/upstream.ts'
import type { ForwardReason } from '../cache/semantics/cache-status.ts'
import { isPersonal } from './origin-copies.ts'
import type { Update } from './renewal.ts'
import { answerWith, type RepresentationRequest } from './representation.ts'
import type { RetrievalRequest } from './request.ts'
import type { Resource, ResourceRequest } from './resource.ts'
import type { Retrievals } from './retrievals.ts'

/** What is held of a file tells what HEAD would (BITS asks it before each job). */
export function headOfPart(
  { received }: ResourceRequest,
  request: RetrievalRequest,
  asked: RepresentationRequest,
  { retrievals, random }: { readonly retrievals: Retrievals; readonly random: Random },
): Resource | undefined {
  const known = retrievals.origins.known(request)
  if (known === undefined || isPersonal(received)) return undefined
  const { ageMs, ttlMs, size } = known
  const fields = withField(endToEndFields(known.fields), 'Age', String(Math.floor(ageMs / 1000)))
  const answer = answerWith({ status: 200, fields, size, read: nothing }, asked, random)
  return { answer, trace: { how: 'hit', cacheStatus: { kind: 'hit', ttlMs } } }
}

/** What the origin server says of a resource. */
export interface HeadAnswer {
  readonly response: UpstreamResponse
  readonly update: Update
}

/** @throws Fault when the origin server does not answer. */
export async function askHead(
  {
    target: uri,
    forwarded: fields,
    signal,
    onInformation,
  }: Pick<ResourceRequest, 'target' | 'forwarded' | 'signal' | 'onInformation'>,
  { clock, origin }: { readonly clock: Clock; readonly origin: Upstream },
): Promise<HeadAnswer> {
  const requestTime = clock.wall()
  const response = await origin.request({ method: 'HEAD', uri, fields, signal, onInformation })
  return { response, update: { fields: response.fields, requestTime, responseTime: clock.wall() } }
}

export function fromHead({ response }: HeadAnswer, missing: ForwardReason): Resource {
  const { status, reason, fields } = response
  return {
    answer: { status, reason, fields: endToEndFields(fields) },
    trace: { how: 'internet', cacheStatus: { kind: 'forward', reason: missing, status, detail: 'internet' } },
  }
}

/** HEAD has no content. */
async function* nothing(): AsyncIterable<Uint8Array> {}
