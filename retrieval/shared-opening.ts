/** Work that several wait for, and that is given up when all of them have gone. */
import { NO_LONGER_NEEDED } from '../core/ended.ts'
import { Fault } from '../core/fault.ts'

export class SharedOpening<Result> {
  readonly #stop = new AbortController()
  readonly #result: Promise<Result>
  readonly #settled: Promise<void>
  #waiting = 0

  /** @param unclaimed what to do with a result that everybody who waited has gone from. */
  constructor(work: (stop: AbortController) => Promise<Result>, unclaimed: (result: Result) => void) {
    this.#result = work(this.#stop).then((result) => {
      if (this.#waiting === 0) unclaimed(result)
      return result
    })
    this.#settled = this.#result.then(nothing, nothing) // whoever waits for it says what went wrong
  }

  /** Resolves when the work is over, well or not. */
  get settled(): Promise<void> {
    return this.#settled
  }

  /** @throws what the work throws; Fault ABORTED as soon as `signal` aborts, and where the work was given up before. */
  async wait(signal: AbortSignal): Promise<Result> {
    this.#waiting += 1
    const gone = Promise.withResolvers<never>()
    const leave = () => gone.reject(new Fault('ABORTED', 'the application has gone'))
    if (signal.aborted) leave()
    signal.addEventListener('abort', leave, { once: true })
    const wasGivenUp = this.#stop.signal.aborted
    try {
      return await Promise.race([this.#result, gone.promise])
    } catch (error) {
      this.#waiting -= 1
      if (this.#waiting === 0) this.#stop.abort(NO_LONGER_NEEDED)
      throw wasGivenUp ? new Fault('ABORTED', 'everybody who waited had gone', { cause: error }) : error
    } finally {
      signal.removeEventListener('abort', leave)
    }
  }
}

function nothing(): undefined {}
