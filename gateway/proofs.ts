/**
 * Bytes from a gateway against the digest that this machine knows of them (V1, V2): a member that lies, or somebody between the
 * two machines, cannot pass off another file. The last chunk is held back until all are proved, so a wrong file is never whole.
 */
import type { Digest } from '../core/digest.ts'
import { Fault } from '../core/fault.ts'
import { fieldValue, hasField } from '../core/fields.ts'
import { createDigest, type DigestInProgress } from '../core/hash.ts'
import { parseContentRange } from '../core/ranges.ts'
import type { UpstreamRequest, UpstreamResponse } from '../core/upstream.ts'

/** Bodies that broke off and may be gone on with, by another gateway too. */
const MAX_BROKEN = 64

interface Progress {
  readonly digest: DigestInProgress
  /** Bytes that were passed on, from the first. */
  bytes: number
}

export class Proofs {
  readonly #knownDigest: (target: string) => Digest | undefined
  readonly #broken = new Map<string, Progress>()

  constructor(knownDigest: (target: string) => Digest | undefined) {
    this.#knownDigest = knownDigest
  }

  /**
   * The same body; it throws VERIFICATION_FAILED in the place of its last chunk when it is wrong. Where nothing is known, or
   * only a part comes whose beginning did not come this way, it is passed on as it is.
   */
  proving(request: UpstreamRequest, response: UpstreamResponse): AsyncIterable<Uint8Array> {
    const digest = request.method === 'GET' ? this.#knownDigest(request.uri) : undefined
    if (digest === undefined || hasField(response.fields, 'content-encoding')) return response.body
    const progress = this.#progress(request.uri, response, digest)
    return progress === undefined ? response.body : this.#prove(request.uri, response.body, digest, progress)
  }

  #progress(
    target: string,
    { status, fields }: UpstreamResponse,
    { algorithm }: Digest,
  ): Progress | undefined {
    const before = this.#broken.get(target)
    this.#broken.delete(target)
    if (status === 200) return { digest: createDigest(algorithm), bytes: 0 }
    const range = status === 206 ? parseContentRange(fieldValue(fields, 'content-range') ?? '') : undefined
    const isRest = range !== undefined && range.end === range.size
    return isRest && before?.bytes === range.start ? before : undefined
  }

  async *#prove(
    target: string,
    body: AsyncIterable<Uint8Array>,
    expected: Digest,
    progress: Progress,
  ): AsyncIterable<Uint8Array> {
    let held: Uint8Array | undefined
    let isWhole = false
    try {
      for await (const chunk of body) {
        if (held !== undefined) {
          note(progress, held)
          yield held
        }
        held = chunk
      }
      isWhole = true
    } finally {
      if (!isWhole) this.#keep(target, progress)
    }
    if (held !== undefined) note(progress, held)
    if (progress.digest.hex() !== expected.hex)
      throw new Fault(
        'VERIFICATION_FAILED',
        `expected ${expected.algorithm} ${expected.hex}, got other bytes`,
      )
    if (held !== undefined) yield held
  }

  #keep(target: string, progress: Progress): void {
    this.#broken.set(target, progress)
    const [oldest] = this.#broken.keys()
    if (this.#broken.size > MAX_BROKEN && oldest !== undefined) this.#broken.delete(oldest)
  }
}

function note(progress: Progress, chunk: Uint8Array): void {
  progress.digest.update(chunk)
  progress.bytes += chunk.length
}
