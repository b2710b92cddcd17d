import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseTargetUri, type TargetUri } from '../../core/target-uri.ts'
import type { CallingUpstream } from '../../core/upstream.ts'
import { CONFINED_MS, confinement } from '../../gateway/confined-upstream.ts'
import { manualClock } from '../manual-clock.ts'

test('what is fetched for others is confined while it is, and a while after, however it is spelled', async () => {
  const clock = manualClock()
  const ways: string[] = []
  const way = (name: string): CallingUpstream => ({
    call: () => assert.fail('called'),
    request: async () => {
      ways.push(name)
      return { status: 200, reason: '', fields: [], body: nothing() }
    },
  })
  const { upstream, confine } = confinement(clock, {
    free: way('free'),
    site: way('site'),
    member: way('member'),
  })
  const signal = new AbortController().signal
  const ask = async (uri: string) => {
    await upstream.request({ method: 'GET', uri, fields: [], signal })
    return ways.at(-1)
  }
  const uri = parseTargetUri('http://a.test/x') as TargetUri
  assert.equal(await ask(uri), 'free')
  assert.equal(upstream.mayCall, true)
  const [one, other] = [confine(uri, 'member'), confine(uri, 'member')]
  assert.equal(await ask('http://A.test:80/x'), 'member')
  assert.equal(await ask('http://a.test/y'), 'free')
  assert.equal(upstream.mayCall, false, 'the short way does not ask for whom it is')
  one()
  one()
  assert.equal(await ask(uri), 'member', 'the other one is still there')
  other()
  assert.equal(await ask(uri), 'site', 'no member waits: this machine may take the way that it can')
  clock.advance(CONFINED_MS - 1)
  assert.equal(await ask(uri), 'site')
  clock.advance(1)
  assert.equal(await ask(uri), 'free')
})

test('what the site wishes is confined too; what a member waits for as well goes the narrower way', async () => {
  const clock = manualClock()
  const way = (name: string): CallingUpstream => ({
    call: () => assert.fail('called'),
    request: async () => ({ status: 200, reason: name, fields: [], body: nothing() }),
  })
  const { upstream, confine } = confinement(clock, {
    free: way('free'),
    site: way('site'),
    member: way('member'),
  })
  const uri = parseTargetUri('http://a.test/x') as TargetUri
  const signal = new AbortController().signal
  const ask = async () => (await upstream.request({ method: 'GET', uri, fields: [], signal })).reason
  const look = confine(uri, 'site')
  assert.equal(await ask(), 'site')
  assert.equal(upstream.mayCall, false)
  const visit = confine(uri, 'member')
  assert.equal(await ask(), 'member')
  look()
  assert.equal(await ask(), 'member')
  visit()
  assert.equal(await ask(), 'site')
})

async function* nothing(): AsyncIterable<Uint8Array> {}
