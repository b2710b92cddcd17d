/** A body that comes piece by piece, for who reads it at his own pace: the server waits for a reader that is slow. */
import type { Fault } from './fault.ts'
import type { Call } from './upstream.ts'

/** Bytes that wait for the reader before the server is made to wait. */
const MAX_WAITING_BYTES = 256 * 1024

type Chunk = IteratorResult<Uint8Array, undefined>

interface Waiting {
  readonly resolve: (chunk: Chunk) => void
  readonly reject: (error: Fault) => void
}

const DONE: Chunk = { done: true, value: undefined }

export class PushedBody implements AsyncIterableIterator<Uint8Array> {
  readonly #source: Call
  #chunks: Uint8Array[] = []
  #waitingBytes = 0
  #isPaused = false
  #reader: Waiting | undefined
  #end: Fault | 'complete' | undefined

  /** @param source what the pieces come from: it is given up when the reader has no use for the rest. */
  constructor(source: Call) {
    this.#source = source
  }

  /** @param chunk is the reader's from now on. */
  push(chunk: Uint8Array): void {
    if (this.#end !== undefined) return
    const reader = this.#reader
    this.#reader = undefined
    if (reader !== undefined) return reader.resolve({ done: false, value: chunk })
    this.#chunks.push(chunk)
    this.#waitingBytes += chunk.length
    if (this.#isPaused || this.#waitingBytes <= MAX_WAITING_BYTES) return
    this.#isPaused = true
    this.#source.pause()
  }

  /** Nothing more comes: because that was all, or because of a fault. What came before can still be read. */
  end(how: Fault | 'complete'): void {
    if (this.#end !== undefined) return
    this.#end = how
    const reader = this.#reader
    this.#reader = undefined
    if (how === 'complete') reader?.resolve(DONE)
    else reader?.reject(how)
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<Chunk> {
    const value = this.#chunks.shift()
    if (value !== undefined) {
      this.#waitingBytes -= value.length
      this.#resume()
      return Promise.resolve({ done: false, value })
    }
    if (this.#end === 'complete') return Promise.resolve(DONE)
    if (this.#end !== undefined) return Promise.reject(this.#end)
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject }
    })
  }

  /** Who stops reading has no use for the rest. */
  return(): Promise<Chunk> {
    this.#chunks = []
    if (this.#end === undefined) {
      this.end('complete')
      this.#source.giveUp()
    }
    return Promise.resolve(DONE)
  }

  #resume(): void {
    if (!this.#isPaused || this.#waitingBytes > MAX_WAITING_BYTES / 2) return
    this.#isPaused = false
    if (this.#end === undefined) this.#source.resume()
  }
}
