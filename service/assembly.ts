/**
 * One node without its sockets: everything between the seams. The daemon puts it on real sockets (node.ts), the
 * virtual LAN on simulated ones (sim/): the same lines run in both.
 */
import { LRUCache } from 'lru-cache'
import { isContentName, contentName } from '../core/content-name.ts'
import type { Clocks } from '../core/clock.ts'
import type { Sha256 } from '../core/digest.ts'
import { withoutSecrets } from '../core/redaction.ts'
import type { Random } from '../core/random.ts'
import type { Store, StoredResponse } from '../core/store.ts'
import { modifiedAgoMs } from '../cache/semantics/freshness.ts'
import { originOf, type TargetUri } from '../core/target-uri.ts'
import type { Address, Transport } from '../core/transport.ts'
import type { Upstream } from '../core/upstream.ts'
import type { Verifier } from '../core/verifier.ts'
import type { Decoded } from '../peering/codec.ts'
import type { SharedFiles } from '../peering/file-server.ts'
import { FUNCTIONS_PATH, RESOURCE_FIELD, resourceDigest } from '../peering/peer-answer.ts'
import type { Extras } from '../peering/packets.ts'
import { Gathering, type Turn } from '../peering/gathering.ts'
import type { Peer } from '../peering/peer-table.ts'
import { abilityOf, type AbilityFacts } from '../peering/ability.ts'
import { Peering, type PlaceClaim, type SiteWord } from '../peering/peering.ts'
import type { Self } from '../peering/self.ts'
import type { Found, Survey } from '../peering/survey.ts'
import { relayField } from '../peering/relay-fields.ts'
import { UploadRate } from '../peering/upload-rate.ts'
import { UploadSlots } from '../peering/upload-slots.ts'
import { announcedNames } from '../retrieval/announced-names.ts'
import { localAliases } from '../retrieval/local-aliases.ts'
import { resources, type Resources } from '../retrieval/resources.ts'
import { retrievals, type Retrievals } from '../retrieval/retrievals.ts'
import type { Holder } from '../retrieval/pieces/supplier.ts'
import type { Rules } from '../retrieval/rules.ts'
import { sharedCopies } from '../retrieval/shared-copies.ts'
import { summaryExchange } from '../retrieval/summary-exchange.ts'
import { fetchText } from '../retrieval/fetch-text.ts'
import type { RetrievalReport } from '../retrieval/source.ts'
import { answers } from '../providers/contact.ts'
import { providersDocument } from '../providers/document.ts'
import type { Providers } from '../providers/providers.ts'
import type { Site } from '../site/site.ts'
import { isPrivateName, privateNames } from '../site/private-names.ts'
import { retryWatch } from '../verify/retry-watch.ts'
import {
  placeOf,
  type Culprit,
  type ShunnedPeers,
  type ShunReason,
  type Suspicion,
} from '../verify/shunned-peers.ts'
import { Suspicions } from '../verify/suspicions.ts'
import { CAUTION, readWarning, warningWords } from './member-warnings.ts'
import { notingReached } from './reached-peers.ts'

export interface AssemblySettings {
  readonly self: Self
  readonly serve: boolean
  readonly ask: boolean
  readonly maxDelayMs: number | 'auto'
  readonly transmissionMs: number
  readonly verifyFirstUpTo: number
  /** Peers that read one file at once; others are sent on to them. */
  readonly maxReaders: number
  /** Uploads at once, beyond which the node stays silent. */
  readonly maxUploads: number
  /** Bytes per second of all uploads together; `Infinity`: no limit. */
  readonly maxUploadRate: number
}

/** What a node stands on; each may be a simulated one. */
export interface Seams extends Clocks {
  readonly random: Random
  readonly transport: Transport
  /** Reads a datagram; absent: peering/codec.ts. A simulation reads a broadcast once for all who hear it. */
  readonly decode?: (bytes: Uint8Array) => Decoded
  readonly store: Store
  readonly verifier: Verifier
  readonly origin: Upstream
  readonly peers: Upstream
  /** Shared with the verifier, which refuses bodies that proved wrong. */
  readonly shunned: ShunnedPeers
  /** The site of which this node is, or may become, a member. */
  readonly site?: Site
  /** How fast the Internet is, as measured, in bytes per second; absent: it is not measured. */
  readonly originBytesPerSecond?: () => number | undefined
  /** Whether this node had to wait for its turn at the processor lately; absent: never. */
  readonly isBusy?: () => boolean
  /** What this machine is, as far as others are concerned whom it fetches for; absent: it is not known. */
  readonly machine?: () => Pick<AbilityFacts, 'reach' | 'isWired' | 'isOnMains'>
  /** The turns of the event loop; absent: what is asked at the same moment is not gathered. */
  readonly turn?: Turn
  /** Who performs which function for the LAN. */
  readonly functions?: Providers
  /** Whether an address is one of this node's LAN; absent: any is. */
  readonly isOnLink?: (address: string) => boolean
  /** Another machine speaks by this node's ID; absent: nothing is done about it. */
  readonly onOwnId?: (from: Address) => void
  /** Whether this node has its address on the LAN now; absent: it is not known. */
  readonly isLinkUp?: () => boolean
  /** The rules in force, read anew for each request. */
  readonly rules: () => Rules
  readonly log: (event: AssemblyEvent) => void
  /** A retrieval has ended. */
  readonly retrieved: (report: RetrievalReport) => void
}

