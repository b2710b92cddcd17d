/**
 * What comes over the line that everybody shares: what this node fetches itself, and what comes by way of peers that are fetching at
 * this moment, all their growing copies together. Six files at once come at a sixth of the line's speed each, and none of them is slow.
 */
import type { Clock } from '../core/clock.ts'
import type { Upstream, UpstreamResponse } from '../core/upstream.ts'
import { counted } from '../core/counted-body.ts'
import { BytePeriods } from './byte-periods.ts'

/** What counts is what came in the last so many ms. */
export const USE_WINDOW_MS = 500

/** It is counted in periods of so many ms. */
const PERIOD_MS = 100
const PERIODS = USE_WINDOW_MS / PERIOD_MS

/**
 * Files of which something came within this, in ms, come at the same moment: over a slow line that six of them share, each has a piece
 * about once in a second.
 */
export const AT_ONCE_MS = 2000

/** That several files come at the same moment tells for so long, in ms, that they share a line. */
export const SHARED_MS = 60_000

export class LineUse {
  readonly #clock: Clock
  readonly #periods: BytePeriods
  /** Files that come, with the period of the last byte. */
  readonly #files = new Map<string, number>()
  #sharedAt = -Infinity

  constructor(clock: Clock) {
    this.#clock = clock
    this.#periods = new BytePeriods(clock, PERIOD_MS, PERIODS)
  }

  /** The same upstream, with what comes from it counted as it comes. */
  of(upstream: Upstream): Upstream {
    return {
      request: async (request) => this.#counted(request.uri, await upstream.request(request)),
      prepare: (uri) => upstream.prepare?.(uri),
    }
  }

  /** @param uri of the file. */
  note(bytes: number, uri: string): void {
    const period = this.#turn()
    if (bytes > 0) this.#files.set(uri, period)
    if (this.#files.size > 1) this.#sharedAt = this.#clock.monotonic()
    this.#periods.add(bytes)
  }

  bytesPerSecond(): number {
    return (this.#periods.sum() * 1000) / USE_WINDOW_MS
  }

  /**
   * Whether several files come at once, or came lately, whoever fetches them. Where all of them together are slow, it is the line
   * that is, and not the one by way of whom one of them comes.
   */
  isShared(): boolean {
    return this.#clock.monotonic() - this.#sharedAt < SHARED_MS
  }

  /** Forgets the files of which nothing has come for too long. @returns the period that runs */
  #turn(): number {
    const now = this.#periods.turn()
    const since = now - AT_ONCE_MS / PERIOD_MS
    for (const [uri, period] of this.#files) if (period <= since) this.#files.delete(uri)
    return now
  }

  #counted(uri: string, response: UpstreamResponse): UpstreamResponse {
    return { ...response, body: counted(response.body, (bytes) => this.note(bytes, uri)) }
  }
}
