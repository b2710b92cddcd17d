/** The daemon: one assembled node on real sockets, files and clocks. The composition root. */
import { statfs } from 'node:fs/promises'
import { isIP } from 'node:net'
import type { Logger } from 'pino'
import { attentive } from '../core/attentive-clock.ts'
import { systemClock, type Monotonic } from '../core/clock.ts'
import { describe, Fault } from '../core/fault.ts'
import { systemRandom } from '../core/random.ts'
import { Listeners } from '../core/listeners.ts'
import type { Store } from '../core/store.ts'
import { parseTargetUri, type TargetUri } from '../core/target-uri.ts'
import { formatBytes } from '../core/units.ts'
import { abuses } from '../peering/abuses.ts'
import type { NodeId } from '../peering/packets.ts'
import { originUpstream, peerUpstream, type HttpUpstream, type PeerUpstream } from '../proxy/http-upstream.ts'
import { passThrough } from '../proxy/pass-through.ts'
import { ProxyServer, type RequestLine } from '../proxy/proxy-server.ts'
import type { Endpoint, GuardSettings } from '../proxy/target-guard.ts'
import { tunnel } from '../proxy/tunnel.ts'
import { viaLine } from '../proxy/via.ts'
import { posted } from '../retrieval/posted.ts'
import type { Resource, ResourceRequest } from '../retrieval/resource.ts'
import { compileRules, type Rules } from '../retrieval/rules.ts'
import { SpeedMeter } from '../providers/speed-meter.ts'
import { Site } from '../site/site.ts'
import { siteFiles } from '../site/site-files.ts'
import { shunnedPeers } from '../verify/shunned-peers.ts'
import { applications, type Applications } from './applications/applications.ts'
import { assemble, type Assembly } from './assembly.ts'
import { cacheOperations } from './cache-operations.ts'
import type { Config } from './config.ts'
import { configuredStore } from './configured-store.ts'
import { startControl, startLoopbackControl, type Operations } from './control-server.ts'
import { EventLog } from './event-log.ts'
import { functionOperations } from './function-operations.ts'
import { functionParts, offersOf, type FunctionParts } from './function-parts.ts'
import { controlPath, tokenPath } from './control.ts'
import { functionNote } from './gateway-status.ts'
import { gatewayParts, type GatewayParts } from './gateway-parts.ts'
import { LanPart } from './lan-part.ts'
import type { Log } from './logging.ts'
import { MachineLook } from './machine-look.ts'
import { nearHosts } from './near-hosts.ts'
import { machineAddresses, type Place } from './network.ts'
import { newNodeId, nodeId, pseudonymOf } from './node-name.ts'
import { ownPages } from './own-pages.ts'
import { cautionsStatus, peeringStatus, transfersStatus } from './peering-status.ts'
import type { ProductEvent, ProductResult, ProductUpdates } from './product-updates.ts'
import { nodeOperations } from './remote-cache.ts'
import { SharedId } from './shared-id.ts'
import { siteOperations } from './site-operations.ts'
import type { Status } from './status.ts'
import { tally } from './totals.ts'
import { VerificationParts } from './verification-parts.ts'
import { VERSION } from './version.ts'

/** A gateway may have to wait for an origin server before it has anything to say, in ms. */
const GATEWAY_TIMEOUTS = { headersMs: 120_000, bodyMs: 120_000 }

/** Ways in for programs of this machine; a node within a program needs neither. */
export interface Doors {
  readonly proxy: boolean
  readonly control: boolean
}

const ALL_DOORS: Doors = { proxy: true, control: true }