export type AssemblyEvent =
  | { readonly kind: 'shunned'; readonly peer: Address; readonly reason: ShunReason; readonly detail: string }
  | { readonly kind: 'stored'; readonly response: StoredResponse }
  | { readonly kind: 'warning'; readonly message: string; readonly detail: Record<string, unknown> }

/** What applications do on the LAN, by URIs as they write them. */
export interface Lan {
  /** Who has it (`Peering.survey`). */
  survey(uri: string, hearing: Parameters<Peering['survey']>[1], waitMs?: number): Survey | undefined
  /** Peers who ask for `uri` are offered what has this digest, as long as it is here. */
  announce(uri: string, sha256: Sha256): void
  withdraw(uri: string, sha256: Sha256): void
  /** The name of the content that was announced as `uri`. */
  announced(uri: string): TargetUri | undefined
  /** Sends a packet of an application's type. @returns whether it is one. */
  say(name: string, extras: Extras, to?: Address): boolean
  /** Packets of other types than ours, and members' presence. @returns what ends it. */
  listen(listener: (word: SiteWord) => void): () => void
  /** Who is alive. */
  peers(): readonly Peer[]
  isPeer(address: Address): boolean
}

export interface Assembly {
  readonly resources: Resources
  readonly retrievals: Retrievals
  readonly verifier: Verifier
  readonly peering: Peering
  readonly lan: Lan
  /** What the server for peers may hand out. */
  readonly files: SharedFiles
  /** @param isOnLan `false`: it works alone until it enters the LAN. @throws as `enter` */
  start(isOnLan?: boolean): Promise<void>
  /** Comes to the LAN where the transport is now, for the first time or again. @throws Fault ADDRESS_IN_USE of the transport. */
  enter(): Promise<void>
  /** Leaves the LAN. What is on its way goes on, and applications notice nothing. */
  leave(): Promise<void>
  stop(): Promise<void>
}

/** A downloader of whom nothing was heard for this long is replaced, in ms: six reports. */
const SILENCE_MS = 3000

/** Unverified bodies whose peer is remembered, so that a complaint finds it. */
const MAX_UNVERIFIED = 1000

/** What came of a download that nobody waits for any more is kept this long, in ms. */
const LINGER_MS = 120_000

