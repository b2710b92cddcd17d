/** The gateway, its users and the checks for the site put together for one node (docs/gateway.md). */
import type { Clock } from '../core/clock.ts'
import { Fault } from '../core/fault.ts'
import type { Random } from '../core/random.ts'
import { parseTargetUri, type TargetUri } from '../core/target-uri.ts'
import type { CallingUpstream, Upstream } from '../core/upstream.ts'
import type { Verifier } from '../core/verifier.ts'
import { permission } from '../gateway/allowed.ts'
import { audit, type GatewayUse } from '../gateway/audit.ts'
import { confinement } from '../gateway/confined-upstream.ts'
import { GatewayClient, type GatewayEvent } from '../gateway/gateway-client.ts'
import { GatewayServer } from '../gateway/gateway-server.ts'
import { Limits, type LimitSettings } from '../gateway/limits.ts'
import { ReachingUpstream } from '../gateway/reaching-upstream.ts'
import { rememberedRoute } from '../gateway/routes.ts'
import { UpdateChecks, type CheckEvent, type UpdateChecksComponents } from '../gateway/update-checks.ts'
import { CHECKER_FUNCTION, CHECKER_PATH, GATEWAY_PATH, REFUSALS } from '../gateway/wire.ts'
import type { SharedFiles } from '../peering/file-server.ts'
import type { FileRequest } from '../peering/peer-answer.ts'
import type { Functions } from '../providers/functions.ts'
import type { ResourceRequest } from '../retrieval/resource.ts'
import type { Resources } from '../retrieval/resources.ts'
import type { Rules } from '../retrieval/rules.ts'
import { httpSignatures } from '../site/http-signature.ts'
import type { Site } from '../site/site.ts'
import { judgeTarget, type GuardSettings } from '../proxy/target-guard.ts'
import { viaLine } from '../proxy/via.ts'
import type { Config } from './config.ts'
import { askedStatus, reachStatus, type GatewayStatus } from './gateway-status.ts'
import { standing } from './standing.ts'

export interface GatewayPartsComponents {
  readonly clock: Clock
  readonly random: Random
  readonly settings: Config['gateway']
  readonly checks: Config['checks']
  readonly site: Site
  readonly rules: () => Rules
  readonly functions: () => Functions | undefined
  /** How good a provider this machine would be (providers/criteria.ts). */
  readonly value: () => number
  readonly resources: () => Resources | undefined
  readonly verifier: () => Pick<Verifier, 'knownDigest'> | undefined
  /** To origin servers: as applications of this machine may, and as others may. */
  readonly origin: CallingUpstream
  readonly publicOrigin: Upstream
  /** What `publicOrigin` lets through. */
  readonly publicGuard: GuardSettings
  /** To gateways. */
  readonly gateways: Upstream
  readonly isNear: (host: string) => Promise<boolean>
  /** `address:port` where this node serves its peers; `undefined`: it does not. */
  readonly place: () => string | undefined
  /** A service packet to all. */
  readonly say: UpdateChecksComponents['say']
  /** There may be something new of what this machine uses. */
  readonly onNews: (uri: TargetUri) => void
  readonly log: (event: GatewayLogEvent) => void
}

export type GatewayLogEvent =
  | GatewayEvent
  | CheckEvent
  | { readonly kind: 'reach-changed'; readonly to: 'direct' | 'isolated' }
  | (GatewayUse & { readonly kind: 'gateway' })

export interface GatewayParts {
  /** To origin servers, by whichever way. */
  readonly upstream: CallingUpstream
  readonly perform: NonNullable<SharedFiles['perform']>
  /** The gateway by which this came last, `address:port`. */
  readonly relayedBy: (uri: TargetUri) => string | undefined
  readonly status: () => GatewayStatus
  /** 1: this machine reaches the Internet; 0: it does not; `undefined`: it has not tried. */
  readonly reach: () => number | undefined
  /** Catalogues and indexes that this machine uses, and the words of others about theirs. */
  readonly checks: Pick<UpdateChecks, 'use' | 'hear'>
  /** @param pseudonym this node's in `Via`. @param used what it uses from the beginning. */
  start(pseudonym: string, used: readonly string[]): void
  stop(): void
}

