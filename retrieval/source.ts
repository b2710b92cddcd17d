/** Where the bytes of a retrieval come from, and what is remembered of it. */
import type { Address } from '../core/transport.ts'
import type { PeerDownload, PeerOffer } from '../peering/inquiry.ts'

export type Source =
  /** A peer's complete copy ("I have"). */
  | { readonly kind: 'peer'; readonly offer: PeerOffer }
  /** A peer's running download ("I am downloading"). */
  | { readonly kind: 'in-progress'; readonly download: PeerDownload & { readonly location: string } }
  | { readonly kind: 'internet' }

export type SourceKind = Source['kind']

export type PeerSource = Exclude<Source, { kind: 'internet' }>

/** The peer behind a source; `undefined` for the Internet. */
export function peerOf(source: PeerSource): Address
export function peerOf(source: Source): Address | undefined
export function peerOf(source: Source): Address | undefined {
  switch (source.kind) {
    case 'peer':
      return source.offer.peer
    case 'in-progress':
      return source.download.peer
    case 'internet':
      return undefined
  }
}

/** Who was heard to ask for the file fetches it, most likely: a crowd does not ask the origin server once more each. */
export function isAnybodysWord(source: Source): boolean {
  return source.kind === 'peer' || (source.kind === 'in-progress' && source.download.hasAsked !== true)
}

/** What happened in one retrieval, for the log, `Cache-Status` and savings: it all adds up to the body's size. */
export interface RetrievalReport {
  /** Whether "I need" was broadcast. */
  asked: boolean
  /** Peers that said "I have" or "I am downloading". */
  readonly answered: Set<Address>
  /** Bytes received, by source, wrong ones included. */
  readonly bytes: Record<SourceKind, number>
  /** The source that began the body that was delivered. */
  source: SourceKind | undefined
  /** Why the origin server was asked for what was here before, in part or stale (RFC 9211 2.2). */
  forwarded: 'partial' | 'stale' | 'request' | undefined
  /** What it said that begins what is delivered, where this was not another machine's (RFC 9211 2.3). */
  status: number | undefined
  /** Whether somebody else had asked for it before, whose response this is, too. */
  isJoined: boolean
  /** From the question to the first source, in ms. */
  waitedMs: number
  /** What the downloader that is waited for said last (R5.2). */
  peerProgress: PeerDownload | undefined
  /** Sources that failed, in plain words. */
  readonly failures: string[]
}

/** @param answered where nobody is asked, the same empty set may do for all. */
export function newReport(answered: Set<Address> = new Set()): RetrievalReport {
  return {
    asked: false,
    answered,
    bytes: { peer: 0, 'in-progress': 0, internet: 0 },
    source: undefined,
    forwarded: undefined,
    status: undefined,
    isJoined: false,
    waitedMs: 0,
    peerProgress: undefined,
    failures: [],
  }
}
