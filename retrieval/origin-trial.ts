/**
 * How fast the origin server would send at this moment, tried beside a peer that is slow: a small part of what is missing is asked
 * for, and thrown away. On a line that is full it comes as slowly as everything else, and then the peer is not to blame.
 */
import { LRUCache } from 'lru-cache'
import { atMost, type Clock, type Monotonic } from '../core/clock.ts'
import { isContentName } from '../core/content-name.ts'
import { fieldValue, SELECTING_A_PART, withField, withoutFields } from '../core/fields.ts'
import { parseContentRange, type ByteSpan } from '../core/ranges.ts'
import type { Upstream, UpstreamResponse } from '../core/upstream.ts'
import { contentLength } from './peer-source.ts'
import type { RetrievalRequest } from './request.ts'
import { headWithin } from './sounding.ts'

/** So long a trial takes at most, in ms. */
export const TRIAL_MS = 250

/** A share of what is missing is asked for, in these bounds, in bytes: one flight of packets at the least. */
export interface TrialBytes {
  readonly share: number
  readonly most: number
  /**
   * Several files share the line, and many try it at the same moment: only where the head comes in time is more asked for. A full line
   * would carry it all, though nobody waits for it any more.
   */
  readonly isSounded?: boolean
}
const LEAST_TRIAL_BYTES = 16 * 1024

/** Of a file whose size alone is asked for. */
export const SIZE_BYTES = 1024
const SIZE: TrialBytes = { share: 1, most: SIZE_BYTES }

/** Many read what grows, and each of them may try: that must not amount to another copy. */
export const TRIAL_BYTES = {
  whole: { share: 1 / 8, most: 256 * 1024 },
  large: { share: 1 / 8, most: 512 * 1024 },
  growing: { share: 1 / 8, most: 128 * 1024 },
  /** Where nothing is known of the line: enough to see that it is many times as fast. */
  untold: { share: 1 / 8, most: 32 * 1024 },
  /** Of a file of which nothing is known. */
  plain: { share: 1, most: 80 * 1024 },
} as const satisfies Record<string, TrialBytes>

/** What comes after the first bytes tells the speed without the way, once it is so much and took so long. */
const TELLING_BYTES = 64 * 1024
const TELLING_MS = 20

/** What was found out for one server is for all who fetch from it, for so long, in ms. */
export const FRESH_TRIAL_MS = 1000

/** And that the line is full for so long, in ms: so many ask that it would be a part of what fills it. */
export const FULL_MS = 4000

/** More servers than this are not remembered. */
export const MAX_SERVERS = 64

export interface Trial {
  readonly at: Monotonic
  /** 0: nothing came, or no file. */
  readonly bytesPerSecond: number
  /** Which file was asked for, and how large it is; `undefined`: the server did not say. */
  readonly uri: string
  readonly size: number | undefined
}

interface Felt {
  readonly at: Monotonic
  readonly isFree: boolean
}

type Tried = Pick<Trial, 'bytesPerSecond' | 'size'>

const NOTHING_CAME: Tried = { bytesPerSecond: 0, size: undefined }

export class OriginTrials {
  readonly #clock: Clock
  readonly #origin: Upstream
  readonly #last = new Map<string, Trial>()
  readonly #felt = new LRUCache<string, Felt>({ max: MAX_SERVERS })
  /** Servers of which a head is asked for. */
  readonly #feeling = new Map<string, Promise<boolean>>()
  readonly #running = new Map<string, Promise<Trial>>()

  constructor({ clock, origin }: { readonly clock: Clock; readonly origin: Upstream }) {
    this.#clock = clock
    this.#origin = origin
  }

  /** What was found out a moment ago; `undefined`: nothing. */
  recent({ target }: RetrievalRequest): Trial | undefined {
    const trial = this.#last.get(serverOf(target))
    return trial !== undefined && this.#clock.monotonic() - trial.at <= FRESH_TRIAL_MS ? trial : undefined
  }

  /**
   * Whether a head of that server came in time a moment ago, and did not lately: then the line is not full, or is. `undefined`: nobody
   * knows, and one is asked for, for all files of the server.
   */
  isFree(request: RetrievalRequest): boolean | undefined {
    const felt = this.#felt.get(serverOf(request.target))
    const ago = this.#clock.monotonic() - (felt?.at ?? -Infinity)
    if (felt !== undefined && ago <= (felt.isFree ? FRESH_TRIAL_MS : FULL_MS)) return felt.isFree
    void this.#feel(request)
    return undefined
  }

