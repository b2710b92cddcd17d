/** What has come of a file, and from where. When a source fails, the next one can go on where it stopped. */
import type { Source } from './fetch-request.ts'

export class Coming {
  #chunks: Buffer[] = []
  #kept = 0
  #received = 0
  #source: Source = 'internet'
  #tag: string | undefined

  /** Bytes that are kept. */
  get kept(): number {
    return this.#kept
  }

  /** Bytes that came, kept or not. */
  get received(): number {
    return this.#received
  }

  /** Of the beginning, where several sources sent a part. */
  get source(): Source {
    return this.#source
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#chunks)
  }

  /** From the first byte. @param tag the `ETag` field */
  begin(source: Source, tag: string | undefined): void {
    this.#chunks = []
    this.#kept = 0
    this.#source = source
    this.#tag = tag
  }

  add(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#kept += chunk.length
    this.#received += chunk.length
  }

  /** The rest, if it is still the same file; the whole where nobody can tell: only a strong validator does (RFC 9110 13.1.5). */
  restFields(): Record<string, string> {
    const isStrong = this.#tag?.startsWith('"') ?? false
    if (this.#kept === 0 || !isStrong || this.#tag === undefined) return {}
    return { range: `bytes=${this.#kept}-`, 'if-range': this.#tag }
  }
}