export function assemble(settings: AssemblySettings, given: Seams): Assembly {
  const seams: Seams = {
    ...given,
    peers: notingReached(given.peers, (...place) => peering.reached(...place)),
  }
  const { clock, random, store, verifier, shunned, rules, log } = seams
  const { site, functions, isOnLink = () => true } = seams
  const listeners = new Set<(word: SiteWord) => void>()
  /** Nobody warns of himself, nor this node of its own address. */
  const hearCaution = ({ packet, from, signer }: SiteWord) => {
    const isCaution = packet.type === 'application' && packet.name === CAUTION
    const warning = isCaution ? readWarning(packet.extras) : undefined
    if (warning === undefined || signer.kind !== 'member') return
    if (warning.peer === from || warning.peer === seams.transport.address) return
    peering.cautions.heard({ ...warning, member: signer.member, at: clock.monotonic() })
  }
  const onSiteWord = (word: SiteWord) => {
    hearCaution(word)
    site?.hear(word)
    functions?.hear(word)
    for (const listener of listeners) listener(word)
  }
  const names = site?.names ?? privateNames(() => undefined)
  const aliases = localAliases(random)
  const announced = announcedNames()
  const watch = retryWatch()
  const unverifiedPeers = new LRUCache<Sha256, Address>({ max: MAX_UNVERIFIED })
  const suspicions = new Suspicions()
  const acquit = (culprits: readonly Culprit[]) => {
    for (const culprit of culprits) shunned.acquit(culprit)
  }
  const shun = (peer: Address, reason: ShunReason, detail: string, suspect?: Suspicion) => {
    const { body, part } = suspect ?? {}
    // A suspicion is about the peer; only what is known to be wrong makes a body bad everywhere.
    const origin = suspect?.isDoubtful === true ? originOf(suspect.uri) : undefined
    const isProved = body !== undefined && reason !== 'asked-again' && origin === undefined
    const misdeed = { reason, detail, origin, part, ...(isProved ? { body } : {}) }
    const episode = shunned.shun(peer, misdeed)
    if (suspect !== undefined) suspicions.note({ peer, origin, part, episode }, suspect)
    if (reason === 'bad-bytes' && origin === undefined) warnMembers(peer, suspect)
    log({ kind: 'shunned', peer, reason, detail })
  }
  const warnMembers = (peer: Address, suspect: Suspicion | undefined) => {
    const own = site?.membership
    if (own !== undefined && !own.isDenied(own.id)) peering.say(CAUTION, warningWords(peer, suspect, names))
  }
  const slots = new UploadSlots({ perFile: settings.maxReaders, inAll: settings.maxUploads }, clock)
  const copies = sharedCopies({
    clock,
    store,
    rules,
    aliases,
    announced,
    running: (uri) => running.running(uri),
    isFetching: (uri) => running.isFetching(uri),
    isRelayed: (uri) => running.isRelayed(uri),
    slots,
    rate: new UploadRate(clock, settings.maxUploadRate),
  })
  const shunnedFor = (peer: Address, { resource, location }: PlaceClaim) => {
    const origin = originOf((names.uriOf(resource) ?? resource) as TargetUri)
    return shunned.find(peer, origin, location === undefined ? 'promises' : placeOf(location))
  }
  const peering = new Peering(
    { ...settings, silenceMs: SILENCE_MS },
    {
      ...seams,
      copies: { locate: (name) => copies.locate(names.uriOf(name) ?? name) },
      ...(site === undefined ? {} : { seal: site.seal }),
      isPrivate: isPrivateName,
      onSiteWord,
      ability: () =>
        abilityOf({
          ...seams.machine?.(),
          isBusy: seams.isBusy?.(),
          isUploading: slots.areTakenForLong,
        }),
      isShunned: (peer, claim) =>
        (claim === undefined ? shunned.find(peer) : shunnedFor(peer, claim)) !== undefined,
      mayBeTried: (peer, claim) => {
        const reason = shunnedFor(peer, claim)?.reason
        return reason === 'stalled' || reason === 'broke-off'
      },
      // Alone there is nothing to verify, and reading apt's lists takes a second of this machine.
      onFirstPeer: () => void verifier.start(),
      onStaleSummary: (place) => summaries.stale(place),
    },
  )
  const gathering = seams.turn && new Gathering(seams.turn, (ask) => peering.together(ask))
  const summaries = summaryExchange({
    ...seams,
    peering,
    self: settings.self,
    nameOf: (uri) => names.nameOf(uri),
    announced: () => announced.all(),
  })
  const running = retrievals(
    { self: settings.self, verifyFirstUpTo: settings.verifyFirstUpTo, lingerMs: LINGER_MS },
    {
      ...seams,
      servesFiles: (address, port) => peering.servesFiles(address, port),
      meet: (address) => isOnLink(address) && peering.meet(address),
      relay: (uri) => [
        ...(settings.serve ? relayField(settings.self.filePort, aliases.aliasOf(uri)) : []),
        [RESOURCE_FIELD, resourceDigest(names.nameOf(uri))],
      ],
      findHolders: (uri, found, over) => {
        const survey = peering.survey(names.nameOf(uri), {
          onFound: (each) => toldHolder(each, found),
          onOver: over,
        })
        if (survey === undefined) over()
        return () => survey?.abandon()
      },
      isAnybodyThere: () => peering.timing() !== undefined,
      isShunned: (peer, uri, location) => shunned.find(peer, originOf(uri), placeOf(location)) !== undefined,
      ...(seams.isBusy === undefined ? {} : { isBusy: seams.isBusy }),
      ...(seams.listening === undefined ? {} : { listening: seams.listening }),
      ...(gathering === undefined ? {} : { gather: (ask) => gathering.add(ask) }),
      inquire: (resource, waitForDownloads, owner, isForPart) =>
        // What has a digest may lie under any URL, and is listed by that.
        peering.inquire(names.nameOf(resource), waitForDownloads, owner, {
          isListed: !isContentName(resource),
          isForPart,
        }),
      events: {
        announce: (retrieval) => {
          const { uri } = retrieval.request
          const alias = () => (retrieval.isShareable ? aliases.aliasOf(uri) : undefined)
          const progress = () => retrieval.progress()
          return peering.announceDownload(names.nameOf(uri), alias, progress, retrieval.isTakeOver)
        },
        shun,
        stored(response, unverified) {
          log({ kind: 'stored', response })
          const { uri, digest: body, source } = response
          if (source === 'internet') acquit(suspicions.clearedBy(uri, body, modifiedAgoMs(response)))
          if (!unverified) return
          const { peer, clients } = unverified
          unverifiedPeers.set(body, peer)
          for (const client of clients) watch.delivered({ client, uri, peer, body, at: clock.monotonic() })
        },
        contradicted: (uri, body) => acquit(suspicions.clearedBy(uri, body)),
        ended: (report) => seams.retrieved(report),
        log: (message, { uri, ...detail }) =>
          log({ kind: 'warning', message, detail: { uri: withoutSecrets(String(uri)), ...detail } }),
      },
    },
  )
  const { own } = peering.advertising
  const lan: Lan = {
    survey: (uri, hearing, waitMs) => peering.survey(names.nameOf(uri), hearing, waitMs),
    announce(uri, sha256) {
      announced.add(uri, sha256)
      peering.advertising.stored(names.nameOf(uri))
    },
    withdraw(uri, sha256) {
      if (announced.remove(uri, sha256)) own.removed()
    },
    announced: (uri) => announced.contentOf(uri),
    say: (name, extras, to) => peering.say(name, extras, to),
    listen(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    peers: () => peering.livePeers(),
    isPeer: (address) => peering.livePeers().some((peer) => peer.address === address),
  }
  /** All names by which peers may ask for what is here under this one: its content's, and those that were announced. */
  const namesOf = function* (uri: TargetUri): Generator<string> {
    const known = new Set([uri, ...store.lookup(uri).map(({ digest }) => contentName(digest))])
    yield* known
    for (const name of announced.all()) {
      const content = announced.contentOf(name)
      if (content !== undefined && known.has(content)) yield name
    }
  }
  const enter = async () => {
    await peering.start()
    functions?.start({
      say: (name, extras, to) => peering.say(name, extras, to),
      isOnLink,
      ...(seams.isLinkUp && { isLinkUp: seams.isLinkUp }),
      contact: (location) => answers(seams.peers, location, settings.self.node, clock),
    })
  }
  return {
    resources: resources({
      ...seams,
      retrievals: running,
      retryWatch: watch,
      unverifiedPeer: (body) => unverifiedPeers.get(body),
      shun,
    }),
    retrievals: running,
    verifier,
    peering,
    lan,
    files: {
      ...copies,
      open: (alias) => {
        const uri = aliases.uriOf(alias)
        const file = copies.open(alias)
        const isFor = (resource: string) =>
          uri !== undefined && isOneOf(namesOf(uri), (name) => names.nameOf(name), resource)
        return file && { ...file, isFor }
      },
      summary: () => own.standing && { standing: own.standing, bytes: own.bytes },
      document: (path) =>
        path === FUNCTIONS_PATH ? functions && providersDocument(functions.results()) : site?.document(path),
    },
    async start(isOnLan = true) {
      summaries.start()
      site?.start({
        say: (name, extras, to) => peering.say(name, extras, to),
        sayLeaving: () => peering.sayLeaving(),
        sayPresence: (reply) => peering.sayPresence(reply),
        fetch: (url) => fetchText(seams.peers, url, settings.self.node, clock),
        onRenamed: () => summaries.renamed(),
      })
      if (isOnLan) await enter()
    },
    enter,
    leave: () => peering.leave(),
    async stop() {
      functions?.stop()
      await site?.stop()
      summaries.stop()
      await running.stop()
      await peering.stop()
      await verifier.stop()
    },
  }
}

/** What a peer said of a resource, as a source of pieces. */
function toldHolder(told: Found, found: (holder: Holder) => void): void {
  switch (told.kind) {
    case 'complete':
      return found({ ...told.offer, heldBytes: Infinity })
    case 'downloading': {
      const { peer, location, receivedBytes } = told.download
      if (location !== undefined) found({ peer, location, heldBytes: receivedBytes })
    }
  }
}

/** Whether the digest that a request tells is one of these names', in the clear or as the site has it. */
function isOneOf(names: Iterable<string>, privately: (name: string) => string, resource: string): boolean {
  for (const name of names)
    if (resourceDigest(name) === resource || resourceDigest(privately(name)) === resource) return true
  return false
}
