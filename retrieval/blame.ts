/** Who is left aside for what a retrieval met with, and for how long (docs/verification.md, "What happens to a liar"). */
import type { Sha256 } from '../core/digest.ts'
import type { Fault } from '../core/fault.ts'
import { withoutSecrets } from '../core/redaction.ts'
import type { Address } from '../core/transport.ts'
import { placeOf, type Part, type ShunReason, type Suspicion } from '../verify/shunned-peers.ts'
import type { Proofs } from './proofs.ts'
import type { Provenance } from './provenance.ts'
import type { RetrievalRequest } from './request.ts'
import type { PeerSource } from './source.ts'
import type { Server } from './peer-route.ts'

export interface BlameComponents {
  readonly proofs: Proofs
  /** Whether this node had to wait for its turn at the processor lately; absent: never. */
  readonly isBusy?: () => boolean
  readonly shun: (peer: Address, reason: ShunReason, detail: string, suspect?: Suspicion) => void
}

/** A whole that verification refused. */
export interface WrongBody {
  readonly provenance: Provenance
  /** Whether its end came from the origin server, which may have another version by now. */
  readonly isMixed: boolean
  sha256(): Promise<Sha256>
}

export class Blame {
  readonly #request: RetrievalRequest
  readonly #components: BlameComponents

  constructor(request: RetrievalRequest, components: BlameComponents) {
    this.#request = request
    this.#components = components
  }

  /**
   * A peer was no source any more. Somebody else may have named the place in its name, so that place alone is left aside. What still
   * grows stops where its origin server stops, and what ends early may have come so from there: that is held against it for the files
   * of that server alone.
   * @param relay which passed it on, if one did: then it is the relay that was slow, or that broke off.
   */
  failed(source: PeerSource, fault: Fault, relay?: Server): void {
    const { peer, location } = source.kind === 'peer' ? source.offer : source.download
    const [server, at] = relay === undefined ? [peer, location] : [relay.server, relay.location]
    this.#heldAgainst(server, placeOf(at), fault, source.kind === 'in-progress' || relay !== undefined)
  }

  /** It was silent for what its promise had left of its time; anybody could have promised it in its name. */
  promised(peer: Address, fault: Fault): void {
    this.#heldAgainst(peer, 'promises', fault, false)
  }

  /** A peer that helped out was of no use; who had no place, or other bytes, has done no wrong. */
  helperFailed(peer: Address, fault: Fault, location: string): void {
    const isBlameless = fault.code === 'PEER_BUSY' || fault.code === 'PEER_LOST'
    const isBusy = fault.code === 'PEER_STALLED' && this.#components.isBusy?.() === true
    if (isBlameless || isBusy) return
    // It has stated itself what the piece is.
    if (fault.code === 'VERIFICATION_FAILED') this.#shun([peer], 'bad-bytes', fault)
    else this.#heldAgainst(peer, placeOf(location), fault, false)
  }

  #heldAgainst(peer: Address, part: Part | undefined, fault: Fault, isGrowing: boolean): void {
    const reason = reasonOf(fault)
    const isDoubtful = isGrowing || reason === 'broke-off'
    this.#shun([peer], reason, fault, { uri: this.#request.uri, part, isDoubtful })
  }

  /**
   * Which of several peers lied is known only where all of them have; otherwise they are left aside for a moment, at their places and
   * for the files of that origin server. A name that changes may mean other bytes there, and honestly so, or where the end came from;
   * and a peer that did not confirm what it sends may have been named by somebody else.
   */
  async wrongBytes(body: WrongBody, fault: Fault): Promise<void> {
    const { contributors, isConfirmed, isPassedOn, isStated, isUnjudged } = body.provenance
    const peers = [...contributors]
    // Who reads from an honest machine could else have it left aside, and who is read an honest reader.
    if (peers.length === 0 || isPassedOn) return
    const isExcused = !isConfirmed || body.isMixed || (await this.#mayBeAnotherVersion())
    const isShown = peers.length === 1 || isStated
    if (isExcused || !isShown) return this.beganWrong(contributors, body.provenance, fault)
    const isDoubtful = isUnjudged || !(await this.#isCertain())
    const suspect = { uri: this.#request.uri, body: await body.sha256(), isDoubtful }
    this.#shun(peers, 'bad-bytes', fault, suspect)
  }

  /**
   * Whether every machine is told the same that the bytes should be: by the name (V1), or by somebody whom the machine trusts (V2).
   * An origin server, an index of its own, or a member can tell each machine something else.
   */
  async #isCertain(): Promise<boolean> {
    const expectation = await this.#components.proofs.ofPeers()
    return expectation.kind === 'digest' && (expectation.rung === 'V1' || expectation.isSigned === true)
  }

  /** Who had begun a whole that is wrong, and failed, may have lied: it is left aside for a moment. */
  beganWrong(peers: ReadonlySet<Address>, { places }: Pick<Provenance, 'places'>, fault: Fault): void {
    const { uri } = this.#request
    for (const peer of peers)
      this.#shun([peer], 'broke-off', fault, { uri, part: places.get(peer), isDoubtful: true })
  }

  async #mayBeAnotherVersion(): Promise<boolean> {
    const expectation = await this.#components.proofs.ofPeers()
    const isFromOrigin = expectation.rung === 'V3' || expectation.kind === 'signature'
    return isFromOrigin && !this.#request.policy.immutable
  }

  #shun(peers: readonly Address[], reason: ShunReason, fault: Fault, suspect?: Suspicion): void {
    const { uri } = this.#request
    const detail = `${withoutSecrets(uri)}: ${fault.message}`
    for (const peer of peers) this.#components.shun(peer, reason, detail, suspect)
  }
}

function reasonOf({ code }: Fault): ShunReason {
  if (code === 'VERIFICATION_FAILED') return 'bad-bytes'
  return code === 'PEER_STALLED' || code === 'PEER_SLOW' ? 'stalled' : 'broke-off'
}
