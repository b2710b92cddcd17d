import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Monotonic } from '../../core/clock.ts'
import { autoTiming, LIVE_MS, MAX_PEERS, PeerTable } from '../../peering/peer-table.ts'
import { address, nodeId } from './fixtures.ts'

const at = (ms: number) => ms as Monotonic
const AUTO = { maxDelayMs: 'auto', transmissionMs: 200 } as const

test('the automatic figures for so many peers and such a round trip, in ms', () => {
  for (const [peers, roundTripMs, maxDelayMs, transmissionMs] of [
    [1, 0, 4, 30],
    [2, 2, 4, 38],
    [4, 1, 6, 34],
    [10, 1, 15, 30],
    [20, 1, 30, 15],
    [1000, 1, 30, 15],
    [3, 40, 4.5, 80],
    [3, 90, 4.5, 180],
    [3, 500, 4.5, 200],
  ] as const)
    assert.deepEqual(
      autoTiming(peers, roundTripMs, 200),
      { maxDelayMs, transmissionMs, holdersMs: maxDelayMs + roundTripMs + 3, roundTripMs, lateMs: 0 },
      `${peers} ${roundTripMs}`,
    )
})

test('on a quick LAN of 1 to 1000 live peers a question waits 50 ms at most', () => {
  for (let peers = 1; peers <= 1000; peers++)
    for (const roundTripMs of [0, 0.3, 1, 5, 10]) {
      const { maxDelayMs, transmissionMs } = autoTiming(peers, roundTripMs, 200)
      assert.ok(maxDelayMs + transmissionMs <= 50, `${peers} peers, ${roundTripMs} ms`)
    }
})

test('who fell silent does not stand for the others: more are measured', () => {
  const table = new PeerTable()
  for (const number of [1, 2]) {
    table.heard(address(number), nodeId(number), at(0))
    table.measured(nodeId(number), 5, at(0))
  }
  assert.equal(table.measuredPeers(at(0)), 2)
  table.heard(address(2), nodeId(2), at(LIVE_MS))
  assert.equal(table.measuredPeers(at(LIVE_MS + 1)), 1)
  table.heard(address(1), nodeId(1), at(LIVE_MS + 2))
  table.measured(nodeId(1), 5, at(LIVE_MS + 2))
  assert.equal(table.measuredPeers(at(LIVE_MS + 2)), 2)
  table.left(nodeId(2))
  assert.equal(table.measuredPeers(at(LIVE_MS + 2)), 1)
})

test('the slowest live peer decides, and one that fell silent does not count', () => {
  const table = new PeerTable()
  table.heard(address(1), nodeId(1), at(0))
  table.measured(nodeId(1), 90, at(0))
  table.heard(address(2), nodeId(2), at(1000))
  table.measured(nodeId(2), 5, at(1000))
  assert.equal(table.timing(AUTO, at(1000))?.transmissionMs, 180)
  assert.equal(table.timing(AUTO, at(LIVE_MS))?.transmissionMs, 41)
})

test('with nobody alive there is nobody to wait for; nodes of the patents are not waited for either', () => {
  const table = new PeerTable()
  assert.equal(table.timing(AUTO, at(0)), undefined)
  table.heard(address(1), undefined, at(0))
  assert.equal(table.timing(AUTO, at(0)), undefined)
  assert.equal(table.live(at(0)).length, 1)
})

test('answers that come late lengthen the wait for a while, up to the configured limit', () => {
  const table = new PeerTable()
  table.heard(address(1), nodeId(1), at(0))
  table.answeredLate(40, at(0))
  assert.equal(table.timing(AUTO, at(0))?.transmissionMs, 70)
  table.answeredLate(10, at(0))
  assert.equal(table.timing(AUTO, at(0))?.transmissionMs, 70)
  assert.equal(table.timing(AUTO, at(60_000))?.transmissionMs, 50)
  table.answeredLate(5000, at(60_000))
  assert.equal(table.timing(AUTO, at(60_000))?.transmissionMs, 200)
})

