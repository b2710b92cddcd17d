import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseTargetUri, type TargetUri } from '../../core/target-uri.ts'
import type { Upstream } from '../../core/upstream.ts'
import { CONFINED_MS, confinement } from '../../gateway/confined-upstream.ts'
import { manualClock } from '../manual-clock.ts'

test('what is fetched for others is confined while it is, and a while after, however it is spelled', async () => {
  const clock = manualClock()
  const ways: string[] = []
  const way = (name: string): Upstream => ({
    request: async () => {
      ways.push(name)
      return { status: 200, reason: '', fields: [], body: nothing() }
    },
  })
  const { upstream, confine } = confinement(clock, { free: way('free'), confined: way('confined') })
  const signal = new AbortController().signal
  const ask = async (uri: string) => {
    await upstream.request({ method: 'GET', uri, fields: [], signal })
    return ways.at(-1)
  }
  const uri = parseTargetUri('http://a.test/x') as TargetUri
  assert.equal(await ask(uri), 'free')
  const [one, other] = [confine(uri), confine(uri)]
  assert.equal(await ask('http://A.test:80/x'), 'confined')
  assert.equal(await ask('http://a.test/y'), 'free')
  one()
  one()
  assert.equal(await ask(uri), 'confined', 'the other one is still there')
  other()
  clock.advance(CONFINED_MS - 1)
  assert.equal(await ask(uri), 'confined')
  clock.advance(1)
  assert.equal(await ask(uri), 'free')
})

async function* nothing(): AsyncIterable<Uint8Array> {}