  /** The same, waited for. Too many servers at once are taken for free ones. */
  #feel(request: RetrievalRequest): Promise<boolean> {
    const server = serverOf(request.target)
    const feeling = this.#feeling.get(server)
    if (feeling !== undefined) return feeling
    if (this.#feeling.size >= MAX_SERVERS) return Promise.resolve(true)
    const felt = headWithin(TRIAL_MS, this.#origin, request, this.#clock).then((head) => {
      const isFree = head !== undefined
      this.#feeling.delete(server)
      this.#felt.set(server, { at: this.#clock.monotonic(), isFree })
      return isFree
    })
    this.#feeling.set(server, felt)
    return felt
  }

  /** One at a time for a server. @param missing what is to come of a file. Never rejects. */
  run(request: RetrievalRequest, missing: ByteSpan, bytes: TrialBytes): Promise<Trial> {
    const server = serverOf(request.target)
    const running = this.#running.get(server)
    if (running !== undefined) return running
    const uri = request.target
    const trial = this.#tried(request, missing, bytes).then((tried) => {
      this.#running.delete(server)
      return this.#note(server, { at: this.#clock.monotonic(), uri, ...tried })
    })
    this.#running.set(server, trial)
    return trial
  }

  /** How large the file is there, found out by so little of it that it says nothing of the speed. Never rejects. */
  async size(request: RetrievalRequest): Promise<number | undefined> {
    return (await this.#tried(request, { start: 0, end: SIZE_BYTES }, SIZE)).size
  }

  #note(server: string, trial: Trial): Trial {
    this.#last.delete(server)
    this.#last.set(server, trial)
    const [oldest] = this.#last.keys()
    if (this.#last.size > MAX_SERVERS && oldest !== undefined) this.#last.delete(oldest)
    return trial
  }

  async #tried(request: RetrievalRequest, missing: ByteSpan, bytes: TrialBytes): Promise<Tried> {
    // A name is no place: nobody can be asked there.
    if (isContentName(request.target)) return NOTHING_CAME
    const { isSounded = false } = bytes
    const isFree = !isSounded || (this.isFree(request) ?? (await this.#feel(request)))
    return isFree ? this.#try(request, partOf(missing, bytes)) : NOTHING_CAME
  }

  async #try(request: RetrievalRequest, span: ByteSpan): Promise<Tried> {
    const beganAt = this.#clock.monotonic()
    const came: Came = { beganAt, bytes: 0, firstBytes: 0, firstAt: undefined, size: undefined }
    await atMost(this.#clock, TRIAL_MS, (signal) => this.#read(came, request, span, signal))
    return { bytesPerSecond: rateOf(came, this.#clock.monotonic()), size: came.size }
  }

  async #read(
    came: Came,
    { target, fields }: RetrievalRequest,
    { start, end }: ByteSpan,
    signal: AbortSignal,
  ): Promise<void> {
    const range = `bytes=${start}-${end - 1}`
    const asked = withField(withoutFields(fields, SELECTING_A_PART), 'Range', range)
    const response = await this.#origin.request({ method: 'GET', uri: target, fields: asked, signal })
    const { status, body } = response
    if (status !== 206 && status !== 200) return
    came.size = sizeOf(response)
    for await (const chunk of body) {
      came.bytes += chunk.length
      if (came.firstAt === undefined) {
        came.firstAt = this.#clock.monotonic()
        came.firstBytes = chunk.length
      }
      if (came.bytes >= end - start) return
    }
  }
}

function partOf({ start, end }: ByteSpan, { share, most }: TrialBytes): ByteSpan {
  const bytes = Math.min(most, Math.max(LEAST_TRIAL_BYTES, Math.ceil((end - start) * share)))
  return { start, end: Math.min(end, start + bytes) }
}

interface Came {
  readonly beganAt: Monotonic
  bytes: number
  firstBytes: number
  firstAt: Monotonic | undefined
  size: number | undefined
}

/** Of the whole file, as a part of it or all of it says. */
function sizeOf({ status, fields }: UpstreamResponse): number | undefined {
  if (status === 200) return contentLength(fields)
  return parseContentRange(fieldValue(fields, 'content-range') ?? '')?.size
}

/** With the way there and back, or without it, where enough came to tell. */
function rateOf({ beganAt, bytes, firstBytes, firstAt }: Came, now: Monotonic): number {
  if (firstAt === undefined) return 0
  const inAll = (bytes * 1000) / Math.max(1, now - beganAt)
  const [more, moreMs] = [bytes - firstBytes, now - firstAt]
  return more >= TELLING_BYTES && moreMs >= TELLING_MS ? Math.max(inAll, (more * 1000) / moreMs) : inAll
}

function serverOf(target: string): string {
  return URL.parse(target)?.host ?? ''
}
