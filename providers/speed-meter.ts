/** How fast the Internet has been lately, from what came from it anyway: one of the criteria. */
import type { Clock } from '../core/clock.ts'
import { fieldValue } from '../core/fields.ts'
import type { Upstream, UpstreamResponse } from '../core/upstream.ts'

/** Smaller bodies say more of the round trip than of the speed, in bytes. */
export const MEASURED_BYTES = 256 * 1024

/** What was measured before counts so much beside what is measured now, at the least: a slow server is not a slow line. */
const MEMORY = 0.8

export class SpeedMeter {
  readonly #clock: Clock
  /** `undefined`: nothing was measured yet. */
  bytesPerSecond: number | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** The same upstream, with its large bodies measured. */
  of<Kind extends Upstream>(upstream: Kind): Kind {
    return { ...upstream, request: async (request) => this.#measured(await upstream.request(request)) }
  }

  #measured(response: UpstreamResponse): UpstreamResponse {
    const length = Number(fieldValue(response.fields, 'content-length') ?? 0)
    return length < MEASURED_BYTES ? response : { ...response, body: this.#counted(response.body) }
  }

  async *#counted(body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    const from = this.#clock.monotonic()
    let bytes = 0
    try {
      for await (const chunk of body) {
        bytes += chunk.length
        yield chunk
      }
    } finally {
      this.#note(bytes, this.#clock.monotonic() - from)
    }
  }

  #note(bytes: number, ms: number): void {
    if (bytes < MEASURED_BYTES) return
    const now = (bytes * 1000) / Math.max(1, ms)
    this.bytesPerSecond = Math.max(now, MEMORY * (this.bytesPerSecond ?? 0))
  }
}
