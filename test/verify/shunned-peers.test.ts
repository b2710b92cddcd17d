import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Sha256 } from '../../core/digest.ts'
import type { Address } from '../../core/transport.ts'
import {
  FIRST_DOUBT_MS,
  FIRST_STALL_MS,
  MAX_SHUNNED,
  placeOf,
  SHUN_MS,
  shunnedPeers,
  STALLS_KNOWN_MS,
  type ShunReason,
} from '../../verify/shunned-peers.ts'
import { manualClock } from '../manual-clock.ts'

const PEER = '127.0.0.2' as Address
const BODY = 'ab'.repeat(32) as Sha256
const HOUR_MS = 3_600_000

const FIRST_MS = { ...SHUN_MS, stalled: FIRST_STALL_MS }

for (const [reason, forMs] of Object.entries(FIRST_MS) as [ShunReason, number][]) {
  test(`${reason}: a peer is left aside for ${forMs / 1000} s and not longer`, () => {
    const clock = manualClock()
    const shunned = shunnedPeers({ clock })
    const since = clock.wall()
    shunned.shun(PEER, { reason, detail: 'why' })
    clock.advance(forMs - 1)
    assert.deepEqual(shunned.find(PEER), { peer: PEER, reason, detail: 'why', since, forMs })
    assert.equal(shunned.list().length, 1)
    clock.advance(1)
    assert.equal(shunned.find(PEER), undefined)
    assert.deepEqual(shunned.list(), [])
  })
}

test('bad bytes cost a peer 24 hours', () => assert.equal(SHUN_MS['bad-bytes'], 24 * HOUR_MS))

test('who stalls again and again is left aside for twice as long each time, and never for more than a minute', () => {
  const clock = manualClock()
  const shunned = shunnedPeers({ clock })
  const times = Array.from({ length: 9 }, () => {
    shunned.shun(PEER, { reason: 'stalled', detail: '' })
    const { forMs = NaN } = shunned.find(PEER) ?? {}
    clock.advance(forMs)
    return forMs / 1000
  })
  assert.deepEqual(times, [1, 2, 4, 8, 16, 32, 60, 60, 60])
})

test('a stall that nothing followed for ten minutes is forgotten', () => {
  const clock = manualClock()
  const shunned = shunnedPeers({ clock })
  shunned.shun(PEER, { reason: 'stalled', detail: '' })
  shunned.shun(PEER, { reason: 'stalled', detail: '' })
  clock.advance(STALLS_KNOWN_MS)
  shunned.shun(PEER, { reason: 'stalled', detail: '' })
  assert.equal(shunned.find(PEER)?.forMs, FIRST_STALL_MS)
})

test('a stall does not shorten the time for bad bytes, and is counted', () => {
  const clock = manualClock()
  const shunned = shunnedPeers({ clock })
  shunned.shun(PEER, { reason: 'bad-bytes', detail: 'first' })
  shunned.shun(PEER, { reason: 'stalled', detail: 'then' })
  clock.advance(HOUR_MS)
  assert.equal(shunned.find(PEER)?.reason, 'bad-bytes')
  assert.deepEqual(shunned.counts(), { 'bad-bytes': 1, 'asked-again': 0, stalled: 1, 'broke-off': 0 })
})

test('bad bytes lengthen the time for a stall', () => {
  const shunned = shunnedPeers({ clock: manualClock() })
  shunned.shun(PEER, { reason: 'stalled', detail: 'first' })
  shunned.shun(PEER, { reason: 'bad-bytes', detail: 'then' })
  assert.equal(shunned.find(PEER)?.reason, 'bad-bytes')
})

test('a wrong body is known for 24 hours, from whomever it comes', () => {
  const clock = manualClock()
  const shunned = shunnedPeers({ clock })
  shunned.shun(PEER, { reason: 'bad-bytes', detail: '', body: BODY })
  clock.advance(24 * HOUR_MS - 1)
  assert.equal(shunned.isBadBody(BODY), true)
  clock.advance(1)
  assert.equal(shunned.isBadBody(BODY), false)
})

