import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KEYS_PER_PACKET, MAX_NEW_KEYS, OwnSummary } from '../../peering/own-summary.ts'
import {
  DOWNLOAD_MS,
  MAX_DOWNLOADS,
  MAX_SUMMARIES,
  PeerSummaries,
  REFETCH_MS,
} from '../../peering/peer-summaries.ts'
import { LIVE_MS } from '../../peering/peer-table.ts'
import { MAX_SUMMARY_BYTES, resourceKey, Summary } from '../../peering/summary.ts'
import type { Monotonic } from '../../core/clock.ts'
import { address, nodeId } from './fixtures.ts'

const key = (number: number) => resourceKey(`http://example.org/${number}`)
const numbers = (count: number, from = 0) => Array.from({ length: count }, (_, at) => at + from)
const at = (ms: number) => ms as Monotonic
const place = (number: number) => ({ node: nodeId(number), address: address(number), filePort: 6515 })

/** The summary of a node that has these from the start. */
function own(held: readonly number[] = []): OwnSummary {
  const summary = new OwnSummary(7)
  summary.renew(held.map(key))
  return summary
}

test('a summary has every key that was added, and one in a hundred others', () => {
  for (const count of [0, 1, 500, 20_000]) {
    const summary = Summary.for(count)
    for (const number of numbers(count)) summary.add(key(number))
    assert.ok(numbers(count).every((number) => summary.has(key(number))))
    const wrong = numbers(10_000, 1_000_000).filter((number) => summary.has(key(number))).length
    assert.ok(wrong <= 150, `${wrong} of 10,000`)
  }
})

test('a summary has a limit in bytes, however many keys there are, and none of another size is taken', () => {
  assert.equal(Summary.for(1e9).bytes.length, MAX_SUMMARY_BYTES)
  for (const bytes of [0, 512, 1025, 3000, 2 * MAX_SUMMARY_BYTES])
    assert.equal(Summary.from(new Uint8Array(bytes)), undefined, String(bytes))
  const summary = Summary.for(10)
  summary.add(key(1))
  assert.equal(Summary.from(summary.bytes)?.has(key(1)), true)
})

test('nothing is told before it is known what is here', () => {
  const summary = new OwnSummary(7)
  summary.add(key(1))
  assert.deepEqual([summary.standing, summary.next()], [undefined, undefined])
  summary.renew([key(2)])
  assert.deepEqual(summary.standing, { edition: 8, number: 0, keys: 2 })
})

test('new keys are told once, some at a time, each packet with the next number', () => {
  const summary = own([1])
  for (const number of numbers(KEYS_PER_PACKET + 3, 100)) summary.add(key(number))
  summary.add(key(100))
  const packets = [summary.next(), summary.next(), summary.next()]
  assert.deepEqual(
    packets.map((packet) => packet?.keys.length),
    [KEYS_PER_PACKET, 3, undefined],
  )
  assert.deepEqual(
    packets.map((packet) => packet?.standing.number),
    [1, 2, undefined],
  )
})

test('more new keys than are told leave a gap, by which it is noticed', () => {
  const summary = own()
  for (const number of numbers(MAX_NEW_KEYS + 1)) summary.add(key(number))
  assert.equal(summary.next(), undefined)
  assert.equal(summary.standing?.number, 1)
  summary.add(key(9999))
  assert.equal(summary.next()?.standing.number, 2)
})

test('a summary that is full, or of which much has gone, is worn until it is renewed', () => {
  const full = own()
  for (const number of numbers(1000)) full.add(key(number))
  assert.equal(full.isWorn, true)
  full.renew(numbers(1000).map(key))
  assert.equal(full.isWorn, false)
  for (const _ of numbers(1001)) full.removed()
  assert.equal(full.isWorn, true)
})

/** What a node knows of one peer. */
function knowing(peer: OwnSummary) {
  const peers = new PeerSummaries()
  const mayHave = (number: number, ms = 0) =>
    peers.mayHave(`http://example.org/${number}`, key(number), [nodeId(1)], at(ms))
  const hearPresence = (ms = 0) => peer.standing && peers.standing(place(1), peer.standing, at(ms))
  const fetch = () => {
    const summary = Summary.from(peer.bytes)
    if (summary && peer.standing) peers.fetched(nodeId(1), summary, peer.standing)
  }
  const hearNext = (ms = 0) => {
    const next = peer.next()
    return next && peers.advertised(nodeId(1), next.standing, next.keys, at(ms))
  }
  return { peers, mayHave, hearPresence, fetch, hearNext }
}

test('of a peer that has told nothing, everything is possible', () => {
  assert.equal(knowing(own()).mayHave(1), true)
})

test('what a peer holds is known when its summary was fetched', () => {
  const { mayHave, hearPresence, fetch } = knowing(own([1]))
  assert.equal(hearPresence(), true, 'it is to be fetched')
  assert.equal(mayHave(2), true)
  fetch()
  assert.deepEqual([mayHave(1), mayHave(2)], [true, false])
  assert.equal(hearPresence(), false)
})

