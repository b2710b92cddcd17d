/** A gateway on a real port for files, with members of its site, whose way of a resource is the test's. */
import type { LookupFunction } from 'node:net'
import type { TestContext } from 'node:test'
import { systemClock, type Clock } from '../../core/clock.ts'
import type { Fault } from '../../core/fault.ts'
import type { Fields } from '../../core/fields.ts'
import { systemRandom } from '../../core/random.ts'
import type { TargetUri } from '../../core/target-uri.ts'
import { audit, type Audit, type GatewayUse } from '../../gateway/audit.ts'
import { GatewayServer } from '../../gateway/gateway-server.ts'
import { Limits, type LimitSettings } from '../../gateway/limits.ts'
import { GATEWAY_PATH } from '../../gateway/wire.ts'
import { FileServer } from '../../peering/file-server.ts'
import { judgeTarget, type GuardSettings } from '../../proxy/target-guard.ts'
import type { Resource, ResourceRequest } from '../../retrieval/resource.ts'
import { compileRules, type Rules } from '../../retrieval/rules.ts'
import { PRESET_NAMES } from '../../retrieval/presets.ts'
import { httpSignatures } from '../../site/http-signature.ts'
import type { Membership } from '../../site/membership.ts'
import { TestSite } from '../site/fixtures.ts'

export const GENEROUS: LimitSettings = {
  perMember: { requestsPerMinute: 1000, bytesPerHour: 1e9, atOnce: 100 },
  inAll: { requestsPerMinute: 1000, bytesPerHour: 1e9, atOnce: 100 },
}

export const UPDATE = 'http://updates.test/pool/main/x/xz/xz_5.6.3_amd64.deb'

export interface SceneSettings {
  readonly address: string
  readonly clock?: Clock
  readonly limits?: LimitSettings
  readonly get?: (request: ResourceRequest) => Promise<Resource>
  readonly rules?: Rules
  /** What names mean; absent: an address of the Internet. */
  readonly addresses?: Readonly<Record<string, string>>
  readonly site?: TestSite
  readonly gateway?: Membership
  /** What the gateway knows of the site, when that changes. */
  readonly known?: () => Membership | undefined
}

export interface GatewayScene {
  readonly site: TestSite
  readonly server: FileServer
  readonly authority: string
  readonly gateway: Membership
  readonly member: Membership
  readonly audit: Audit
  readonly uses: readonly GatewayUse[]
  /** What was asked of the node's way of a resource. */
  readonly asked: readonly ResourceRequest[]
  readonly confined: ReadonlySet<TargetUri>
  /** What a member sends to have this. */
  fields(target: string, more?: Fields, by?: Membership, method?: string): Fields
  stop(): Promise<void>
}

export async function gatewayScene(context: TestContext, settings: SceneSettings): Promise<GatewayScene> {
  const { address, clock = systemClock, limits = GENEROUS, get = answering('a update') } = settings
  const site = settings.site ?? new TestSite(clock)
  const gateway = settings.gateway ?? site.member('gateway')
  const member = site.member('asker')
  const uses: GatewayUse[] = []
  const asked: ResourceRequest[] = []
  const confined = new Set<TargetUri>()
  const rules = settings.rules ?? compileRules([], PRESET_NAMES)
  const signaturesOf = (membership: Membership) =>
    httpSignatures({ clock, random: systemRandom, membership: () => membership })
  const notes = audit(clock, (use) => void uses.push(use))
  const own: { address: string; port: number }[] = []
  const guard: GuardSettings = { loopbackOnly: false, allowPorts: [80], own }
  const functions = new GatewayServer({
    clock,
    signatures: httpSignatures({
      clock,
      random: systemRandom,
      membership: () => settings.known?.() ?? gateway,
    }),
    limits: new Limits(limits, clock),
    audit: notes,
    isServing: () => true,
    policyFor: (uri) => rules.policyFor(uri),
    guard: (target): Promise<Fault | undefined> =>
      judgeTarget(target, guard, resolving(settings.addresses ?? {})),
    confine(uri) {
      confined.add(uri)
      return () => confined.delete(uri)
    },
    get: (request) => {
      asked.push(request)
      return get(request)
    },
    via: () => ['Via', '1.1 gateway'],
  })
  const server = new FileServer(
    { address, port: 0, maxConnections: 100, isOnLink: () => true },
    {
      open: () => undefined,
      perform: (request, authority) =>
        request.target === GATEWAY_PATH ? functions.answer(request, authority) : undefined,
    },
    { uploaded: () => {}, refused: () => {}, abused: () => {} },
  )
  await server.start()
  own.push({ address, port: server.port })
  context.after(() => server.stop())
  const authority = `${address}:${server.port}`
  return {
    site,
    server,
    authority,
    gateway,
    member,
    audit: notes,
    uses,
    asked,
    confined,
    fields(target, more = [], by = member, method = 'GET') {
      const fields: Fields = [['Ihave-Target', target], ...more]
      return signaturesOf(by).signRequest({ method, authority, path: GATEWAY_PATH, fields }) ?? []
    },
    stop: () => server.stop(),
  }
}

/** Names mean what the test says. */
function resolving(addresses: Readonly<Record<string, string>>): LookupFunction {
  return (name, _options, callback) => {
    const address = addresses[name] ?? '203.0.113.7'
    callback(null, [{ address, family: address.includes(':') ? 6 : 4 }])
  }
}

/** A way of a resource that always has this text. */
export function answering(text: string, more: Fields = [], status = 200): SceneSettings['get'] & {} {
  return async () => resourceOf(Buffer.from(text), more, status)
}

export function resourceOf(bytes: Uint8Array, more: Fields = [], status = 200): Resource {
  return {
    answer: {
      status,
      fields: [['Content-Length', String(bytes.length)], ...more],
      body: once(bytes),
    },
    trace: { how: 'internet', cacheStatus: { kind: 'forward', reason: 'uri-miss' } },
  }
}

/** A file of 100 bytes of which the second half comes when it is let go. */
export function inHalves(): { readonly get: SceneSettings['get'] & {}; readonly letGo: () => void } {
  const { promise, resolve: letGo } = Promise.withResolvers<void>()
  async function* halves(): AsyncIterable<Uint8Array> {
    yield Buffer.alloc(50)
    await promise
    yield Buffer.alloc(50)
  }
  const { answer, trace } = resourceOf(Buffer.alloc(100))
  return { get: async () => ({ trace, answer: { ...answer, body: halves() } }), letGo }
}

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes
}
