/** An application behind a node's proxy: asks, reads at its own pace, and says what it got and when. */
import type { Digester } from '../cache/piece-digests.ts'
import type { Answer } from '../core/answer.ts'
import { sleep } from '../core/clock.ts'
import { fieldValue, type Fields } from '../core/fields.ts'
import type { TargetUri } from '../core/target-uri.ts'
import type { Resources } from '../retrieval/resources.ts'
import type { Trace } from '../retrieval/resource.ts'
import type { Life } from './virtual-host.ts'

export interface ApplicationRequest {
  readonly uri: TargetUri
  /** Tells applications apart. */
  readonly client: string
  readonly fields?: Fields
  /** Goes away once it has this many bytes. */
  readonly leavesAfterBytes?: number
  /** Reads no faster than this. */
  readonly bytesPerSecond?: number
}

/** What an application got. Times are ms since it asked. */
export interface Got {
  /**
   * `complete`: as long as was promised. `cut`: the connection broke off, so that the application knows. `refused`: an
   * error page instead. `left`: it went away by itself. `crashed`: its own node did.
   */
  readonly outcome: 'complete' | 'cut' | 'refused' | 'left' | 'crashed'
  readonly status: number
  readonly sha256: string
  readonly bytes: number
  readonly firstByteMs: number
  readonly doneMs: number
  readonly source: Trace['how']
  /** The longest time between two chunks, or before the first, in ms. */
  readonly longestStallMs: number
  readonly error?: unknown
}

/** `digester` says what was read. */
export function ask(
  life: Life,
  resources: Resources,
  digester: Digester,
  request: ApplicationRequest,
): Promise<Got> {
  const application = new Application(life, digester, request)
  return Promise.race([application.run(resources), application.crashed()])
}

class Application {
  readonly #life: Life
  readonly #request: ApplicationRequest
  readonly #askedAt: number
  readonly #digester: Digester
  readonly #leaving = new AbortController()
  #status = 0
  #source: Trace['how'] = 'error'
  #bytes = 0
  #firstByteMs = Infinity
  #lastChunkMs = 0
  #longestStallMs = 0

  constructor(life: Life, digester: Digester, request: ApplicationRequest) {
    this.#life = life
    this.#digester = digester
    this.#request = request
    this.#askedAt = life.clock.monotonic()
  }

  async run(resources: Resources): Promise<Got> {
    const { uri, client, fields = [] } = this.#request
    const { signal } = this.#leaving
    try {
      const asked = { method: 'GET', uri, target: uri, received: fields, forwarded: fields } as const
      const { answer, trace } = await resources.get({ ...asked, client, signal })
      this.#status = answer.status
      this.#source = trace.how
      return await this.#read(answer)
    } catch (error) {
      return this.#got(this.#status === 0 ? 'refused' : 'cut', error)
    }
  }

  /** Settles only when the node crashes while the application waits. */
  crashed(): Promise<Got> {
    return new Promise((resolve) => {
      const crash = () => resolve(this.#got('crashed'))
      if (this.#life.signal.aborted) crash()
      else this.#life.signal.addEventListener('abort', crash, { once: true })
    })
  }

  async #read(answer: Answer): Promise<Got> {
    const { leavesAfterBytes = Infinity, bytesPerSecond } = this.#request
    for await (const chunk of answer.body ?? []) {
      this.#take(chunk)
      if (bytesPerSecond !== undefined) await sleep(this.#life.clock, (chunk.length / bytesPerSecond) * 1000)
      if (this.#bytes < leavesAfterBytes) continue
      this.#leaving.abort()
      return this.#got('left')
    }
    const promised = fieldValue(answer.fields, 'content-length')
    const isWhole = promised === undefined || Number(promised) === this.#bytes
    return this.#got(isWhole ? 'complete' : 'cut')
  }

  #take(chunk: Uint8Array): void {
    const now = this.#elapsedMs()
    this.#digester.update(chunk)
    this.#bytes += chunk.length
    this.#firstByteMs = Math.min(this.#firstByteMs, now)
    this.#longestStallMs = Math.max(this.#longestStallMs, now - this.#lastChunkMs)
    this.#lastChunkMs = now
  }

  #elapsedMs(): number {
    return this.#life.clock.monotonic() - this.#askedAt
  }

  #got(outcome: Got['outcome'], error?: unknown): Got {
    return {
      outcome,
      status: this.#status,
      sha256: this.#digester.result().sha256,
      bytes: this.#bytes,
      firstByteMs: this.#firstByteMs,
      doneMs: this.#elapsedMs(),
      source: this.#source,
      longestStallMs: this.#longestStallMs,
      ...(error === undefined ? {} : { error }),
    }
  }
}
