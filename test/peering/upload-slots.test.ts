import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LocalAlias } from '../../peering/packets.ts'
import type { Relay } from '../../peering/relay-fields.ts'
import {
  HANDED_ON_MS,
  MAX_COUNTED_FILES,
  MAX_SENT_ON,
  TURNOVER_MS,
  UploadSlots,
  type Reader,
  type Slot,
} from '../../peering/upload-slots.ts'
import { manualClock } from '../manual-clock.ts'
import { address, ALIAS } from './fixtures.ts'

const clock = manualClock()

const reader = (number: number): Reader => ({ peer: address(number), relay: relay(number) })
const relay = (number: number) => `${address(number)}:6515/${ALIAS}` as Relay
const plain = (number: number): Reader => ({ peer: address(number), relay: undefined })
const relays = (slot: Slot) => (slot.kind === 'full' ? slot.relays : undefined)
const read = (slot: Slot) => {
  if (slot.kind === 'taken') slot.wasServed()
  leave(slot)
}
const leave = (slot: Slot) => slot.kind === 'taken' && slot.leave()

function aliasOf(number: number): LocalAlias {
  return number.toString(16).padStart(64, '0') as LocalAlias
}

test('a file has so many places; who finds none is told the readers, each of them first in turn', () => {
  const slots = new UploadSlots({ perFile: 2, inAll: 10 }, clock)
  const taken = [slots.take(ALIAS, reader(1)), slots.take(ALIAS, reader(2))]
  assert.deepEqual(
    taken.map(({ kind }) => kind),
    ['taken', 'taken'],
  )
  assert.deepEqual(
    [3, 4, 5].map((number) => relays(slots.take(ALIAS, reader(number)))),
    [
      [relay(2), relay(1)],
      [relay(1), relay(2)],
      [relay(2), relay(1)],
    ],
  )
})

test('a place that is left is free, once', () => {
  const slots = new UploadSlots({ perFile: 1, inAll: 10 }, clock)
  const first = slots.take(ALIAS, reader(1))
  leave(first)
  leave(first)
  assert.equal(slots.take(ALIAS, reader(2)).kind, 'taken')
  assert.equal(slots.take(ALIAS, reader(3)).kind, 'full')
})

test('nobody is sent on to itself, nor to one that passes nothing on', () => {
  const slots = new UploadSlots({ perFile: 3, inAll: 10 }, clock)
  for (const each of [reader(1), plain(2), reader(3)]) slots.take(ALIAS, each)
  assert.deepEqual(relays(slots.take(ALIAS, reader(1))), [relay(3)])
})

test('all files together have a limit, which the first reader of what can be had nowhere else does not know', () => {
  const slots = new UploadSlots({ perFile: 3, inAll: 2 }, clock)
  for (const number of [1, 2]) slots.take(aliasOf(number), reader(number))
  assert.equal(slots.areTaken, true)
  assert.deepEqual(slots.take(aliasOf(3), reader(3)), { kind: 'full', relays: [] })
  assert.equal(slots.take(aliasOf(3), reader(3), true).kind, 'taken')
  assert.deepEqual(slots.take(aliasOf(3), reader(4), true), { kind: 'full', relays: [relay(3)] })
})

test('one peer leaves a quarter of them to the others, until it leaves one', () => {
  const slots = new UploadSlots({ perFile: 3, inAll: 16 }, clock)
  const own = Array.from({ length: 13 }, (_, at) => slots.take(aliasOf(at), plain(1)))
  assert.deepEqual(own.map(({ kind }) => kind).slice(-2), ['taken', 'full'])
  assert.equal(slots.take(aliasOf(20), plain(2)).kind, 'taken')
  assert.equal(slots.take(aliasOf(21), plain(1), true).kind, 'taken', 'what can be had nowhere else')
  for (const slot of own.slice(0, 2)) leave(slot)
  assert.equal(slots.take(aliasOf(22), plain(1)).kind, 'taken')
  assert.equal(slots.take(aliasOf(23), plain(1)).kind, 'full')
})

test('places that become free all the time are not taken for long', () => {
  const slots = new UploadSlots({ perFile: 1, inAll: 1 }, clock)
  const first = slots.take(aliasOf(1), reader(1))
  assert.ok(first.kind === 'taken')
  clock.advance(TURNOVER_MS)
  assert.deepEqual([slots.areTaken, slots.areTakenForLong], [true, false])
  clock.advance(1)
  assert.equal(slots.areTakenForLong, true)
  first.leave()
  assert.equal(slots.areTakenForLong, false)
  slots.take(aliasOf(2), reader(2))
  assert.deepEqual([slots.areTaken, slots.areTakenForLong], [true, false])
})

test('who is served beyond all places does not make them any newer', () => {
  const slots = new UploadSlots({ perFile: 1, inAll: 1 }, clock)
  slots.take(aliasOf(1), reader(1))
  clock.advance(TURNOVER_MS + 1)
  assert.equal(slots.take(aliasOf(2), reader(2), true).kind, 'taken', 'what can be had nowhere else')
  assert.equal(slots.areTakenForLong, true)
})

