import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  isUsable,
  MAX_ALTERNATES,
  NO_SOURCES,
  withDownloader,
  withFailure,
  withHolder,
  withoutDownloader,
  withSilence,
  withSilentForgiven,
  type Downloader,
  type Holder,
  type KnownSources,
} from '../../../peering/machines/known-sources.ts'

type Known = KnownSources<Holder & { readonly word?: string }, Downloader>

const names = (count: number) => Array.from({ length: count }, (_, each) => `peer ${each}`)
const holding = (...peers: string[]): Known =>
  peers.reduce<Known>((known, peer) => withHolder(known, { peer }), NO_SOURCES)
const downloading = (...peers: string[]): Known =>
  peers.reduce<Known>((known, peer) => withDownloader(known, { peer, readable: true }), NO_SOURCES)

test('a peer is kept once, by its newest word and in its old place', () => {
  const known = withHolder(holding('a', 'b'), { peer: 'a', word: 'new' })
  assert.deepEqual(known.holders, [{ peer: 'a', word: 'new' }, { peer: 'b' }])
})

test('what a peer holds it no longer downloads', () => {
  const known = withHolder(downloading('a', 'b'), { peer: 'a' })
  assert.deepEqual(
    known.downloaders.map(({ peer }) => peer),
    ['b'],
  )
})

test(`no more than ${MAX_ALTERNATES} holders and as many downloaders are kept, the first ones`, () => {
  const all = names(MAX_ALTERNATES + 1)
  assert.deepEqual(
    holding(...all).holders.map(({ peer }) => peer),
    all.slice(0, MAX_ALTERNATES),
  )
  assert.deepEqual(
    downloading(...all).downloaders.map(({ peer }) => peer),
    all.slice(0, MAX_ALTERNATES),
  )
})

test('when the list is full, the newest word of one who is on it still counts', () => {
  const known = withHolder(holding(...names(MAX_ALTERNATES)), { peer: 'peer 3', word: 'new' })
  assert.equal(known.holders[3]?.word, 'new')
})

test('a peer that failed is struck off everywhere and never noted again', () => {
  const both = withDownloader(holding('a', 'b'), { peer: 'a', readable: true })
  const known = withFailure(both, 'a')
  assert.deepEqual(known, { ...NO_SOURCES, holders: [{ peer: 'b' }], failed: ['a'] })
  assert.equal(withHolder(known, { peer: 'a' }), known)
  assert.equal(withDownloader(known, { peer: 'a', readable: true }), known)
})

test('a peer that fell silent counts again when it is forgiven, and after a second silence never more', () => {
  const silent = withSilence(downloading('a', 'b'), 'a')
  assert.equal(withDownloader(silent, { peer: 'a', readable: true }), silent)
  const again = withDownloader(withSilentForgiven(silent), { peer: 'a', readable: true })
  assert.deepEqual(
    again.downloaders.map(({ peer }) => peer),
    ['b', 'a'],
  )
  const lost = withSilentForgiven(withSilence(again, 'a'))
  assert.equal(isUsable(lost, 'a'), false)
})

test(`after ${MAX_ALTERNATES} silent peers nobody else is waited for`, () => {
  const silent = names(MAX_ALTERNATES).reduce<Known>((known, peer) => withSilence(known, peer), NO_SOURCES)
  assert.equal(isUsable(silent, 'another'), false)
})

test(`after ${MAX_ALTERNATES} failures no peer is used any more, however many come`, () => {
  const failed = names(MAX_ALTERNATES).reduce<Known>(withFailure, NO_SOURCES)
  assert.equal(isUsable(failed, 'another'), false)
  assert.equal(withHolder(failed, { peer: 'another' }), failed)
})

test('what changes nothing returns the same object', () => {
  const known = holding('a')
  assert.equal(withoutDownloader(known, 'a'), known)
  assert.equal(withSilentForgiven(known), known)
})
