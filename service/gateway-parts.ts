/** The gateway and its users put together for one node: what it does for others, and how it does without Internet itself. */
import type { Clock } from '../core/clock.ts'
import type { Random } from '../core/random.ts'
import { parseTargetUri, type TargetUri } from '../core/target-uri.ts'
import type { Upstream } from '../core/upstream.ts'
import type { Verifier } from '../core/verifier.ts'
import { permission } from '../gateway/allowed.ts'
import { audit, type GatewayTotals, type GatewayUse } from '../gateway/audit.ts'
import { confinement } from '../gateway/confined-upstream.ts'
import { GatewayClient, type GatewayEvent } from '../gateway/gateway-client.ts'
import { GatewayServer } from '../gateway/gateway-server.ts'
import { Limits } from '../gateway/limits.ts'
import type { ReachState } from '../gateway/machines/reach.ts'
import { ReachingUpstream } from '../gateway/reaching-upstream.ts'
import { hasDefaultRoute } from '../gateway/routes.ts'
import { GATEWAY_FUNCTION, GATEWAY_PATH } from '../gateway/wire.ts'
import type { SharedFiles } from '../peering/file-server.ts'
import type { Functions, Offering } from '../providers/functions.ts'
import type { Resources } from '../retrieval/resources.ts'
import type { Rules } from '../retrieval/rules.ts'
import { httpSignatures } from '../site/http-signature.ts'
import type { Site } from '../site/site.ts'
import { judgeTarget, type GuardSettings } from '../proxy/target-guard.ts'
import { viaLine } from '../proxy/via.ts'
import type { Config } from './config.ts'

export interface GatewayPartsComponents {
  readonly clock: Clock
  readonly random: Random
  readonly settings: Config['gateway']
  readonly site: Site
  readonly rules: () => Rules
  readonly functions: () => Functions | undefined
  /** How good a provider this machine would be (providers/criteria.ts). */
  readonly value: () => number
  readonly resources: () => Resources | undefined
  /** To origin servers: as applications of this machine may, and as others may. */
  readonly origin: Upstream
  readonly publicOrigin: Upstream
  /** What `publicOrigin` lets through. */
  readonly publicGuard: GuardSettings
  /** To gateways. */
  readonly gateways: Upstream
  readonly isNear: (host: string) => Promise<boolean>
  readonly verifier: () => Pick<Verifier, 'knownDigest'> | undefined
  /** `address:port` where this node serves its peers; `undefined`: it does not. */
  readonly place: () => string | undefined
  readonly log: (event: GatewayEvent | ReachChanged | GatewayUsed) => void
}

export interface ReachChanged {
  readonly kind: 'reach-changed'
  readonly to: 'direct' | 'isolated'
}

export type GatewayUsed = GatewayUse & { readonly kind: 'gateway' }

export interface GatewayStatus {
  /** Whether this machine reaches the Internet itself; `unknown`: it has not tried yet. */
  readonly reach: 'direct' | 'isolated' | 'unknown'
  /** For how long it has been isolated, in ms. */
  readonly forMs: number | undefined
  /** What came by way of a gateway, and the one used last. */
  readonly asked: { readonly gateway: string | undefined; readonly requests: number; readonly bytes: number }
  /** What was done for others. */
  readonly isOffering: boolean
  readonly served: GatewayTotals
}

export interface GatewayParts {
  /** To origin servers, by whichever way. */
  readonly upstream: Upstream
  readonly perform: NonNullable<SharedFiles['perform']>
  /** The gateway by which this came last, `address:port`. */
  readonly relayedBy: (uri: TargetUri) => string | undefined
  readonly status: () => GatewayStatus
  /** 1: this machine reaches the Internet; 0: it does not; `undefined`: it has not tried. */
  readonly reach: () => number | undefined
  start(node: string): void
  stop(): void
}

/** What a machine is worth as a gateway that has not tried its own access yet: others come first. */
const UNTRIED = 1

