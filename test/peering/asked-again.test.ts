/** Silence where somebody is known to have the resource, and silence in which this node could not listen. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Clock } from '../../core/clock.ts'
import { ALIAS, FakeOwner, RESOURCE, world } from './fixtures.ts'

const DELAY_MS = 20
const WAIT_MS = 2 * DELAY_MS
const TIMING = { maxDelayMs: DELAY_MS, transmissionMs: WAIT_MS - DELAY_MS }

/** As `clock`, but whatever is to be waited for `fromMs` or longer comes later by `byMs`. */
function late(clock: Clock, fromMs: number, byMs: number): Clock {
  return {
    monotonic: () => clock.monotonic(),
    wall: () => clock.wall(),
    after: (delayMs, wake) => clock.after(delayMs >= fromMs ? delayMs + byMs : delayMs, wake),
  }
}

/** Two nodes that know each other; both, or the holder alone, are late. */
async function pair(askerLateMs = 0, holderLateMs = 0) {
  const scene = world()
  const { clock } = scene
  const asker = scene.node(1, TIMING, { clock: late(clock, WAIT_MS, askerLateMs) })
  const holder = scene.node(2, TIMING, { clock: late(clock, 0, holderLateMs) })
  await asker.peering.start()
  await holder.peering.start()
  clock.advance(1000)
  const owner = new FakeOwner()
  return { ...scene, asker, holder, owner, ask: () => asker.peering.inquire(RESOURCE, true, owner) }
}

type Pair = Awaited<ReturnType<typeof pair>>

const WORDS: readonly [string, (scene: Pair) => void][] = [
  [
    'was heard to fetch it',
    ({ holder }) => {
      const progress = () => ({ receivedBytes: 1, totalBytes: 1, bytesPerSecond: 1 })
      const download = holder.peering.announceDownload(RESOURCE, () => ALIAS, progress)
      download.readable()
      download.complete()
    },
  ],
  ['has told that it has it', ({ holder }) => holder.peering.advertising.stored(RESOURCE)],
]

for (const [what, tell] of WORDS)
  test(`where somebody ${what} and nobody answers, it is asked for once more, and waited for as long again`, async () => {
    const scene = await pair()
    const { clock, lan, holder, owner, ask } = scene
    // What is told of its copies is told of a summary that is known.
    holder.peering.summaryRenewed([])
    clock.advance(10)
    tell(scene)
    clock.advance(3000)
    ask()
    clock.advance(WAIT_MS)
    holder.copies.here.set(RESOURCE, 'complete')
    clock.advance(1)
    assert.deepEqual(owner.told, [])
    clock.advance(DELAY_MS + 1)
    assert.deepEqual(owner.told, [`retrieve ${holder.address}`])
    assert.equal(lan.heard('request').length, 4)
  })

test('it is waited for no longer than twice, and only once where nobody has said a word of it', async () => {
  const scene = await pair()
  const { clock, owner, ask } = scene
  ask()
  clock.advance(WAIT_MS + 1)
  assert.deepEqual(owner.told, ['internet'])
  WORDS[0]?.[1](scene)
  clock.advance(10)
  const other = new FakeOwner()
  scene.asker.peering.inquire(RESOURCE, true, other)
  clock.advance(2 * WAIT_MS - 1)
  assert.deepEqual(other.told, [])
  clock.advance(2)
  assert.deepEqual(other.told, ['internet'])
})

test('a node that was late to end its wait gives the answers that time again: a holder on the same machine was late too', async () => {
  const lateMs = DELAY_MS + 5
  const { clock, holder, owner, ask } = await pair(lateMs, WAIT_MS + lateMs)
  holder.copies.here.set(RESOURCE, 'complete')
  ask()
  clock.advance(WAIT_MS + lateMs + 0.4)
  assert.deepEqual(owner.told, [])
  clock.advance(lateMs)
  assert.deepEqual(owner.told, [`retrieve ${holder.address}`])
})

test('however late it was, no more than the wait is given again', async () => {
  const lateMs = 3 * WAIT_MS
  const { clock, owner, ask } = await pair(lateMs)
  ask()
  clock.advance(lateMs + 2 * WAIT_MS - 1)
  assert.deepEqual(owner.told, [])
  clock.advance(lateMs + 2)
  assert.deepEqual(owner.told, ['internet'])
})
