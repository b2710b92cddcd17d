/** What a copy from a peer must show, each means asked once and only when it is needed (V§1). A verifier that fails proves nothing. */
import type { AttestedQuestion, Expectation, Verifier } from '../core/verifier.ts'
import type { RetrievalRequest } from './request.ts'
import type { Source } from './source.ts'

export const NO_EXPECTATION: Expectation = { kind: 'none', rung: 'V6' }

export class Proofs {
  readonly #request: RetrievalRequest
  readonly #verifier: Verifier
  #known: Promise<Expectation> | undefined
  /** What the origin server publishes, once it has been asked. */
  #published: Promise<Expectation> | undefined
  /** What members vouch for of the copy that is coming. */
  #attested: Expectation = NO_EXPECTATION

  constructor(request: RetrievalRequest, verifier: Verifier) {
    this.#request = request
    this.#verifier = verifier
  }

  /** What is known without asking anybody. */
  known(): Promise<Expectation> {
    const { uri, policy } = this.#request
    this.#known ??= this.#verifier.expect(uri, policy).catch(() => NO_EXPECTATION)
    return this.#known
  }

  /** Now that a peer has it, the origin server is asked for a digest where nothing else is known (V3). */
  async ofPeers(): Promise<Expectation> {
    const expectation = await this.known()
    if (expectation.kind !== 'askable') return expectation
    this.#published ??= this.#verifier.ask(this.#request).catch(() => NO_EXPECTATION)
    return this.#published
  }

  /**
   * The same for one source. What members of the site vouch for (V4) are whole copies, and what they promise to vouch for is
   * coming to them; what goes on from the origin server is held against what began it, and bytes of two versions are never
   * joined.
   * @param isBegun whether bytes are here already.
   */
  async of(source: Source, isBegun: () => boolean): Promise<Expectation> {
    const expectation = await this.ofPeers()
    if (expectation.kind !== 'attestable') return expectation
    if (source.kind === 'internet') return this.#attested
    const isGrowing = source.kind === 'in-progress'
    const { location } = isGrowing ? source.download : source.offer
    return this.#attestedAt({ ...this.#request, location, isGrowing }, isBegun)
  }

  async #attestedAt(question: AttestedQuestion, isBegun: () => boolean): Promise<Expectation> {
    const found = await this.#verifier.attested?.(question).catch(() => NO_EXPECTATION)
    const before = this.#attested
    if (found === undefined || (isOther(found, before) && isBegun())) return NO_EXPECTATION
    // One that nobody vouches for leaves in force what proves the bytes that are here.
    if (found.kind !== 'none') this.#attested = found
    return found
  }
}

function isOther(found: Expectation, before: Expectation): boolean {
  if (found.kind === 'digest' && before.kind === 'digest') return found.digest.hex !== before.digest.hex
  return found.kind === 'promised' && before.kind === 'promised' && found.version !== before.version
}
