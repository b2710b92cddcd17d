/** Lines that take long to come. */
import { sleep, type Clock } from '../../core/clock.ts'
import { NO_LONGER_NEEDED } from '../../core/ended.ts'

/** Whoever asks takes a long silence for a node that is not well: an empty line says that it works on. */
const SIGN_OF_LIFE_MS = 15_000

/** What comes, and `null` whenever nothing has come for a while. */
export async function* keptAlive<Item>(
  items: AsyncIterable<Item>,
  clock: Clock,
): AsyncGenerator<Item | null> {
  const iterator = items[Symbol.asyncIterator]()
  let next = iterator.next()
  try {
    for (;;) {
      const come = new AbortController()
      const first = await Promise.race([next, sleep(clock, SIGN_OF_LIFE_MS, come.signal)])
      come.abort(NO_LONGER_NEEDED)
      if (first === undefined) {
        yield null
        continue
      }
      if (first.done) return
      yield first.value
      next = iterator.next()
    }
  } finally {
    // It may be waiting still; nobody waits for that.
    void iterator.return?.().catch(() => {})
  }
}
