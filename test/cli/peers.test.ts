import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MAX_TOLD, peersText } from '../../cli/peers.ts'
import type { EpochMs } from '../../core/clock.ts'
import type { Address } from '../../core/transport.ts'

const PEERING = { address: '10.0.0.1', packetPort: 1967, filePort: 6515, waitMs: 30 }
const PEER = {
  address: '10.0.0.2',
  node: '0123456789abcdef',
  roundTripMs: 0.72,
  heardMsAgo: 3000,
  isReached: true,
}

test('peers are told with what they are, who is left aside with why, since when and for how long', () => {
  const shunned = {
    peer: '10.0.0.3' as Address,
    reason: 'bad-bytes',
    detail: 'http://a.test/x: expected sha-256 00, got 11',
    since: 1_000_000 as EpochMs,
    forMs: 86_400_000,
  } as const
  const caution = { peer: '10.0.0.4', member: 'fedcba9876543210', heardMsAgo: 60_000 }
  const plain = { ...PEER, address: '10.0.0.5', node: undefined, roundTripMs: undefined }
  const text = peersText(
    {
      peering: { ...PEERING, peers: [PEER, plain] },
      shunned: [shunned],
      cautions: [
        caution,
        { ...caution, peer: '10.0.0.6', body: 'ab'.repeat(32) },
        { ...caution, peer: '10.0.0.7', body: 'ab'.repeat(32), uri: 'http://a.test/y' },
      ],
    },
    1_000_000 + 3_600_000,
  )
  assert.match(text, /^10\.0\.0\.2 {2}0123456789ab, round trip 0\.7 ms, heard 3\.0 s ago$/m)
  assert.match(text, /^10\.0\.0\.5 {2}patent packets only, heard 3\.0 s ago$/m)
  assert.match(
    text,
    /^10\.0\.0\.3 {2}left aside since 1 h.* ago, for another 23 h.* \(bad-bytes\): http:\/\/a\.test\/x/m,
  )
  assert.match(
    text,
    /^10\.0\.0\.4 {2}asked last: member fedcba987654 caught it with wrong bytes, said 1 min.* ago$/m,
  )
  assert.match(text, /^10\.0\.0\.6 .*wrong bytes \(abababababab for a file that is not known here\), said/m)
  assert.match(text, /^10\.0\.0\.7 .*wrong bytes \(abababababab for http:\/\/a\.test\/y\), said/m)
})

test('of whom a place or the promises alone are left aside, that is said', () => {
  const peer = '10.0.0.3' as Address
  const shunned = { peer, reason: 'stalled', detail: 'why', since: 0 as EpochMs, forMs: 2000 } as const
  const parts = [`${peer}:80`, 'promises'] as const
  const text = peersText(
    {
      peering: { ...PEERING, peers: [] },
      shunned: parts.map((part) => ({ ...shunned, part })),
      cautions: [],
    },
    1000,
  )
  assert.match(text, /^10\.0\.0\.3 {2}its place 10\.0\.0\.3:80 left aside since .* \(stalled\): why$/m)
  assert.match(text, /^10\.0\.0\.3 {2}its promises left aside since /m)
})

test('of thousands of peers, as a flood makes them, some are told and how many there are', () => {
  const many = Array.from({ length: 3000 }, (_, at) => ({ ...PEER, address: `10.1.${at >> 8}.${at & 255}` }))
  const text = peersText({ peering: { ...PEERING, peers: many }, shunned: [], cautions: [] }, 0)
  assert.equal(text.trimEnd().split('\n').length, MAX_TOLD + 1)
  assert.match(text, /and 2968 more of 3000; --json lists them all/)
  const few = peersText(
    { peering: { ...PEERING, peers: many.slice(0, MAX_TOLD) }, shunned: [], cautions: [] },
    0,
  )
  assert.doesNotMatch(few, /more of/)
})

test('what only datagrams tell of is said to be no more than that, below those that have answered', () => {
  const invented = { ...PEER, address: '10.9.9.9', roundTripMs: undefined, isReached: false }
  const text = peersText({ peering: { ...PEERING, peers: [PEER, invented] }, shunned: [], cautions: [] }, 0)
  assert.deepEqual(
    text
      .trimEnd()
      .split('\n')
      .map((line) => line.slice(0, 10)),
    ['10.0.0.2  ', 'only heard', '10.9.9.9  '],
  )
  assert.match(text, /^only heard, not reached so far \(1\): they may be inventions of somebody on the LAN$/m)
})

test('members of the site are told by name and ID, of whom two may have one name', () => {
  const peers = ['a', 'b'].map((each, at) => ({
    ...PEER,
    address: `10.0.0.${at + 2}`,
    member: { id: each.repeat(16), name: 'office' },
  }))
  const unknown = { ...PEER, address: '10.0.0.9', member: { id: 'c'.repeat(16), name: undefined } }
  const peering = { ...PEERING, peers: [...peers, unknown, { ...PEER, address: '10.0.0.10' }] }
  const text = peersText({ peering, shunned: [], cautions: [] }, 0)
  assert.match(text, /^10\.0\.0\.2 {2}0123456789ab, member office \(a{12}\), round trip/m)
  assert.match(text, /^10\.0\.0\.3 {2}0123456789ab, member office \(b{12}\), round trip/m)
  assert.match(text, /^10\.0\.0\.9 {2}0123456789ab, member c{12}, round trip/m)
  assert.match(text, /^10\.0\.0\.10 {2}0123456789ab, round trip/m)
})

test('where nobody is, that is said', () => {
  assert.equal(peersText({ peering: undefined, shunned: [], cautions: [] }, 0), 'nobody else is here\n')
})
