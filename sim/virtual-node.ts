/**
 * A node as in production (service/assembly.ts) on virtual seams, with applications that ask it. The server for peers'
 * files is the product's `answerPeer`; only sockets are missing, and the disk.
 */
import { freshnessLifetimeMs } from '../cache/semantics/freshness.ts'
import { attentive } from '../core/attentive-clock.ts'
import type { Policy } from '../core/policy.ts'
import { seededRandom, type Random } from '../core/random.ts'
import type { Store } from '../core/store.ts'
import type { TargetUri } from '../core/target-uri.ts'
import type { AbilityFacts } from '../peering/ability.ts'
import type { Address } from '../core/transport.ts'
import { answerPeer } from '../peering/file-server.ts'
import type { NodeId } from '../peering/packets.ts'
import { SpeedMeter } from '../providers/speed-meter.ts'
import type { RetrievalReport } from '../retrieval/source.ts'
import { assemble, type Assembly, type AssemblyEvent, type AssemblySettings } from '../service/assembly.ts'
import { attestationBook, type AttestationBook } from '../site/attestation-book.ts'
import { withAttestations } from '../site/attested.ts'
import { siteMemory, type SiteFiles } from '../site/site-files.ts'
import { Site } from '../site/site.ts'
import { vouch } from '../site/vouching.ts'
import { shunnedPeers, type ShunnedPeers } from '../verify/shunned-peers.ts'
import type { Decoded } from '../peering/codec.ts'
import type { KnownBytes } from './known-bytes.ts'
import { tableVerifier, type Proof, type TrustedTable } from './table-verifier.ts'
import type { VirtualClock } from './virtual-clock.ts'
import { ask, type ApplicationRequest, type Got } from './virtual-application.ts'
import type { Crash, VirtualHost } from './virtual-host.ts'
import { ORIGIN_PATIENCE, PEER_PATIENCE, type Listening, type VirtualHttp } from './virtual-http.ts'
import type { VirtualLan } from './virtual-lan.ts'
import { virtualStore } from './virtual-store.ts'

export interface VirtualNodeSettings extends Partial<Omit<AssemblySettings, 'self'>> {
  readonly proof?: Proof
  /** What the one rule says of every URL. */
  readonly policy?: Partial<Policy>
  readonly cacheBytes?: number
  /** What the machine has of a site; absent: it may join one. */
  readonly site?: SiteFiles
  /** Members that must vouch for the same (V4); absent: one. */
  readonly quorum?: number
  /** What it knows of itself; absent: nothing stands in its way. */
  readonly machine?: AbilityFacts
}

/** What every node of a simulation stands on. */
export interface VirtualWorld {
  readonly clock: VirtualClock
  readonly lan: VirtualLan
  readonly http: VirtualHttp
  readonly table: TrustedTable
  readonly known: KnownBytes
  /** Reads a datagram, each only once. */
  readonly decode: (bytes: Uint8Array) => Decoded
}

export const FILE_PORT = 6515

/** The defaults of proxy.config.yaml. */
const DEFAULTS: Omit<AssemblySettings, 'self'> = {
  serve: true,
  ask: true,
  maxDelayMs: 'auto',
  transmissionMs: 200,
  verifyFirstUpTo: 64 * 1024 * 1024,
  maxReaders: 3,
  maxUploads: 16,
  maxUploadRate: Infinity,
}

const UPDATE_URLS: Policy = {
  rule: 'everything is an update',
  share: true,
  immutable: true,
  store: true,
  verify: 'auto',
  waitForDownloads: true,
}

export class VirtualNode {
  readonly host: VirtualHost
  readonly reports: RetrievalReport[] = []
  readonly events: AssemblyEvent[] = []
  readonly #world: VirtualWorld
  readonly #settings: VirtualNodeSettings
  readonly #random: Random
  #shunned: ShunnedPeers
  #store: Store
  #assembly: Assembly
  #listening: Listening
  #site: Site
  readonly #book: AttestationBook = attestationBook(':memory:')
  readonly #siteFiles: SiteFiles
  /** In former lives. */
  #uploadedBefore = 0

  constructor(world: VirtualWorld, host: VirtualHost, seed: number, settings: VirtualNodeSettings = {}) {
    this.host = host
    this.#world = world
    this.#settings = settings
    this.#random = seededRandom(seed)
    this.#shunned = shunnedPeers({ clock: world.clock })
    this.#store = this.#newStore()
    this.#listening = this.#listen()
    this.#siteFiles = settings.site ?? siteMemory()
    this.#site = this.#newSite()
    this.#assembly = this.#assemble()
  }