test('configured figures hold whoever is there', () => {
  const table = new PeerTable()
  const settings = { maxDelayMs: 2000, transmissionMs: 200 }
  assert.deepEqual(table.timing(settings, at(0)), { ...settings, holdersMs: 2200, roundTripMs: 0, lateMs: 0 })
})

test('a delay that no question can carry is shortened to the longest one', () => {
  assert.equal(new PeerTable().timing({ maxDelayMs: 90_000, transmissionMs: 0 }, at(0))?.maxDelayMs, 60_000)
})

test(`a peer lives for ${LIVE_MS} ms after its last packet`, () => {
  const table = new PeerTable()
  assert.equal(table.heard(address(1), nodeId(1), at(0)), true)
  assert.equal(table.heard(address(1), nodeId(1), at(10)), false)
  assert.equal(table.live(at(10 + LIVE_MS - 1)).length, 1)
  assert.equal(table.live(at(10 + LIVE_MS)).length, 0)
  assert.equal(table.heard(address(1), nodeId(1), at(10 + LIVE_MS)), true)
})

test('a node that changes its address is one peer; a node that leaves is none', () => {
  const table = new PeerTable()
  table.heard(address(1), nodeId(1), at(0))
  table.heard(address(2), nodeId(1), at(1))
  assert.deepEqual(
    table.live(at(1)).map((peer) => peer.address),
    [address(2)],
  )
  table.left(nodeId(1))
  assert.deepEqual(table.live(at(1)), [])
})

test(`more than ${MAX_PEERS} peers are not remembered: the longest silent goes first`, () => {
  const table = new PeerTable()
  for (let number = 0; number < MAX_PEERS; number++) table.heard(address(number), nodeId(number), at(number))
  table.heard(address(0), nodeId(0), at(MAX_PEERS))
  table.heard(address(MAX_PEERS), nodeId(MAX_PEERS), at(MAX_PEERS))
  const live = new Set(table.live(at(MAX_PEERS)).map((peer) => peer.node))
  assert.equal(live.size, MAX_PEERS)
  assert.ok(live.has(nodeId(0)) && live.has(nodeId(MAX_PEERS)) && !live.has(nodeId(1)))
})

test('of the first four round trips the quickest counts, each later one by an eighth', () => {
  const table = new PeerTable()
  table.heard(address(1), nodeId(1), at(0))
  for (const roundTripMs of [20, 8, 12, 30]) {
    assert.equal(table.isBarelyKnown(nodeId(1)), true)
    table.measured(nodeId(1), roundTripMs, at(0))
  }
  assert.equal(table.isBarelyKnown(nodeId(1)), false)
  assert.equal(table.live(at(0))[0]?.roundTripMs, 8)
  table.measured(nodeId(1), 16, at(0))
  assert.equal(table.live(at(0))[0]?.roundTripMs, 9)
  table.heard(address(1), nodeId(1), at(5))
  assert.equal(table.live(at(5))[0]?.roundTripMs, 9)
})

test('a round trip is due that was never measured, or too long ago', () => {
  const table = new PeerTable()
  table.heard(address(1), nodeId(1), at(0))
  assert.equal(table.needsMeasuring(nodeId(1), at(0), 1000), true)
  table.measured(nodeId(1), 1, at(0))
  assert.equal(table.needsMeasuring(nodeId(1), at(999), 1000), false)
  assert.equal(table.needsMeasuring(nodeId(1), at(1000), 1000), true)
})

test('a measurement of a peer that has left changes nothing', () => {
  const table = new PeerTable()
  table.measured(nodeId(1), 5, at(0))
  assert.deepEqual(table.live(at(0)), [])
})

