import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { used } from '../../library/functions.ts'
import type { Provider } from '../../library/index.ts'

const PROVIDER = { function: 'scan', location: 'http://127.0.0.2:9000/' } as unknown as Provider

function scene(signal?: AbortSignal) {
  const reported: string[] = []
  return {
    reported,
    find: async () => PROVIDER,
    report: async (_: Provider, reason: string) => void reported.push(reason),
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

  test('fails with what the last provider did, also where it cannot be reported', async () => {
    const at = { ...scene(), report: () => Promise.reject(new Error('no node')) }
    await assert.rejects(
      used('scan', { ...at, use: () => Promise.reject(new Error('no answer')) }),
      /no answer/,
    )
  })
})
