/** What is to be done when a body has been read, or given up. */

/** `complete`: to its end. `failed`: it broke off. `left`: nobody wants the rest. */
export type BodyEnd = 'complete' | 'failed' | 'left'

/**
 * The same body; `ended` is called once, when it has begun to be read and is not read any more. What it throws where it is `complete`,
 * or has `failed`, is what the reader gets in its place.
 */
export function endingBody(
  body: AsyncIterable<Uint8Array>,
  ended: (how: BodyEnd) => void,
): AsyncIterable<Uint8Array> {
  return { [Symbol.asyncIterator]: () => new EndingBody(body[Symbol.asyncIterator](), ended) }
}

/** Not a generator: each of a crowd of readers takes thousands of turns. */
class EndingBody implements AsyncIterator<Uint8Array> {
  readonly #chunks: AsyncIterator<Uint8Array>
  readonly #ended: (how: BodyEnd) => void
  #isOver = false
  #hasBegun = false

  constructor(chunks: AsyncIterator<Uint8Array>, ended: (how: BodyEnd) => void) {
    this.#chunks = chunks
    this.#ended = ended
  }

  async next(): Promise<IteratorResult<Uint8Array>> {
    this.#hasBegun = true
    let step: IteratorResult<Uint8Array>
    try {
      step = await this.#chunks.next()
    } catch (error) {
      this.#end('failed')
      throw error
    }
    if (step.done === true) this.#end('complete')
    return step
  }

  async return(): Promise<IteratorResult<Uint8Array>> {
    try {
      await this.#chunks.return?.()
    } finally {
      if (this.#hasBegun) this.#end('left')
    }
    return { done: true, value: undefined }
  }

  #end(how: BodyEnd): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#ended(how)
  }
}