export function gatewayParts(components: GatewayPartsComponents): GatewayParts {
  const { clock, settings, site, functions, log } = components
  // Whoever was thrown out asks nobody, and performs nothing for others.
  const isMember = () => site.membership?.isGood === true
  const signatures = httpSignatures({ ...components, membership: () => site.membership })
  const gateways = clientOf(components, signatures)
  const hasRoute = rememberedRoute(clock)
  const stands = standing({
    ...components,
    hasRoute,
    offersGateway: settings.offer,
    offersChecks: components.checks.offer,
    isMember,
    reach: () => reaching.state,
  })
  const reaching = new ReachingUpstream({
    clock,
    direct: components.origin,
    gateways,
    mayHaveGateway: () => isMember() && functions() !== undefined,
    isNear: components.isNear,
    hasRoute,
    permission: permissionBy(components),
    changed(to) {
      log({ kind: 'reach-changed', to })
      // Whoever cannot do it any more hands over at once, and stands again when it can.
      if (to === 'direct') stands.stand()
      else stands.resign()
    },
  })
  const { publicOrigin } = components
  const { upstream, confine } = confinement(clock, {
    free: reaching,
    site: reaching.by(publicOrigin),
    member: reaching.observed(publicOrigin),
  })
  const running = { pseudonym: '', isOn: false, end: () => {} }
  const via = () => viaLine('1.1', running.pseudonym)
  const ways = { ...waysFor(components), confine, signatures, via }
  const used = audit(clock, (use) => log({ kind: 'gateway', ...use }))
  const checks = checksOf(components, { ...ways, refused: (...said) => used.note(refusedUse(...said)) })
  const isOffering = () => running.isOn && settings.offer && stands.isReady()
  const limits = new Limits(limitsOf(settings), clock)
  const server = new GatewayServer({ ...ways, clock, limits, audit: used, isServing: isOffering })
  return {
    upstream,
    perform(request, authority) {
      if (!running.isOn) return undefined
      if (request.target === CHECKER_PATH) return checks.answer(request, authority)
      return request.target === GATEWAY_PATH ? server.answer(request, authority) : undefined
    },
    relayedBy: (uri) => reaching.relayedBy(uri),
    reach: () => REACH[reachStatus(reaching.state, clock.monotonic()).reach],
    checks,
    status: () => ({
      ...reachStatus(reaching.state, clock.monotonic()),
      asked: askedStatus(gateways),
      isOffering: isOffering(),
      served: used.totals(),
      checks: checks.status(),
    }),
    start(pseudonym, uses) {
      const unsubscribe = functions()?.subscribe((event) => checks.onFunction(event))
      Object.assign(running, { pseudonym, isOn: true, end: unsubscribe ?? (() => {}) })
      for (const url of [...uses, ...urlsOf(components.checks)]) checks.use(url)
      checks.start()
      stands.stand()
    },
    stop() {
      running.isOn = false
      running.end()
      stands.resign()
      checks.stop()
    },
  }
}

const REACH = { direct: 1, isolated: 0, unknown: undefined } as const

function permissionBy({ rules }: GatewayPartsComponents) {
  return (...[target, fields]: Parameters<UpdateChecksComponents['permission']>) =>
    permission(target, fields, (uri) => rules().policyFor(uri))
}

function clientOf(
  { clock, functions, gateways, rules, verifier, log }: GatewayPartsComponents,
  signatures: ReturnType<typeof httpSignatures>,
): GatewayClient {
  return new GatewayClient({
    clock,
    functions: {
      find: async (...asked) => functions()?.find(...asked),
      report: (...told) => functions()?.report(...told),
    },
    signatures,
    knownDigest(target) {
      const uri = parseTargetUri(target)
      return uri && verifier()?.knownDigest(uri, rules().policyFor(uri))
    },
    peers: gateways,
    log,
  })
}

/** How things are got for others. */
function waysFor(components: GatewayPartsComponents) {
  return {
    policyFor: (uri: TargetUri) => components.rules().policyFor(uri),
    permission: permissionBy(components),
    guard: (target: URL) => judgeTarget(target, components.publicGuard),
    async get(request: ResourceRequest) {
      const resources = components.resources()
      if (resources === undefined) throw new Fault('STOPPING', 'the node does not run')
      return resources.get(request)
    },
  }
}

function checksOf(
  components: GatewayPartsComponents,
  ways: Pick<
    UpdateChecksComponents,
    'permission' | 'guard' | 'confine' | 'get' | 'via' | 'signatures' | 'refused'
  >,
): UpdateChecks {
  const { site, functions, checks, gateways } = components
  const isMember = () => site.membership?.isGood === true
  return new UpdateChecks({
    ...components,
    ...ways,
    everyMs: checks.everyMs,
    peers: gateways,
    find: async () => (isMember() ? functions()?.find(CHECKER_FUNCTION) : undefined),
    namedBy: async (uri, content) => (await import('./named-packages.ts')).namedPackages(uri, content),
    nameOf: (uri) => (isMember() ? site.names.privateNameOf(uri) : undefined),
  })
}

/** What nobody of the site has signed, at the place where the checks are asked for. */
function refusedUse({ peer: from, method, target }: FileRequest, reason: keyof typeof REFUSALS): GatewayUse {
  const status = REFUSALS[reason]
  const said = { outcome: 'refused', reason, status, bytes: 0, ms: 0 } as const
  return { from, method: method.slice(0, 20), url: target.slice(0, 300), ...said }
}

function urlsOf({ urls }: Config['checks']): readonly string[] {
  return urls === 'none' ? [] : urls
}

/** All members together may take what so many may. */
const MEMBERS_AT_A_TIME = 4

function limitsOf({ requestsPerMinute, bytesPerHour, atOnce }: Config['gateway']): LimitSettings {
  return {
    perMember: { requestsPerMinute, bytesPerHour, atOnce },
    inAll: {
      requestsPerMinute: MEMBERS_AT_A_TIME * requestsPerMinute,
      bytesPerHour: MEMBERS_AT_A_TIME * bytesPerHour,
      atOnce: MEMBERS_AT_A_TIME * atOnce,
    },
  }
}