test('a person may take a peer back before its time', () => {
  const shunned = shunnedPeers({ clock: manualClock() })
  shunned.shun(PEER, { reason: 'bad-bytes', detail: '' })
  assert.equal(shunned.pardon(PEER), true)
  assert.equal(shunned.find(PEER), undefined)
  assert.equal(shunned.pardon(PEER), false)
})

test('beyond the bound the shunning that ends first makes room, never a longer one', () => {
  const clock = manualClock()
  const shunned = shunnedPeers({ clock })
  shunned.shun(PEER, { reason: 'bad-bytes', detail: '' })
  for (let at = 0; at < MAX_SHUNNED + 10; at++) {
    clock.advance(1)
    shunned.shun(`peer ${at}` as Address, { reason: 'broke-off', detail: '' })
  }
  assert.equal(shunned.list().length, MAX_SHUNNED)
  assert.equal(shunned.find(PEER)?.reason, 'bad-bytes')
  assert.equal(shunned.find('peer 0' as Address), undefined)
  assert.equal(shunned.find(`peer ${MAX_SHUNNED + 9}` as Address)?.reason, 'broke-off')
})

describe('bytes that an honest peer can have got', () => {
  const ORIGIN = 'http://a.test'
  const doubtful = { reason: 'bad-bytes', detail: '', origin: ORIGIN } as const

  test('cost it a minute, and twice as long each further time, up to a day', () => {
    const clock = manualClock()
    const shunned = shunnedPeers({ clock })
    const times = Array.from({ length: 12 }, () => {
      shunned.shun(PEER, doubtful)
      const forMs = shunned.find(PEER, ORIGIN)?.forMs ?? 0
      clock.advance(forMs)
      return forMs
    })
    assert.deepEqual(times.slice(0, 3), [FIRST_DOUBT_MS, 2 * FIRST_DOUBT_MS, 4 * FIRST_DOUBT_MS])
    assert.equal(times.at(-1), SHUN_MS['bad-bytes'])
  })

  test('count for that origin alone, are listed, and pardoned with the rest', () => {
    const shunned = shunnedPeers({ clock: manualClock() })
    shunned.shun(PEER, doubtful)
    assert.deepEqual([shunned.find(PEER), shunned.find(PEER, 'http://b.test')], [undefined, undefined])
    assert.deepEqual(
      shunned.list().map(({ origin }) => origin),
      [ORIGIN],
    )
    assert.deepEqual([shunned.pardon(PEER), shunned.pardon(PEER)], [true, false])
    assert.equal(shunned.find(PEER, ORIGIN), undefined)
  })

  test('that were none are taken back, and those stand that were some', () => {
    const shunned = shunnedPeers({ clock: manualClock() })
    const episode = shunned.shun(PEER, doubtful)
    assert.equal(shunned.shun(PEER, { reason: 'asked-again', detail: '', origin: ORIGIN }), episode)
    shunned.shun(PEER, { reason: 'broke-off', detail: '', origin: ORIGIN })
    const acquitted = () => {
      shunned.acquit({ peer: PEER, origin: ORIGIN, episode })
      return shunned.find(PEER, ORIGIN) === undefined
    }
    assert.deepEqual([acquitted(), acquitted(), acquitted()], [false, true, true])
  })

  test('that are over take nothing back of what came after them', () => {
    const clock = manualClock()
    const shunned = shunnedPeers({ clock })
    const former = shunned.shun(PEER, doubtful)
    clock.advance(SHUN_MS['bad-bytes'])
    const episode = shunned.shun(PEER, { reason: 'asked-again', detail: '', origin: ORIGIN })
    shunned.acquit({ peer: PEER, origin: ORIGIN, episode: former })
    assert.equal(shunned.find(PEER, ORIGIN)?.reason, 'asked-again')
    shunned.acquit({ peer: PEER, origin: ORIGIN, episode })
    assert.equal(shunned.find(PEER, ORIGIN), undefined)
  })

  test('that were none are taken back for that origin, and nothing else that the peer did', () => {
    const shunned = shunnedPeers({ clock: manualClock() })
    const other = 'http://b.test'
    shunned.shun(PEER, { ...doubtful, origin: other })
    shunned.acquit({ peer: PEER, origin: ORIGIN, episode: shunned.shun(PEER, doubtful) })
    assert.equal(shunned.find(PEER, ORIGIN), undefined)
    assert.equal(shunned.find(PEER, other)?.reason, 'bad-bytes')
    const episode = shunned.shun(PEER, { reason: 'broke-off', detail: '', origin: ORIGIN })
    shunned.acquit({ peer: PEER, origin: ORIGIN, episode })
    assert.equal(shunned.find(PEER, ORIGIN)?.reason, 'broke-off')
  })

  test('are counted as what they are, and whoever is left aside for all is so for that origin, too', () => {
    const shunned = shunnedPeers({ clock: manualClock() })
    shunned.shun(PEER, doubtful)
    assert.equal(shunned.counts()['bad-bytes'], 1)
    shunned.shun(PEER, { reason: 'broke-off', detail: '' })
    assert.equal(shunned.find(PEER, ORIGIN)?.reason, 'broke-off')
  })

  test('are known of so many peers and origins, and no more', () => {
    const shunned = shunnedPeers({ clock: manualClock() })
    for (let at = 0; at <= MAX_SHUNNED; at++) shunned.shun(PEER, { ...doubtful, origin: `http://${at}.test` })
    assert.equal(shunned.list().length, MAX_SHUNNED)
  })
})

