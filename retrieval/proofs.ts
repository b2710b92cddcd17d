/** What a copy from a peer must show, each means asked once and only when it is needed (V§1). A verifier that fails proves nothing. */
import type { Expectation, Verifier } from '../core/verifier.ts'
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
   * The same for one source. What members of the site vouch for (V4) are whole copies; what goes on from the origin server is
   * held against what began it, and bytes of two versions are never joined.
   * @param isBegun whether bytes are here already.
   */
  async of(source: Source, isBegun: () => boolean): Promise<Expectation> {
    const expectation = await this.ofPeers()
    if (expectation.kind !== 'attestable') return expectation
    if (source.kind === 'internet') return this.#attested
    return source.kind === 'peer' ? this.#attestedAt(source.offer.location, isBegun) : NO_EXPECTATION
  }

  async #attestedAt(location: string, isBegun: () => boolean): Promise<Expectation> {
    const question = { ...this.#request, location }
    const found = await this.#verifier.attested?.(question).catch(() => NO_EXPECTATION)
    const before = this.#attested
    const isOther =
      found?.kind === 'digest' && before.kind === 'digest' && found.digest.hex !== before.digest.hex
    if (found === undefined || (isOther && isBegun())) return NO_EXPECTATION
    this.#attested = found
    return found
  }
}
