/**
 * The one path of a resource: from a request to its answer, whatever side the bytes come from (docs/architecture.md).
 *
 *   rule ──► cache: fresh? ──hit──────────────────────────────────────────────► answer
 *               │ stale: validate with the origin server ──304──► freshen ────► answer
 *               ▼ miss
 *            retrieval (joined by every request for the same): peers, running downloads, Internet ──► answer
 */
import { content, type ContentRequest } from './content.ts'
import { HotResponses, type HotHit, type HotRequest } from './hot-responses.ts'
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
  /** The name of the rule that a request falls under, for the log. */
  ruleOf(request: Pick<ResourceRequest, 'uri'>): string
}

export function resources(components: ResourcesComponents): Resources {
  const policyFor = (uri: ResourceRequest['uri']) => components.rules().policyFor(uri)
  const hot = new HotResponses(components)
  return {
    get: (request) => new RequestPath({ ...components, hot }, request, policyFor(request.uri)).answer(),
    content: (request) => content(request, components),
    hot: (request) => hot.find(request),
    ruleOf: ({ uri }) => policyFor(uri).rule,
  }
}
