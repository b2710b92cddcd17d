import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import { test } from 'node:test'
import { LOOKUP_MS, nearHosts } from '../../service/near-hosts.ts'
import { manualClock } from '../manual-clock.ts'

const NAMES: Readonly<Record<string, readonly string[]>> = {
  'mirror.test': ['192.168.7.7'],
  'far.test': ['203.0.113.7'],
  'both.test': ['203.0.113.7', '10.0.0.1'],
}

function scene() {
  const clock = manualClock()
  const asked: string[] = []
  const isNear = nearHosts(
    clock,
    (address) => address.startsWith('198.51.100.'),
    async (host) => {
      asked.push(host)
      if (host === 'silent.test') return new Promise<never>(() => {})
      const found = NAMES[host]
      if (found === undefined) throw new Error('ENOTFOUND')
      return found.map((address) => ({ address }))
    },
  )
  return { clock, isNear, asked }
}

test('private and loopback addresses, and those of the machine’s own subnets, are near; names are what they mean', async () => {
  const { isNear, asked } = scene()
  for (const host of ['127.0.0.1', '10.1.2.3', '[::1]', '[fd00::1]', '198.51.100.9', 'mirror.test'])
    assert.equal(await isNear(host), true, host)
  for (const host of ['203.0.113.7', '[2001:db9::1]', 'far.test', 'both.test', 'unknown.test'])
    assert.equal(await isNear(host), false, host)
  assert.deepEqual(asked, ['mirror.test', 'far.test', 'both.test', 'unknown.test'], 'no address is looked up')
})

test('what a name means is remembered for a minute, and a silent name server is waited for once', async () => {
  const { clock, isNear, asked } = scene()
  await isNear('mirror.test')
  await isNear('mirror.test')
  clock.advance(60_000)
  await isNear('mirror.test')
  assert.deepEqual(asked, ['mirror.test', 'mirror.test'])
  const waiting = isNear('silent.test')
  await setImmediate()
  clock.advance(LOOKUP_MS)
  assert.equal(await waiting, false)
  assert.equal(await isNear('silent.test'), false)
})