test('who cannot be sent elsewhere has only the limit of all', () => {
  const slots = new UploadSlots({ perFile: 1, inAll: 3 }, clock)
  const kinds = [1, 2, 3, 4].map((number) => slots.take(ALIAS, plain(number)).kind)
  assert.deepEqual(kinds, ['taken', 'taken', 'taken', 'full'])
})

test('how often a file was read is remembered for so many files', () => {
  const slots = new UploadSlots({ perFile: 1, inAll: 10 }, clock)
  for (const _ of [1, 2]) leave(slots.take(aliasOf(0), reader(1)))
  assert.equal(slots.begun(aliasOf(0)), 2)
  for (let number = 1; number <= MAX_COUNTED_FILES; number++) leave(slots.take(aliasOf(number), reader(1)))
  assert.deepEqual([slots.begun(aliasOf(0)), slots.begun(aliasOf(1))], [0, 1])
})

test('who has another place takes neither the last one of a file nor more than half of all', () => {
  const spare = (number: number): Reader => ({ ...reader(number), isSpare: true })
  const slots = new UploadSlots({ perFile: 3, inAll: 8 }, clock)
  const kinds = [spare(1), spare(2), spare(3), reader(4)].map((each) => slots.take(ALIAS, each).kind)
  assert.deepEqual(kinds, ['taken', 'taken', 'full', 'taken'])
  for (const number of [5, 6]) slots.take(aliasOf(number), reader(number))
  assert.equal(slots.take(aliasOf(7), spare(7)).kind, 'full')
  assert.equal(slots.take(aliasOf(7), reader(7)).kind, 'taken')
})

test('where a file has one place only, who has another one gets none', () => {
  const slots = new UploadSlots({ perFile: 1, inAll: 8 }, clock)
  assert.equal(slots.take(ALIAS, { ...reader(1), isSpare: true }).kind, 'full')
})

test('what was read in part counts as a part', () => {
  const slots = new UploadSlots({ perFile: 3, inAll: 8 }, clock)
  for (const share of [0.25, 0.5]) slots.take(ALIAS, { ...reader(1), share })
  assert.equal(slots.begun(ALIAS), 0.75)
})

test('who has sent as many copies as there are places sends on to those who have got it, each of them first in turn', () => {
  const slots = new UploadSlots({ perFile: 2, inAll: 10 }, clock)
  read(slots.take(ALIAS, reader(1)))
  read(slots.take(ALIAS, reader(2)))
  assert.deepEqual(relays(slots.take(ALIAS, reader(3))), [relay(1), relay(2)])
  assert.deepEqual(relays(slots.take(ALIAS, reader(4))), [relay(2), relay(1)])
})

/** Two have got the file. */
function handedOn() {
  const own = manualClock()
  const slots = new UploadSlots({ perFile: 2, inAll: 10_000 }, own)
  for (const number of [1, 2]) read(slots.take(ALIAS, reader(number)))
  return { slots, clock: own }
}

test('who comes back has found nothing there, and is served', () => {
  const { slots } = handedOn()
  assert.equal(slots.take(ALIAS, reader(3)).kind, 'full')
  assert.equal(slots.take(ALIAS, reader(3)).kind, 'taken')
})

test('nobody is sent on for a while only, to a place of its own, for a part, or where it has one already', () => {
  const { slots, clock: own } = handedOn()
  assert.deepEqual(relays(slots.take(ALIAS, reader(1))), [relay(2)])
  for (const other of [plain(3), { ...reader(4), share: 0.1 }, { ...reader(5), isSpare: true }]) {
    const slot = slots.take(ALIAS, other)
    assert.equal(slot.kind, 'taken')
    leave(slot)
  }
  assert.equal(slots.take(aliasOf(2), reader(6)).kind, 'taken')
  own.advance(HANDED_ON_MS + 1)
  assert.equal(slots.take(ALIAS, reader(7)).kind, 'taken')
})

test('who left in the middle, or took a part, has not got it', () => {
  const slots = new UploadSlots({ perFile: 1, inAll: 10 }, clock)
  leave(slots.take(ALIAS, reader(1)))
  read(slots.take(ALIAS, { ...reader(2), share: 0.2 }))
  read(slots.take(ALIAS, plain(3)))
  assert.equal(slots.take(ALIAS, reader(4)).kind, 'taken')
})

test('only so many are sent on', () => {
  const { slots } = handedOn()
  const kinds = Array.from({ length: MAX_SENT_ON + 1 }, (_, at) => {
    const slot = slots.take(ALIAS, { peer: address(10 + at), relay: relay(10 + at) })
    leave(slot)
    return slot.kind
  })
  assert.deepEqual(kinds.slice(-2), ['full', 'taken'])
})