test('of a peer that has nothing, nothing is fetched', () => {
  const { mayHave, hearPresence } = knowing(own())
  assert.equal(hearPresence(), false)
  assert.equal(mayHave(1), false)
})

test('a new copy becomes known by its packet', () => {
  const peer = own()
  const { mayHave, hearPresence, hearNext } = knowing(peer)
  hearPresence()
  peer.add(key(1))
  assert.equal(mayHave(1), false)
  assert.equal(hearNext(), undefined)
  assert.deepEqual([mayHave(1), mayHave(2)], [true, false])
})

test('a packet that was missed makes everything possible until the summary is fetched anew', () => {
  const peer = own()
  const { mayHave, hearPresence, hearNext, fetch } = knowing(peer)
  hearPresence()
  peer.add(key(1))
  peer.next()
  peer.add(key(2))
  assert.deepEqual(hearNext(), place(1), 'it is to be fetched')
  assert.deepEqual([mayHave(1), mayHave(3)], [true, true])
  fetch()
  assert.deepEqual([mayHave(1), mayHave(2), mayHave(3)], [true, true, false])
})

test('the last packet that was missed is noticed at the next presence', () => {
  const peer = own()
  const { mayHave, hearPresence, fetch } = knowing(peer)
  hearPresence()
  peer.add(key(1))
  peer.next()
  assert.equal(mayHave(1), false)
  assert.equal(hearPresence(), true)
  assert.equal(mayHave(2), true)
  fetch()
  assert.deepEqual([mayHave(1), mayHave(2)], [true, false])
})

test('a summary that was fetched before the newest packet is not taken for complete', () => {
  const peer = own([1])
  const { peers, mayHave, hearPresence } = knowing(peer)
  hearPresence()
  const old = Summary.from(peer.bytes)
  const standing = peer.standing
  peer.add(key(2))
  const next = peer.next()
  assert.ok(old && standing && next)
  peers.advertised(nodeId(1), next.standing, next.keys, at(0))
  peers.fetched(nodeId(1), old, standing)
  assert.equal(mayHave(2), true)
})

test('however often something is missed, a summary is fetched again only after a while', () => {
  const peer = own([1])
  const { hearPresence } = knowing(peer)
  assert.deepEqual(
    [hearPresence(0), hearPresence(REFETCH_MS - 1), hearPresence(REFETCH_MS)],
    [true, false, true],
  )
})

test('another edition, after a restart, makes the old one worthless', () => {
  const { peers, mayHave, hearPresence, fetch } = knowing(own([1]))
  hearPresence()
  fetch()
  assert.equal(peers.standing(place(1), { edition: 99, number: 0, keys: 5 }, at(REFETCH_MS)), true)
  assert.equal(mayHave(2), true)
})

test('a download that was heard of counts for a while', () => {
  const { peers, mayHave, hearPresence } = knowing(own())
  hearPresence()
  peers.downloading('http://example.org/1', at(0))
  assert.deepEqual([mayHave(1, DOWNLOAD_MS - 1), mayHave(1, DOWNLOAD_MS), mayHave(2)], [true, false, false])
})

test('downloads and summaries are remembered up to their limits', () => {
  const { peers, mayHave, hearPresence } = knowing(own())
  hearPresence()
  for (const number of numbers(MAX_DOWNLOADS + 1)) peers.downloading(`http://example.org/${number}`, at(0))
  assert.deepEqual([mayHave(0), mayHave(1)], [false, true])
  const empty = { edition: 1, number: 0, keys: 0 }
  for (const number of numbers(MAX_SUMMARIES, 2)) peers.standing(place(number), empty, at(0))
  const nodes = numbers(MAX_SUMMARIES + 1, 1).map(nodeId)
  assert.equal(peers.mayHave('http://example.org/5000', key(5000), nodes.slice(0, -1), at(0)), false)
  assert.equal(peers.mayHave('http://example.org/5000', key(5000), nodes, at(0)), true)
})

test('peers that went without a word make room for new ones', () => {
  const { peers } = knowing(own())
  const empty = { edition: 1, number: 0, keys: 0 }
  const standing = (number: number, ms: number) => peers.standing(place(number), empty, at(ms))
  const knows = (number: number, ms: number) =>
    !peers.mayHave('http://example.org/5000', key(5000), [nodeId(number)], at(ms))
  for (const number of numbers(MAX_SUMMARIES, 2)) standing(number, 0)
  standing(500, LIVE_MS - 1)
  assert.equal(knows(500, LIVE_MS - 1), false)
  standing(3, LIVE_MS - 1)
  standing(500, LIVE_MS)
  assert.deepEqual([knows(500, LIVE_MS), knows(2, LIVE_MS), knows(3, LIVE_MS)], [true, false, true])
})

test('a peer that has left is forgotten', () => {
  const { peers, mayHave, hearPresence } = knowing(own())
  hearPresence()
  peers.left(nodeId(1))
  assert.equal(mayHave(1), true)
})