describe('what anybody could have named in a peer’s name', () => {
  const ORIGIN = 'http://a.test'
  const PRINTER = `${PEER}:9100` as const
  const FILES = `${PEER}:6515` as const
  const broken = { reason: 'broke-off', detail: '', part: PRINTER } as const

  test('is held against that place alone: the peer, its other places and its promises go on being used', () => {
    const shunned = shunnedPeers({ clock: manualClock() })
    shunned.shun(PEER, broken)
    assert.equal(shunned.find(PEER, ORIGIN, PRINTER)?.part, PRINTER)
    assert.deepEqual(
      [shunned.find(PEER), shunned.find(PEER, ORIGIN, FILES), shunned.find(PEER, ORIGIN, 'promises')],
      [undefined, undefined, undefined],
    )
  })

  test('may be left aside for the files of one origin alone, and the promises by themselves', () => {
    const shunned = shunnedPeers({ clock: manualClock() })
    shunned.shun(PEER, { ...broken, part: FILES, origin: ORIGIN })
    shunned.shun(PEER, { reason: 'stalled', detail: '', part: 'promises' })
    assert.equal(shunned.find(PEER, ORIGIN, FILES)?.origin, ORIGIN)
    assert.equal(shunned.find(PEER, 'http://b.test', FILES), undefined)
    assert.equal(shunned.find(PEER, ORIGIN, 'promises')?.forMs, FIRST_STALL_MS)
  })

  test('never adds up to the peer, however many places hang; and each has stalls of its own', () => {
    const shunned = shunnedPeers({ clock: manualClock() })
    const last = 10_000 + MAX_SHUNNED + 10
    for (let port = 10_000; port <= last; port++)
      shunned.shun(PEER, { reason: 'stalled', detail: '', part: `${PEER}:${port}` })
    assert.equal(shunned.find(PEER, ORIGIN, FILES), undefined)
    assert.equal(shunned.find(PEER, ORIGIN, `${PEER}:${last}`)?.forMs, FIRST_STALL_MS)
    assert.equal(shunned.list().length, MAX_SHUNNED)
  })

  test('is pardoned with the peer, and whoever is left aside is so at every place', () => {
    const shunned = shunnedPeers({ clock: manualClock() })
    shunned.shun(PEER, broken)
    assert.equal(shunned.pardon(PEER), true)
    assert.equal(shunned.find(PEER, ORIGIN, PRINTER), undefined)
    shunned.shun(PEER, { reason: 'bad-bytes', detail: '' })
    assert.equal(shunned.find(PEER, ORIGIN, FILES)?.reason, 'bad-bytes')
  })

  for (const [location, place] of [
    ['http://127.0.0.2:6515/aa', '127.0.0.2:6515'],
    ['http://127.0.0.2/aa', '127.0.0.2:80'],
    ['nowhere', undefined],
  ] as const)
    test(`${location} is at ${place}`, () => assert.equal(placeOf(location), place))
})
