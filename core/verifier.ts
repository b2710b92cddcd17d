/** The `Verifier` seam: what proves that a copy from a peer is what the origin server has (V§1). */
import type { Digest, DigestAlgorithm, Sha256 } from './digest.ts'
import type { Fields } from './fields.ts'
import type { Policy } from './policy.ts'
import type { ByteSpan } from './ranges.ts'
import type { TargetUri } from './target-uri.ts'

/** What a copy from a peer must show, known before any peer is believed. */
export type Expectation =
  /**
   * A digest from the URL (V1), from an index that the machine trusts (V2), that the origin server publishes (V3), or
   * that members of the site vouch for (V4). */
  | {
      readonly kind: 'digest'
      readonly rung: 'V1' | 'V2' | 'V3' | 'V4'
      readonly digest: Digest
      /** Bytes of the body, where the index says so. */
      readonly size?: number
      /** Whether somebody has signed it whom this machine trusts: then every machine is told the same. */
      readonly isSigned?: true
    }
  /** The publisher's signature, in the file or beside it (R8.2): judged when the file is whole, and nothing is released before. */
  | {
      readonly kind: 'signature'
      readonly rung: 'signature'
      readonly uri: TargetUri
      readonly policy: Policy
      /** The detached signature as the origin server has it now; absent: the file holds its own. */
      readonly detached?: Uint8Array
    }
  /**
   * A member is fetching it and will vouch for what it gets (V4): the proof is there a moment after the last byte.
   */
  | {
      readonly kind: 'promised'
      readonly rung: 'V4'
      readonly question: AttestedQuestion
      /** Tells versions apart, as far as the origin server does. */
      readonly version: string
      readonly size: number
    }
  /** Members of the site may vouch for it (V4): known once a peer has it. */
  | { readonly kind: 'attestable'; readonly rung: 'V4' }
  /** The origin server may publish a digest (V3), or a signature: worth a question to it once a peer has the file. */
  | { readonly kind: 'askable'; readonly rung: 'V3' }
  /** The application verifies for itself (V5): accept, deliver, watch for a retry. */
  | { readonly kind: 'updater'; readonly rung: 'V5' }
  /** No proof at hand (V6): nothing is taken from peers. */
  | { readonly kind: 'none'; readonly rung: 'V6' }

export type Verdict =
  | { readonly kind: 'verified'; readonly rung: Exclude<Expectation['rung'], 'V6'> }
  | {
      readonly kind: 'refused'
      readonly reason: string
      /** Nobody said that the bytes are wrong: the proof that was promised did not come. */
      readonly isUnproved?: true
    }

/** A resource of which the origin server is asked for a digest. */
export interface OriginQuestion {
  readonly uri: TargetUri
  /** The target as the application wrote it. */
  readonly target: string
  /** What the application's request has for the origin server. */
  readonly fields: Fields
  readonly policy: Policy
}

/** A whole body that waits for its verdict. */
export interface Candidate {
  readonly size: number
  readonly sha256: Sha256
  digest(algorithm: DigestAlgorithm): Promise<string>
  /** Its bytes. @throws Fault STORE_FAILED */
  read(span: ByteSpan): AsyncIterable<Uint8Array>
}

/** A resource of which a peer has a copy. */
export interface AttestedQuestion {
  readonly uri: TargetUri
  /** The target as the application wrote it, and what its request has for the origin server. */
  readonly target: string
  readonly fields: Fields
  readonly policy: Policy
  /** Where the peer has it. */
  readonly location: string
  /** Whether the peer's copy is still growing. */
  readonly isGrowing?: boolean
}

export interface Verifier {
  /** Once there is somebody whose copies are to be verified. Never fails. */
  start(): Promise<void>
  stop(): Promise<void>
  /** The strongest expectation that this URI's rule and the machine's own knowledge give, without a WAN request. */
  expect(uri: TargetUri, policy: Policy): Promise<Expectation>
  /** What becomes of an expectation that is `askable`: the origin server is asked, once and not for long. Never fails. */
  ask(question: OriginQuestion): Promise<Expectation>
  /** The digest of an immutable name, as far as it is known at this moment without asking or waiting for anybody. */
  knownDigest(uri: TargetUri, policy: Policy): Digest | undefined
  /** The SHA-256 of a stored body with this digest, by whatever name it came. */
  bodyWith(digest: Digest): Sha256 | undefined
  /** What becomes of an expectation that is `attestable`, now that a peer has the file; absent: nothing. */
  attested?(question: AttestedQuestion): Promise<Expectation>
  verify(expectation: Expectation, candidate: Candidate): Promise<Verdict>
}