export class Node {
  readonly #config: Config
  readonly #doors: Doors
  readonly #log: Logger
  readonly #logs: Log
  readonly #says: EventLog
  readonly #lan: LanPart
  readonly #sharedId: SharedId
  readonly #tally = tally()
  readonly #abuses = abuses(systemClock)
  readonly #shunned = shunnedPeers({ clock: systemClock })
  readonly #own: Endpoint[] = []
  readonly #speed = new SpeedMeter(systemClock)
  readonly #guard: GuardSettings
  readonly #origin: HttpUpstream
  /** For others: addresses of the Internet only, whoever may reach what from this machine. */
  readonly #publicOrigin: HttpUpstream
  readonly #gateways: PeerUpstream
  readonly #peers: PeerUpstream
  readonly #store: Store
  readonly #site: Site
  readonly #gateway: GatewayParts
  readonly #verification: VerificationParts
  #updates: readonly ProductUpdates[] = []
  readonly #updateEvents = new Listeners<ProductEvent>()
  readonly #rules: Rules
  /** The names of the rules whose files a gateway gets for members. */
  readonly #watched: ReadonlySet<string | undefined>
  /** The ID is known when the store has started. */
  readonly #self: { node: NodeId; readonly filePort: number }
  /** This node's name in `Via`. */
  #pseudonym = ''
  #assembly: Assembly | undefined
  #proxy: ProxyServer | undefined
  #applications: Applications | undefined
  #controlPort: number | undefined
  #functions: FunctionParts | undefined
  #machine: MachineLook | undefined
  #starting: Promise<void> | undefined
  #isStopping = false
  #startedAt: Monotonic = systemClock.monotonic()
  #hasStarted = false
  /** What has been started, in order; stopped in reverse. */
  readonly #running: (() => Promise<void>)[] = []
  readonly #functionOperations = functionOperations({
    providers: () => this.#lan.place && this.#functions?.providers,
    whyNone: () =>
      this.#config.functions.enabled ? this.#lan.whyAlone() : 'functions.enabled is false on this node',
    noteOf: (name, provider) =>
      functionNote(name, provider, {
        isMember: this.#site.membership?.isGood === true,
        checks: this.#gateway.status().checks,
      }),
  })

  /**
   * @param doors which of its doors to this machine are opened.
   * @throws Fault CONFIG_INVALID when `peering.address` is not this machine's, or a named file is not there or not what it
   *   should be.
   */
  constructor(config: Config, log: Log, doors: Doors = ALL_DOORS) {
    this.#config = config
    this.#doors = doors
    this.#log = log.events
    this.#logs = log
    this.#says = new EventLog(this.#log, this.#abuses)
    this.#rules = compileRules(config.rules, config.presets, config.peering.waitForDownloads)
    this.#watched = new Set(this.#rules.all.filter(({ gateway }) => gateway).map(({ rule }) => rule))
    this.#lan = this.#lanPart()
    this.#self = this.#selfOn(this.#lan)
    this.#sharedId = this.#sharedIdParts()
    const loopbackOnly = isLoopback(config.proxy.listen.host)
    this.#guard = { loopbackOnly, allowPorts: config.proxy.allowPorts, own: this.#own }
    this.#origin = this.#speed.of(originUpstream(this.#guard))
    const ownAddress = () => this.#lan.place?.address
    const lookAtPlace = () => this.#lan.lookNow()
    this.#peers = peerUpstream(ownAddress, lookAtPlace)
    this.#store = configuredStore(config, this.#says.store)
    this.#site = new Site(
      { ...config.site, address: () => this.#lan.transport.address },
      {
        clock: systemClock,
        random: systemRandom,
        files: siteFiles(config.site.directory),
        log: this.#says.site,
      },
    )
    const { allowPorts } = config.proxy
    const publicGuard: GuardSettings = {
      ...this.#guard,
      loopbackOnly: false,
      allowPorts: allowPorts === 'auto' ? [80] : allowPorts,
    }
    this.#publicOrigin = this.#speed.of(originUpstream(publicGuard))
    this.#gateways = peerUpstream(ownAddress, lookAtPlace, GATEWAY_TIMEOUTS)
    this.#gateway = gatewayParts({
      clock: systemClock,
      random: systemRandom,
      settings: config.gateway,
      site: this.#site,
      rules: () => this.#rules,
      functions: () => this.#functions?.providers,
      value: () => this.#functions?.value() ?? 1,
      resources: () => this.#assembly?.resources,
      verifier: () => this.#assembly?.verifier,
      origin: this.#origin,
      publicOrigin: this.#publicOrigin,
      publicGuard,
      gateways: this.#gateways,
      isNear: nearHosts(systemClock, (address) => this.#lan.isOnLink(address)),
      place: () => this.#filePlace(),
      checks: config.checks,
      say: (name, extras) => void this.#assembly?.lan.say(name, extras),
      onNews: (uri) => this.#checkProductsOf(uri),
      log: this.#says.gateway,
    })
    this.#verification = new VerificationParts(config, {
      store: this.#store,
      rules: this.#rules,
      site: this.#site,
      shunned: this.#shunned,
      origin: this.#gateway.upstream,
      isBusy: () => this.#assembly?.retrievals.all().some((each) => each.isFetcher || each.isRelay) === true,
      relayedBy: (uri) => this.#gateway.relayedBy(uri),
      fetching: (uri) => this.#assembly?.retrievals.running(uri)?.fetching,
      log: this.#log,
    })
  }

  /** @throws Fault ADDRESS_IN_USE, STORE_FAILED, CONFIG_INVALID; what had been started is stopped again. */
  async start(): Promise<void> {
    this.#startedAt = systemClock.monotonic()
    this.#starting = this.#startParts()
    try {
      await this.#starting
    } catch (error) {
      await this.stop()
      throw error
    }
    this.#hasStarted = true
  }

  async #startParts(): Promise<void> {
    const parts = [
      () => this.#loadUpdates(),
      () => this.#verification.load(),
      () => this.#startStore(),
      () => this.#site.load(),
      () => this.#startVerification(),
      () => this.#startPeering(),
      ...(this.#doors.proxy ? [() => this.#startProxy()] : []),
      () => this.#startApplications(),
      ...(this.#doors.control ? [() => this.#startControl()] : []),
      () => this.#startUpdates(),
    ]
    for (const part of parts) if (!this.#isStopping) await part()
  }

  async #startStore(): Promise<void> {
    await this.#store.start()
    this.#running.push(() => this.#store.stop())
    this.#self.node = await nodeId(this.#config.cache.directory, systemRandom)
    this.#pseudonym = pseudonymOf(this.#self.node)
    await this.#warnOfSmallDisk()
  }

  /** A cache that can store nothing works as a plain proxy; whoever runs it should know. */
  async #warnOfSmallDisk(): Promise<void> {
    const { directory, reserve } = this.#config.cache
    const { bavail, bsize } = await statfs(directory)
    const freeBytes = bavail * bsize
    if (freeBytes > reserve) return
    const what = `${directory} has ${formatBytes(freeBytes)} free, cache.reserve keeps ${formatBytes(reserve)}`
    this.#log.warn(`nothing can be stored: ${what}`)
  }

  async #startVerification(): Promise<void> {
    this.#running.push(() => this.#verification.stop())
    await this.#verification.start()
  }

  /** Resolves when every index that has passed through was read for its digests. */
  digestsRead(): Promise<void> {
    return this.#verification.gathered.idle()
  }

  /** What applications can ask for, as long as the node runs. @throws Fault STOPPING before and after. */
  get applications(): Applications {
    if (this.#applications !== undefined) return this.#applications
    throw new Fault('STOPPING', 'the node does not run')
  }

  async #startApplications(): Promise<void> {
    const assembly = this.#assembly
    if (assembly === undefined) return
    const started = applications(
      { pseudonym: this.#pseudonym, agent: `ihave/${VERSION}` },
      {
        ...assembly,
        clock: systemClock,
        random: systemRandom,
        store: this.#store,
        rules: () => this.#rules,
        functions: () => this.#functions?.providers,
        ownValue: () => this.#functions?.value() ?? 1,
        updates: this.#updateEvents,
        address: () => this.#lan.place?.address,
        log: this.#logRequest,
      },
    )
    this.#applications = started
    this.#running.push(async () => {
      this.#applications = undefined
      started.stop()
    })
  }

  /** Everything that the node can be asked, as long as it runs. @throws Fault STOPPING before and after. */
  get operations(): Operations {
    const cache = cacheOperations({ clock: systemClock, store: this.#store, rules: () => this.#rules })
    return nodeOperations(
      () => this.status(),
      cache,
      () => this.checkUpdates(),
      siteOperations(this.#site),
      this.applications.operations,
      this.#functionOperations,
    )
  }

  async #startControl(): Promise<void> {
    const control = await startControl(controlPath(this.#config), this.operations, this.applications)
    this.#running.push(() => control.stop())
    const { listen } = this.#config.control
    if (listen === 'off') return
    const settings = { ...listen, tokenFile: tokenPath(this.#config) }
    const loopback = await startLoopbackControl(settings, this.operations, this.applications, systemRandom)
    this.#running.push(() => loopback.stop())
    this.#own.push({ address: listen.host, port: loopback.port })
    this.#controlPort = loopback.port
  }

  /** Only where there are products: a node without them starts without what they need. */
  async #loadUpdates(): Promise<void> {
    const { updates } = this.#config
    if (updates.length === 0) return
    this.#updateEvents.subscribe(this.#says.update)
    const { productUpdates } = await import('./product-parts.ts')
    this.#updates = productUpdates(
      updates,
      () => `http://${this.proxyAddress}`,
      {
        get: (request) => this.#get(request),
        policyFor: (uri) => this.#rules.policyFor(uri),
        via: () => viaLine('1.1', this.#pseudonym),
      },
      (event) => this.#updateEvents.tell(event),
      (verified) => this.#verification.gathered.learn(verified),
    )
  }

  /** @throws Fault STOPPING while the node does not run; as `Resources.get` */
  async #get(request: ResourceRequest): Promise<Resource> {
    if (this.#assembly === undefined) throw new Fault('STOPPING', 'the node does not run')
    return this.#assembly.resources.get(request)
  }

  async #startUpdates(): Promise<void> {
    for (const each of this.#updates) {
      each.start()
      this.#running.push(() => each.stop(this.#config.proxy.stopGraceMs))
    }
  }

  /** Running transfers get `proxy.stopGraceMs`; safe at any moment. */
  async stop(): Promise<void> {
    this.#isStopping = true
    await this.#starting?.catch(() => {}) // whoever started it is told
    for (const stop of this.#running.splice(0).toReversed()) {
      await stop().catch((error: unknown) => this.#log.error({ reason: describe(error) }, 'stopping'))
    }
    const upstreams = [this.#origin, this.#publicOrigin, this.#gateways, this.#peers]
    await Promise.all(upstreams.map((each) => each.stop()))
    // Whoever could not start says why, and nothing else.
    if (this.#hasStarted) this.#log.info('stopped')
    this.#logs.flush()
  }

  /** Checks every product now; each one's result as it comes. */
  async *checkUpdates(): AsyncGenerator<ProductResult> {
    const results = this.#updates.map(async (each) => ({ name: each.name, result: await each.checkNow() }))
    for (const result of results) yield await result
  }

  /** Where applications reach the proxy: `host:port`. */
  get proxyAddress(): string {
    const { host } = this.#config.proxy.listen
    return `${isIP(host) === 6 ? `[${host}]` : host}:${this.#proxy?.port ?? this.#config.proxy.listen.port}`
  }

  /** The one line that says that the node works. */
  readyLine(): string {
    const { bytes, maxBytes } = this.#store.usage()
    const { place, filePort } = this.#lan
    const files = filePort === undefined ? 'serves no files' : `files ${filePort}`
    const peering = place
      ? `peers at ${place.address} (packets ${this.#config.peering.packetPort}, ${files})`
      : this.#lan.whyAlone()
    const cache = `cache ${this.#config.cache.directory} (${formatBytes(bytes)} of ${formatBytes(maxBytes)})`
    return `ihave ${VERSION} is ready: proxy http://${this.proxyAddress}, ${peering}, ${cache}`
  }

  status(): Status {
    const now = systemClock.monotonic()
    return {
      version: VERSION,
      node: this.#self.node,
      upMs: Math.round(now - this.#startedAt),
      control: this.#controlPort,
      proxy: this.#doors.proxy ? this.proxyAddress : 'off',
      peering: this.#peeringStatus(now),
      whyAlone: this.#lan.place ? undefined : this.#lan.whyAlone(),
      cache: { ...this.#store.usage(), directory: this.#config.cache.directory },
      transfers: transfersStatus(this.#assembly?.retrievals),
      totals: this.#tally.totals(),
      filePort: this.#abuses.totals(),
      packets: Object.fromEntries([...(this.#assembly?.peering.counters ?? []), ...this.#functionCounters()]),
      indexes: this.#verification.gathered.counts(),
      shunned: this.#shunned.list(),
      signatures: this.#verification.signatures.counts(),
      cautions: cautionsStatus(this.#assembly?.peering, this.#site.names, now),
      updates: this.#updates.map((each) => each.status()),
      functions: this.#functionOperations.list(),
      gateway: this.#site.membership === undefined ? undefined : this.#gateway.status(),
    }
  }

  #peeringStatus(now: Monotonic): Status['peering'] {
    const { packetPort } = this.#config.peering
    const { place, filePort } = this.#lan
    const peering = this.#assembly?.peering
    if (!place || !peering) return undefined
    const own = { address: place.address, packetPort, ...(filePort !== undefined && { filePort }) }
    return peeringStatus(own, peering, this.#site, now)
  }

  /** @throws Fault CONFIG_INVALID when `peering.address` is not this machine's. */
  #lanPart(): LanPart {
    return new LanPart(this.#config.peering, {
      clock: systemClock,
      addresses: machineAddresses,
      files: {
        open: (alias) => this.#assembly?.files.open(alias),
        summary: () => this.#assembly?.files.summary?.(),
        document: (path) => this.#assembly?.files.document?.(path),
        perform: (...asked) => this.#gateway.perform(...asked),
      },
      events: {
        uploaded: (peer, alias, bytes) => {
          this.#tally.uploaded(bytes)
          this.#log.debug({ peer, alias: alias.slice(0, 9), bytes }, 'uploaded')
        },
        refused: (peer, status) => this.#log.debug({ peer, status }, 'refused on the port for files'),
        abused: this.#says.abuse,
      },
      own: this.#own,
      count: (what) => {
        const counters = this.#assembly?.peering.counters
        counters?.set(what, (counters.get(what) ?? 0) + 1)
      },
      log: this.#log,
    })
  }

  #selfOn(lan: LanPart) {
    const { filePort } = this.#config.peering
    return {
      node: '' as NodeId,
      get filePort() {
        return lan.filePort ?? filePort
      },
    }
  }

  async #startPeering(): Promise<void> {
    const lan = this.#lan
    this.#running.push(() => lan.stop())
    await lan.start()
    this.#functions = this.#functionParts()
    const assembly = this.#assemble()
    this.#assembly = assembly
    this.#running.push(() => assembly.stop())
    this.#running.push(async () => this.#machine?.stop())
    await this.#lookAtMachine(lan.place)
    await assembly.start(lan.place !== undefined)
    this.#functions?.start()
    const catalogues = this.#config.updates.map(({ catalog }) => catalog)
    this.#gateway.start(this.#pseudonym, catalogues)
    const unheard = assembly.lan.listen((word) => this.#gateway.checks.hear(word))
    this.#running.push(async () => {
      unheard()
      this.#gateway.stop()
    })
    this.#followPlace(assembly)
  }

  /** What stands on the LAN part leaves the LAN, and enters it again, where the machine's place is another one. */
  #followPlace(assembly: Assembly): void {
    const unfollow = this.#lan.follow({
      leave: () => assembly.leave(),
      lost: (address) => {
        for (const each of [this.#peers, this.#gateways]) each.renew()
        for (const each of [this.#origin, this.#publicOrigin]) each.endFrom(address)
      },
      enter: async () => {
        await this.#lookAtMachine(this.#lan.place)
        await assembly.enter()
        this.#functions?.moved()
      },
    })
    this.#running.push(async () => {
      this.#sharedId.stop()
      await unfollow()
    })
  }

  #sharedIdParts(): SharedId {
    return new SharedId({
      clock: systemClock,
      isOwn: (from) => machineAddresses().some(({ address }) => address === from),
      isQuiet: () => this.#hasStarted && this.#isAtRest,
      rename: () => this.#takeAnotherId(),
      log: this.#log,
    })
  }

  /** Whether no retrieval runs. */
  get #isAtRest(): boolean {
    return this.#assembly?.retrievals.all().every(({ isPaused }) => isPaused) === true
  }

  /** Members of a site are known by their keys, and stay members. In `Via` the former ID stands until the next start. */
  async #takeAnotherId(): Promise<NodeId> {
    const id = await newNodeId(this.#config.cache.directory, systemRandom)
    this.#functions?.providers.resign()
    await this.#lan.renew(() => (this.#self.node = id))
    return id
  }

  /** `address:port` where peers are served. */
  #filePlace(): string | undefined {
    const { place, filePort } = this.#lan
    return place && filePort !== undefined ? `${place.address}:${filePort}` : undefined
  }

  /** Somebody says that a catalogue is new: it is fetched and verified as always. */
  #checkProductsOf(uri: TargetUri): void {
    for (const [at, { catalog }] of this.#config.updates.entries())
      if (parseTargetUri(catalog) === uri) void this.#updates[at]?.checkNow()
  }

  #functionCounters(): readonly (readonly [string, number])[] {
    const counters = this.#functions?.providers.counters ?? []
    return [...counters].map(([what, count]) => [`functions, ${what}`, count])
  }

  /** A member may have a gateway fetch for it, and so for others, where it does not reach the Internet itself. */
  #reachForOthers(): number | undefined {
    return this.#site.membership?.isGood === true ? undefined : this.#gateway.reach()
  }

  /** On a LAN it matters to others. */
  async #lookAtMachine(place: Place | undefined): Promise<void> {
    this.#machine?.stop()
    if (place === undefined) return
    const { interfaceName } = place
    const machine = new MachineLook({ sys: '/sys', interfaceName, directory: this.#config.cache.directory })
    this.#machine = machine
    await machine.start()
  }

  /** Where there is no peering, nobody else could perform anything. */
  #functionParts(): FunctionParts | undefined {
    if (!this.#config.functions.enabled) return undefined
    if (!this.#config.peering.enabled) {
      for (const { function: name, location } of offersOf(this.#config))
        this.#log.warn(`functions.offers: ${name}=${location} is not offered to anybody: peering is off`)
      return undefined
    }
    const parts = functionParts(this.#config, {
      self: this.#self,
      site: this.#site,
      log: this.#log,
      peers: () => this.#assembly?.peering.livePeers().length ?? 0,
      address: () => this.#lan.place?.address,
      facts: () => this.#machine?.facts ?? {},
      internet: () => ({ reach: this.#gateway.reach(), bytesPerSecond: this.#speed.bytesPerSecond }),
    })
    this.#running.push(async () => parts.stop())
    return parts
  }

  #assemble(): Assembly {
    const { peering, verification } = this.#config
    const settings = {
      self: this.#self,
      serve: peering.enabled && peering.serve,
      ask: peering.enabled && peering.ask,
      maxDelayMs: peering.maxDelayMs,
      transmissionMs: peering.transmissionMs,
      verifyFirstUpTo: verification.verifyFirstUpTo,
      maxReaders: peering.maxReaders,
      maxUploads: peering.maxUploads,
      maxUploadRate: peering.maxUploadRate === 'off' ? Infinity : peering.maxUploadRate,
    }
    const clock = attentive(systemClock)
    return assemble(settings, {
      clock,
      isBusy: () => clock.isBusy(),
      listening: clock.listening,
      machine: () => ({ ...this.#machine?.facts, reach: this.#reachForOthers() }),
      turn: setImmediate,
      random: systemRandom,
      transport: this.#lan.transport,
      store: this.#store,
      verifier: this.#verification.verifier(),
      origin: this.#gateway.upstream,
      originBytesPerSecond: () => this.#speed.bytesPerSecond,
      peers: this.#peers,
      shunned: this.#shunned,
      site: this.#site,
      ...(this.#functions && { functions: this.#functions.providers }),
      isOnLink: (address) => this.#lan.isOnLink(address),
      isLinkUp: () => this.#lan.isLinkUp(),
      onOwnId: (from) => this.#sharedId.heard(from),
      rules: () => this.#rules,
      log: this.#says.assembly,
      retrieved: (report) => this.#tally.retrieved(report),
    })
  }

  async #startProxy(): Promise<void> {
    const { proxy } = this.#config
    const assembly = this.#assembly
    if (!assembly) return
    const pseudonym = this.#pseudonym
    const onFault = this.#says.fault
    const server = new ProxyServer(
      {
        address: proxy.listen.host,
        port: proxy.listen.port,
        pseudonym,
        // A proxy that listens beyond loopback serves this machine's own subnets only (R1.5).
        mayUse: (address) => isLoopback(address) || this.#lan.isOnLink(address),
        stopGraceMs: proxy.stopGraceMs,
      },
      {
        clock: systemClock,
        resources: assembly.resources,
        passThrough: passThrough({ guard: this.#guard, pseudonym }, { clock: systemClock, onFault }),
        tunnels: tunnel({ guard: this.#guard }, { clock: systemClock, onFault }),
        ownPages: ownPages({
          rules: () => this.#rules,
          status: () => this.status(),
          areOwn: isLoopback(proxy.listen.host),
        }),
        invalidate: (uri) => {
          assembly.retrievals.outdate(uri)
          this.#store.remove(uri)
        },
        changes: assembly.retrievals.changes,
        posted: posted({
          store: this.#store,
          rules: () => this.#rules,
          changes: assembly.retrievals.changes,
        }),
        log: this.#logRequest,
      },
    )
    await server.start()
    this.#proxy = server
    this.#own.push({ address: proxy.listen.host, port: server.port })
    this.#running.push(() => server.stop())
  }

  /** Indexes that are used here are worth watching for all. */
  #noteIndex({ method, url, trace, rule, outcome }: RequestLine): void {
    // Hits are many, and were noted when they were fetched; what has a query stands here without it.
    if (
      method !== 'GET' ||
      trace === undefined ||
      trace.how === 'hit' ||
      outcome !== 'complete' ||
      !this.#watched.has(rule) ||
      url.includes('?')
    )
      return
    const uri = parseTargetUri(url)
    if (uri !== undefined && this.#rules.policyFor(uri).gateway === true) this.#gateway.checks.use(uri)
  }

  readonly #logRequest = (line: RequestLine): void => {
    this.#tally.request(line)
    this.#noteIndex(line)
    this.#logs.request(line)
  }
}

function isLoopback(host: string): boolean {
  const address = host.replace(/^::ffff:/, '')
  return address === 'localhost' || address === '::1' || (isIP(address) === 4 && address.startsWith('127.'))
}