export function gatewayParts(components: GatewayPartsComponents): GatewayParts {
  const { clock, settings, site, rules, log } = components
  const signatures = httpSignatures({ ...components, membership: () => site.membership })
  const policyFor = (uri: TargetUri) => rules().policyFor(uri)
  const gateways = new GatewayClient({
    clock,
    functions: {
      find: async (...asked) => components.functions()?.find(...asked),
      report: (...told) => components.functions()?.report(...told),
    },
    signatures,
    knownDigest(target) {
      const uri = parseTargetUri(target)
      return uri && components.verifier()?.knownDigest(uri, policyFor(uri))
    },
    peers: components.gateways,
    log,
  })
  const reaching = new ReachingUpstream({
    clock,
    direct: components.origin,
    gateways,
    mayHaveGateway: () => site.membership !== undefined && components.functions() !== undefined,
    isNear: components.isNear,
    hasRoute: () => hasDefaultRoute(),
    permission: (target, fields) => permission(target, fields, policyFor),
    changed: (to) => log({ kind: 'reach-changed', to }),
  })
  const { upstream, confine } = confinement(clock, {
    free: reaching,
    confined: reaching.observed(components.publicOrigin),
  })
  const value = () => valueOf(reaching.state, components.value)
  const isOffering = () =>
    settings.offer && site.membership !== undefined && components.place() !== undefined && value() > 0
  const used = audit(clock, (use) => log({ kind: 'gateway', ...use }))
  let server: GatewayServer | undefined
  let offering: Offering | undefined
  return {
    upstream,
    perform: (request, authority) =>
      request.target === GATEWAY_PATH ? server?.answer(request, authority) : undefined,
    relayedBy: (uri) => reaching.relayedBy(uri),
    reach() {
      const { state } = reaching
      return state.kind === 'isolated' ? 0 : state.reachedAt === undefined ? undefined : 1
    },
    status: () => ({
      ...reachStatus(reaching, clock),
      asked: { gateway: gateways.current, requests: gateways.requests, bytes: gateways.bytes },
      isOffering: isOffering(),
      served: used.totals(),
    }),
    start(node) {
      server = new GatewayServer({
        clock,
        signatures,
        limits: new Limits(limitsOf(settings), clock),
        audit: used,
        isServing: isOffering,
        policyFor,
        guard: (target) => judgeTarget(target, components.publicGuard),
        confine,
        get: async (request) => {
          const resources = components.resources()
          if (resources === undefined) throw new Error('the node has not started')
          return resources.get(request)
        },
        via: viaLine('1.1', node),
      })
      if (!settings.offer) return
      offering = components.functions()?.offer(GATEWAY_FUNCTION, {
        location: () => (isOffering() ? `http://${components.place()}${GATEWAY_PATH}` : undefined),
        value: () => (isOffering() ? value() : 0),
      })
    },
    stop() {
      server = undefined
      offering?.withdraw()
    },
  }
}

function valueOf(state: ReachState, value: () => number): number {
  if (state.kind === 'isolated') return 0
  if (state.reachedAt !== undefined) return value()
  return hasDefaultRoute() ? UNTRIED : 0
}

function reachStatus({ state }: ReachingUpstream, clock: Clock): Pick<GatewayStatus, 'reach' | 'forMs'> {
  if (state.kind === 'isolated')
    return { reach: 'isolated', forMs: Math.round(clock.monotonic() - state.since) }
  return { reach: state.reachedAt === undefined ? 'unknown' : 'direct', forMs: undefined }
}

function limitsOf({
  requestsPerMinute,
  bytesPerHour,
  atOnce,
}: Config['gateway']): ConstructorParameters<typeof Limits>[0] {
  const perMember = { requestsPerMinute, bytesPerHour, atOnce }
  return {
    perMember,
    inAll: {
      requestsPerMinute: MEMBERS_AT_A_TIME * requestsPerMinute,
      bytesPerHour: MEMBERS_AT_A_TIME * bytesPerHour,
      atOnce: MEMBERS_AT_A_TIME * atOnce,
    },
  }
}

/** All members together may take what so many may. */
const MEMBERS_AT_A_TIME = 4
