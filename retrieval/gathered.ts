/**
 * Bytes on their way to a crowd of readers, in fewer and larger pieces. Each piece costs every reader a turn and a system
 * call, however small it is: 200 readers that are handed 16 KiB at a time take a processor for 8 MB/s.
 */
import { sleep, type Clock } from '../core/clock.ts'
import { NO_LONGER_NEEDED } from '../core/ended.ts'

/** A piece that has come to so many bytes waits for no more: the most that a reader is handed at once. */
const ENOUGH_BYTES = 512 * 1024
/** What a piece may wait for the sake of each reader, in ms: about what it costs to hand it to one. */
const MS_PER_READER = 0.1
/** Fewer readers than this are given everything as it comes. */
export const LEAST_CROWD = 10
/** No piece waits longer than this since the one before it, in ms… */
const MOST_MS = 20
/** …but while the crowd grows: who serves those that came first hears those that come late. So often that is looked at… */
const GROWTH_MS = 4
/** …and for so long. */
const MOST_GROWTH_MS = 80

/**
 * The same bytes in pieces that are large enough, or for whose sake it was waited long enough since the last one.
 * @throws what `body` throws, after all that came before.
 */
export async function* gathered(
  body: AsyncIterable<Uint8Array>,
  readers: () => number,
  clock: Clock,
): AsyncGenerator<Uint8Array> {
  const chunks = new Chunks(body, clock)
  try {
    for (let handedOnAt = -Infinity, crowd = 0; ;) {
      const piece = await chunks.piece(handedOnAt + waitMs(readers()))
      if (piece === undefined) return
      crowd = await grown(crowd, readers, handedOnAt + MOST_GROWTH_MS, clock)
      handedOnAt = clock.monotonic()
      yield piece
    }
  } finally {
    chunks.close()
  }
}

function waitMs(readers: number): number {
  return readers < LEAST_CROWD ? 0 : Math.min(readers * MS_PER_READER, MOST_MS)
}

/** Waits as long as a crowd is larger than `before`, and still grows; until `until` at most. @returns how large it is. */
async function grown(before: number, readers: () => number, until: number, clock: Clock): Promise<number> {
  let crowd = before
  while (readers() > Math.max(crowd, LEAST_CROWD) && clock.monotonic() < until) {
    crowd = readers()
    await sleep(clock, GROWTH_MS)
  }
  return readers()
}

class Chunks {
  readonly #clock: Clock
  readonly #body: AsyncIterator<Uint8Array>
  /** What was asked for and not taken: the next chunk, the end, or the error at which it breaks off. */
  #coming: Promise<IteratorResult<Uint8Array>> | undefined

  constructor(body: AsyncIterable<Uint8Array>, clock: Clock) {
    this.#body = body[Symbol.asyncIterator]()
    this.#clock = clock
  }

  /** One chunk at least, and what comes before it is enough or the time is over; `undefined` at the end. */
  async piece(waitsUntil: number): Promise<Uint8Array | undefined> {
    const first = await this.#next()
    if (first.done === true) return undefined
    this.#coming = undefined
    const piece = [first.value]
    for (let bytes = first.value.length; bytes < ENOUGH_BYTES;) {
      const chunk = await this.#nextUntil(waitsUntil)
      if (chunk === undefined) break
      piece.push(chunk)
      bytes += chunk.length
    }
    return piece.length === 1 ? first.value : Buffer.concat(piece)
  }

  /** Who stops reading has no use for the rest, and a body that was given up has no more to say. */
  close(): void {
    void Promise.resolve(this.#body.return?.()).catch(() => {})
  }

  #next(): Promise<IteratorResult<Uint8Array>> {
    this.#coming ??= this.#body.next()
    return this.#coming
  }

  /** The next chunk; `undefined` when it is late, or there is none: then `#next` says why. */
  async #nextUntil(time: number): Promise<Uint8Array | undefined> {
    const leftMs = time - this.#clock.monotonic()
    if (leftMs <= 0) return undefined
    const settled = new AbortController()
    const late = sleep(this.#clock, leftMs, settled.signal).then(() => undefined)
    const step = await Promise.race([this.#next(), late]).catch(() => undefined)
    settled.abort(NO_LONGER_NEEDED)
    if (step === undefined || step.done === true) return undefined
    this.#coming = undefined
    return step.value
  }
}
