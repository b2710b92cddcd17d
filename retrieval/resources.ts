/**
 * The one path of a resource: from a request to its answer, whatever side the bytes come from (docs/architecture.md).
 *
 *   rule ──► cache: fresh? ──hit──────────────────────────────────────────────► answer
 *               │ stale: validate with the origin server ──304──► freshen ────► answer
 *               ▼ miss
 *            retrieval (joined by every request for the same): peers, running downloads, Internet ──► answer
 */
import type { CallingUpstream, Upstream } from '../core/upstream.ts'
import { content, type ContentRequest } from './content.ts'
import { HotResponses, isOrdinary, type HotHit, type HotRequest } from './hot-responses.ts'
import { LentMemory } from './lent-memory.ts'
import { PlainMiss, type MissRequest, type MissTaker } from './plain-miss.ts'
import { RequestPath, type PathComponents } from './request-path.ts'
import type { Resource, ResourceRequest } from './resource.ts'
import type { Rules } from './rules.ts'

export interface ResourcesComponents extends Omit<PathComponents, 'hot'> {
  readonly rules: () => Rules
}

export interface Resources {
  /** @throws Fault when there is no answer, for an error page. */
  get(request: ResourceRequest): Promise<Resource>
  /** Content by its digest, wherever it lies. @throws Fault when it cannot be had. */
  content(request: ContentRequest): Promise<Resource>
  /** The answer where nothing has to be asked, waited for or decided; `undefined`: ask `get`. */
  hot(request: HotRequest): HotHit | undefined
  /**
   * Asks the origin server where nobody else has to be asked, nothing is here, and nothing is under way.
   * @returns whether `taker` will be told; `undefined`: ask `get`. @throws Fault when there is no answer.
   */
  miss(request: MissRequest, taker: MissTaker): PlainMiss | undefined
  /** The name of the rule that a request falls under, for the log. */
  ruleOf(request: Pick<ResourceRequest, 'uri'>): string
}

export function resources(components: ResourcesComponents): Resources {
  const { origin, retrievals } = components
  const policyFor = (uri: ResourceRequest['uri']) => components.rules().policyFor(uri)
  const hot = new HotResponses(components)
  const get: Resources['get'] = (request) => {
    const answer = new RequestPath({ ...components, hot }, request, policyFor(request.uri)).answer()
    return request.begun === undefined ? answer : answer.finally(() => request.begun?.drop())
  }
  const missComponents = {
    ...components,
    get,
    memory: new LentMemory(),
  }
  return {
    get,
    content: (request) => content(request, components),
    hot: (request) => hot.find(request),
    miss(request, taker) {
      const policy = policyFor(request.uri)
      if (policy.share || !isCalling(origin) || !isPlainMiss(request, components)) return undefined
      const miss = new PlainMiss(request, policy, taker, missComponents)
      miss.start(origin)
      retrievals.plain.add(miss)
      return miss
    },
    ruleOf: ({ uri }) => policyFor(uri).rule,
  }
}

function isCalling(origin: Upstream): origin is CallingUpstream {
  return 'call' in origin && (origin as CallingUpstream).mayCall !== false
}

/** Whether all that the path of a resource would find is that the origin server is to be asked for the whole. */
function isPlainMiss(
  request: MissRequest,
  { store, retrievals, retryWatch, clock }: ResourcesComponents,
): boolean {
  const { method, uri, received, client } = request
  if (method !== 'GET' || !isOrdinary(received) || store.lookup(uri).length > 0) return false
  if (retrievals.plain.has(uri) || retrievals.isBusyWith(uri)) return false
  if (store.partials(uri).length > 0 || retrievals.isPoisoned(uri)) return false
  return retryWatch.asksAgain(client, uri, clock.monotonic()) === undefined
}