  get site(): Site {
    return this.#site
  }

  get address(): Address {
    return this.host.address
  }

  get store(): Store {
    return this.#store
  }

  get shunned(): ShunnedPeers {
    return this.#shunned
  }

  get assembly(): Assembly {
    return this.#assembly
  }

  /** Bytes of bodies that peers were sent, in all its lives. */
  get uploadedBytes(): number {
    return this.#uploadedBefore + this.#listening.sentBytes
  }

  async start(): Promise<void> {
    await this.#store.start()
    await this.#site.load()
    await this.#assembly.start()
  }

  /** As the daemon stops: peers are told. */
  async stop(): Promise<void> {
    await this.#assembly.stop()
    this.#listening.close()
    await this.#store.stop()
  }

  /** An application asks. Never throws; of a node that crashes, the application hears that it has crashed. */
  get(uri: TargetUri, request: Partial<ApplicationRequest> = {}): Promise<Got> {
    const digester = this.#world.known.digester()
    return ask(this.host.life, this.#assembly.resources, digester, { uri, client: 'application', ...request })
  }

  crash(how: Crash = 'process'): void {
    this.host.crash(how)
  }

  /** Comes back with an empty memory; its responses were in memory too, unless it keeps its disk. */
  async restart(disk: 'keeps its disk' | 'loses its disk' = 'keeps its disk'): Promise<void> {
    this.host.restart()
    if (disk === 'loses its disk') this.#store = this.#newStore()
    else await this.#store.stop()
    this.#shunned = shunnedPeers({ clock: this.#world.clock })
    this.#uploadedBefore = this.uploadedBytes
    this.#listening = this.#listen()
    this.#site = this.#newSite()
    this.#assembly = this.#assemble()
    await this.start()
  }

  #newSite(): Site {
    const { clock } = this.host.life
    const settings = { address: () => this.address, clearQuestions: false }
    return new Site(settings, { clock, random: this.#random, files: this.#siteFiles, log: () => {} })
  }

  #newStore(): Store {
    return virtualStore(this.#settings.cacheBytes ?? 2 ** 32, this.#world.known)
  }

  #listen(): Listening {
    const authority = `${this.address}:${FILE_PORT}`
    const files = {
      open: (alias: Parameters<Assembly['files']['open']>[0]) => this.#assembly.files.open(alias),
      summary: () => this.#assembly.files.summary?.(),
      document: (path: string) => this.#assembly.files.document?.(path),
    }
    return this.#world.http.listen(this.host, authority, (request) => answerPeer(files, request, [authority]))
  }

  /** As in production where the processor is shared; else its slices of each wait would be events without a meaning. */
  #attention() {
    const { clock } = this.host.life
    if (!this.host.takesTurns) return { clock }
    const attentively = attentive(clock)
    const { listening } = attentively
    return { clock: attentively, listening, isBusy: () => attentively.isBusy() }
  }

  #assemble(): Assembly {
    const { proof = 'digest', policy, cacheBytes: _, site: __, quorum = 1, ...settings } = this.#settings
    const { lan, http, table, decode } = this.#world
    const { clock, signal } = this.host.life
    const own = { ...UPDATE_URLS, ...policy }
    const node = this.#random.hex(16) as NodeId
    const speed = new SpeedMeter(clock)
    const origin = speed.of(http.upstream(this.host, ORIGIN_PATIENCE))
    const site = this.#site
    const book = this.#book
    vouch({
      clock,
      site,
      store: this.#store,
      book,
      fetching: (uri) => this.#assembly.retrievals.running(uri)?.fetching,
      freshForMs: (response) => freshnessLifetimeMs(response, own),
    })
    const verifier = tableVerifier(proof, table, clock, this.#shunned)
    return assemble(
      { ...DEFAULTS, ...settings, self: { node, filePort: FILE_PORT } },
      {
        ...this.#attention(),
        random: this.#random,
        transport: lan.transport(this.host),
        decode,
        store: this.#store,
        verifier: withAttestations(verifier, { attest: true, quorum }, { clock, site, book, origin }),
        origin,
        originBytesPerSecond: () => speed.bytesPerSecond,
        site,
        machine: () => this.#settings.machine ?? {},
        peers: http.upstream(this.host, PEER_PATIENCE),
        shunned: this.#shunned,
        rules: () => ({ policyFor: () => own, all: [] }),
        log: (event) => void (signal.aborted || this.events.push(event)),
        retrieved: (report) => void (signal.aborted || this.reports.push(report)),
      },
    )
  }
}
