/** What is known of the response that is coming: its fields, when they came, and whether it may be kept. */
import type { Clock, EpochMs } from '../core/clock.ts'
import type { Fields } from '../core/fields.ts'
import type { ResponseHead } from '../core/store.ts'
import type { Stored } from '../cache/semantics/freshness.ts'
import { dated } from '../cache/semantics/http-date.ts'
import { admit, type Admission } from './admission.ts'
import type { OriginHead } from './origin-copy.ts'
import { believed } from './peer-fields.ts'
import type { RetrievalRequest } from './request.ts'

export class ComingHead {
  readonly #request: RetrievalRequest
  readonly #clock: Clock
  #fields: Fields = []
  #isOrigins = false
  #admission: Admission = { kind: 'refused', reason: 'nothing has come yet' }
  #requestTime: EpochMs
  #responseTime: EpochMs

  constructor(request: RetrievalRequest, clock: Clock) {
    this.#request = request
    this.#clock = clock
    this.#requestTime = clock.wall()
    this.#responseTime = this.#requestTime
  }

  /** The fields that came with the first source; none before. */
  get fields(): Fields {
    return this.#fields
  }

  /** Whether the origin server has sent them. */
  get isOrigins(): boolean {
    return this.#isOrigins
  }

  get admission(): Admission {
    return this.#admission
  }

  /** What applications are answered with, as far as reuse depends on it. Peers have files and nothing else. */
  get response(): Stored {
    const times = { requestTime: this.#requestTime, responseTime: this.#responseTime }
    return { status: 200, fields: this.#fields, ...times }
  }

  /** A peer's fields describe the bytes; when the response came is when it came here. */
  fromPeer(fields: Fields): void {
    this.#responseTime = this.#clock.wall()
    this.#isOrigins = false
    const told = believed(fields, this.#responseTime, this.#request.policy)
    this.#fields = dated(told, this.#responseTime)
    this.#admission = admit(this.#request, this.response)
  }

  /**
   * The origin server's fields decide from now on whether it is kept.
   * @param isFirst whether applications may be told them as well: they were told nothing that binds.
   */
  fromOrigin(fields: Fields, isFirst: boolean): void {
    if (isFirst) {
      this.#fields = fields
      this.#isOrigins = true
      this.#responseTime = this.#clock.wall()
    }
    this.#admission = admit(this.#request, { ...this.response, fields })
  }

  /** What the origin server alone had begun is gone on with. */
  takeOver({ fields, admission, requestTime, responseTime }: OriginHead): void {
    this.#fields = fields
    this.#isOrigins = true
    this.#admission = admission
    this.#requestTime = requestTime
    this.#responseTime = responseTime
  }

  /** Nothing is known any more; until something is, `reason` says why it is not kept. */
  forget(reason = 'nothing has come yet'): void {
    this.#fields = []
    this.#isOrigins = false
    this.#admission = { kind: 'refused', reason }
  }

  /** What is stored with the body; `undefined` when it may not be stored. */
  toStore(source: ResponseHead['source']): ResponseHead | undefined {
    if (this.#admission.kind === 'refused') return undefined
    const { fields, selecting, isShareable } = this.#admission
    const { status, requestTime, responseTime } = this.response
    const { uri } = this.#request
    return { uri, selecting, status, fields, requestTime, responseTime, source, shareable: isShareable }
  }
}