test('a peer is reached when something has come back from there, and not by what is said in its name', () => {
  const table = new PeerTable()
  const reached = () => table.live(at(10)).map(({ isReached }) => isReached)
  for (const each of [1, 2, 3]) table.heard(address(each), nodeId(each), at(0), 6515)
  assert.deepEqual(reached(), [false, false, false])
  table.measured(nodeId(1), 5, at(1))
  table.reached(address(2), 80, at(1))
  assert.deepEqual(reached(), [true, false, false], 'another server of that machine')
  table.reached(address(2), 6515, at(1))
  for (const each of [1, 2, 3]) table.heard(address(each), nodeId(each), at(2))
  assert.deepEqual(reached(), [true, true, false])
  // Somebody else speaks in its name now, or it has another address.
  table.heard(address(9), nodeId(1), at(3))
  assert.deepEqual(reached(), [false, true, false])
})

test('of several that name one place a connection tells nothing, until the one that is there has answered', () => {
  const table = new PeerTable()
  const reached = () => table.live(at(10)).filter(({ isReached }) => isReached)
  for (const each of [1, 2, 3]) table.heard(address(1), nodeId(each), at(0), 6515)
  assert.equal(table.reached(address(1), 6515, at(1)), true, 'it is to be asked')
  assert.deepEqual(reached(), [])
  table.answered(nodeId(2))
  assert.equal(table.reached(address(1), 6515, at(2)), false)
  assert.deepEqual(
    reached().map(({ node }) => node),
    [nodeId(2)],
  )
  // A node that has begun anew under another name is alone there when the former one is forgotten.
  table.heard(address(1), nodeId(4), at(LIVE_MS), 6515)
  assert.equal(table.reached(address(1), 6515, at(LIVE_MS + 5)), false)
  assert.equal(table.live(at(LIVE_MS + 5)).find(({ node }) => node === nodeId(4))?.isReached, true)
})

test('a node of the patents is reached where it has offered a file, and nobody else is at its address', () => {
  const table = new PeerTable()
  const reached = () => table.live(at(10)).filter(({ isReached }) => isReached)
  table.heard(address(1), undefined, at(0))
  table.reached(address(1), 6515, at(1))
  assert.deepEqual(reached(), [], 'it has offered nothing')
  table.offered(address(1), 6515)
  table.reached(address(1), 80, at(1))
  table.reached(address(2), 6515, at(1))
  assert.deepEqual(reached(), [], 'another server')
  assert.equal(table.reached(address(1), 6515, at(1)), false)
  assert.deepEqual(
    reached().map(({ address: where, node }) => [where, node]),
    [[address(1), undefined]],
  )
  table.heard(address(1), undefined, at(2))
  assert.equal(reached().length, 1)
})

test('a node of the patents at the address of one that says who it is may be an invention, whichever was heard first', () => {
  for (const isFirst of [true, false])
    for (const port of [6515, 80]) {
      const table = new PeerTable()
      const hearPlain = () => {
        table.heard(address(1), undefined, at(0))
        table.offered(address(1), port)
        table.reached(address(1), port, at(1))
      }
      if (isFirst) hearPlain()
      table.heard(address(1), nodeId(1), at(0), 6515)
      if (!isFirst) hearPlain()
      assert.equal(table.reached(address(1), 6515, at(2)), false, 'it stands in nobody’s way')
      const reached = table.live(at(10)).filter(({ isReached }) => isReached)
      assert.deepEqual(
        reached.map(({ node }) => node),
        [nodeId(1)],
        `${isFirst} ${port}`,
      )
    }
})

test('a node of the patents whose address another one takes over is no longer reached', () => {
  const table = new PeerTable()
  table.heard(address(2), nodeId(1), at(0), 6515)
  table.heard(address(1), undefined, at(0))
  table.offered(address(1), 6515)
  table.reached(address(1), 6515, at(1))
  table.heard(address(1), nodeId(1), at(2))
  assert.deepEqual(
    table.live(at(10)).map(({ isReached }) => isReached),
    [false, false],
  )
})
