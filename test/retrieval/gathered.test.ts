import assert from 'node:assert/strict'
import { setImmediate as turn } from 'node:timers/promises'
import { describe, it } from 'node:test'
import { gathered, LEAST_CROWD } from '../../retrieval/gathered.ts'
import { manualClock } from '../manual-clock.ts'

/** What is handed on, while chunks are pushed and time passes. */
function gathering(readers: () => number) {
  const clock = manualClock()
  const waiting: (() => void)[] = []
  const chunks: Uint8Array[] = []
  const state: { end?: 'complete' | Error; isClosed: boolean } = { isClosed: false }
  const body = {
    async *[Symbol.asyncIterator]() {
      try {
        for (;;) {
          const chunk = chunks.shift()
          if (chunk !== undefined) yield chunk
          else if (state.end instanceof Error) throw state.end
          else if (state.end !== undefined) return
          else await new Promise<void>((resolve) => waiting.push(resolve))
        }
      } finally {
        state.isClosed = true
      }
    },
  }
  const pieces: (number | string)[] = []
  const reading = gathered(body, readers, clock)
  const done = (async () => {
    try {
      for await (const piece of reading) pieces.push(piece.length)
      pieces.push('end')
    } catch (error) {
      pieces.push(String(error))
    }
  })()
  const settle = async () => {
    for (let turns = 0; turns < 10; turns += 1) await turn()
  }
  return {
    pieces,
    state,
    reading,
    done,
    push: async (...lengths: number[]) => {
      chunks.push(...lengths.map((length) => new Uint8Array(length)))
      waiting.splice(0).forEach((wake) => wake())
      await settle()
    },
    end: async (end: 'complete' | Error) => {
      state.end = end
      waiting.splice(0).forEach((wake) => wake())
      await settle()
    },
    pass: async (ms: number) => {
      for (let each = 0; each < ms; each += 1) {
        clock.advance(1)
        await settle()
      }
    },
  }
}

describe('bytes on their way to a crowd', () => {
  it('are handed on as they come where few read', async () => {
    const { push, pieces } = gathering(() => LEAST_CROWD - 1)
    await push(10)
    await push(20)
    await push(30)
    assert.deepEqual(pieces, [10, 20, 30])
  })

  it('are handed on at once when they are the first, and then together with what comes within a while', async () => {
    const { push, pass, pieces } = gathering(() => 200)
    await push(10)
    await pass(4)
    assert.deepEqual(pieces, [10])
    await push(20)
    await push(30)
    assert.deepEqual(pieces, [10])
    await pass(20)
    assert.deepEqual(pieces, [10, 50])
  })

  it('wait no longer when they have come to 512 KiB', async () => {
    const { push, pass, pieces } = gathering(() => 200)
    await push(1)
    await pass(4)
    await push(500 * 1024)
    assert.deepEqual(pieces, [1])
    await push(20 * 1024)
    assert.deepEqual(pieces, [1, 520 * 1024])
  })

  it('wait while the crowd grows, and not for ever', async () => {
    let readers = LEAST_CROWD
    const { push, pass, pieces } = gathering(() => (readers += 1))
    await push(10)
    await push(300 * 1024)
    await pass(79)
    assert.deepEqual(pieces, [10])
    await pass(5)
    assert.deepEqual(pieces, [10, 300 * 1024])
  })

  it('are all handed on before the end', async () => {
    const { push, end, pass, pieces } = gathering(() => 200)
    await push(10)
    await pass(4)
    await push(20)
    await end('complete')
    assert.deepEqual(pieces, [10, 20, 'end'])
  })

  it('are all handed on before the error at which they break off', async () => {
    const { push, end, pass, pieces } = gathering(() => 200)
    await push(10)
    await pass(4)
    await push(20)
    await end(new Error('broken'))
    assert.deepEqual(pieces, [10, 20, 'Error: broken'])
  })

  it('are not asked for any more when nobody wants them', async () => {
    const { push, reading, state, pieces } = gathering(() => 1)
    await push(10)
    const closing = reading.return(undefined)
    await push(10)
    await closing
    await push()
    assert.deepEqual([pieces, state.isClosed], [[10, 10, 'end'], true])
  })
})
