import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { USE_MS, used } from '../../library/functions.ts'
import { manualClock } from '../manual-clock.ts'
import type { Provider } from '../../library/index.ts'

const PROVIDER = { function: 'scan', location: 'http://127.0.0.2:9000/' } as unknown as Provider

function scene(signal?: AbortSignal) {
  const reported: string[] = []
  return {
    reported,
    find: async () => PROVIDER,
    report: async (_: Provider, reason: string) => void reported.push(reason),
    clock: manualClock(),
    signal,
  }
}

describe('the use of a function', () => {
  test('reports each provider that fails, three at most', async () => {
    const at = scene()
    const failing = () => Promise.reject(new Error('no answer'))
    await assert.rejects(used('scan', { ...at, use: failing }), /no answer/)
    assert.deepEqual(at.reported, ['no answer', 'no answer', 'no answer'])
  })

  test('that is given up reports nobody', async () => {
    const end = new AbortController()
    const at = scene(end.signal)
    const use = async () => {
      end.abort(new Error('given up'))
      throw end.signal.reason
    }
    await assert.rejects(used('scan', { ...at, use }), /given up/)
    assert.deepEqual(at.reported, [])
  })

  test('ends when it is given up, though the provider never answers', async () => {
    const end = new AbortController()
    const at = scene(end.signal)
    let given: AbortSignal | undefined
    const use = (_: Provider, signal: AbortSignal) => {
      given = signal
      queueMicrotask(() => end.abort(new Error('late')))
      return new Promise<never>(() => {})
    }
    await assert.rejects(used('scan', { ...at, use }), { code: 'ABORTED' })
    assert.equal(given?.aborted, true)
    assert.deepEqual(at.reported, [])
  })

  test('reports a provider that never answers, after its time, and tries the next one', async () => {
    const at = scene()
    let tries = 0
    const use = () => {
      tries += 1
      if (tries === 2) return Promise.resolve('done')
      queueMicrotask(() => at.clock.advance(USE_MS))
      return new Promise<string>(() => {})
    }
    assert.equal(await used('scan', { ...at, use }), 'done')
    assert.deepEqual(at.reported, [`${PROVIDER.location} did not answer within ${USE_MS} ms`])
  })

  test('says why nobody is left', async () => {
    const at = { ...scene(), find: async (fresh: boolean) => (fresh ? undefined : PROVIDER) }
    const cause = new Error('status 500')
    const failing = () => Promise.reject(cause)
    await assert.rejects(used('scan', { ...at, use: failing }), { code: 'PEER_FAILED', cause })
    const nobody = { ...at, find: async () => undefined }
    await assert.rejects(used('scan', { ...nobody, use: failing }), { code: 'NOT_FOUND' })
  })

  test('fails with what the last provider did, also where it cannot be reported', async () => {
    const at = { ...scene(), report: () => Promise.reject(new Error('no node')) }
    await assert.rejects(
      used('scan', { ...at, use: () => Promise.reject(new Error('no answer')) }),
      /no answer/,
    )
  })
})
