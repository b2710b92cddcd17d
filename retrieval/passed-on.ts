/**
 * Responses that are not kept: each goes to its one application as it comes, and nothing else holds it. They are listed meanwhile, for
 * people who watch.
 */
import type { Clock } from '../core/clock.ts'
import { counted } from '../core/counted-body.ts'
import type { TargetUri } from '../core/target-uri.ts'
import type { UpstreamResponse } from '../core/upstream.ts'
import type { DownloadProgress } from '../peering/local-copies.ts'
import { contentLength } from './peer-source.ts'
import { RecentRate } from './recent-rate.ts'

/** One of them, while its body is read. */
export interface PassedOnResponse {
  readonly uri: TargetUri
  shown(): DownloadProgress
}

export class PassedOn {
  readonly #clock: Clock
  readonly #running = new Set<PassedOnResponse>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  all(): Iterable<PassedOnResponse> {
    return this.#running
  }

  /** The body of this response; `note` is told of the bytes of each piece as it is read. */
  async *body(
    uri: TargetUri,
    { fields, body }: Pick<UpstreamResponse, 'fields' | 'body'>,
    note: (bytes: number) => void,
  ): AsyncGenerator<Uint8Array> {
    const rate = new RecentRate(this.#clock)
    const totalBytes = contentLength(fields)
    let receivedBytes = 0
    const shown = () => ({ receivedBytes, totalBytes, bytesPerSecond: rate.bytesPerSecond() })
    const running = { uri, shown }
    this.#running.add(running)
    try {
      yield* counted(body, (bytes) => {
        receivedBytes += bytes
        rate.note(bytes)
        note(bytes)
      })
    } finally {
      this.#running.delete(running)
    }
  }
}
