import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Monotonic } from '../../core/clock.ts'
import type { TargetUri } from '../../core/target-uri.ts'
import {
  CHECKS_AT_ONCE,
  CHECKS_START,
  MAX_WATCHED,
  step,
  WISH_MS,
  type ChecksCommand,
  type ChecksEvent,
  type ChecksState,
} from '../../gateway/machines/checks.ts'

const EVERY_MS = 900_000
const A = 'http://a.test/myupdate.cab' as TargetUri
const B = 'http://b.test/myupdate.cab' as TargetUri
const C = 'http://c.test/myupdate.cab' as TargetUri
const at = (ms: number) => ms as Monotonic
const wished = (uri: TargetUri, ms = 0): ChecksEvent => ({ kind: 'wished', at: at(ms), uri, fraction: 0 })
const elected = (ms = 0): ChecksEvent => ({ kind: 'elected', at: at(ms), fraction: 0 })
const woken = (ms: number): ChecksEvent => ({ kind: 'woken', at: at(ms) })
const checked = (uri: TargetUri, found: string | undefined, ms = 0, fraction = 0.5): ChecksEvent => ({
  kind: 'checked',
  at: at(ms),
  uri,
  found,
  fraction,
})

function play(...events: readonly ChecksEvent[]): [ChecksState, readonly ChecksCommand[]] {
  let state = CHECKS_START
  let last: readonly ChecksCommand[] = []
  for (const event of events) [state, last] = step(EVERY_MS, state, event)
  return [state, last]
}

function checksOf(commands: readonly ChecksCommand[]): readonly string[] {
  return commands.flatMap((command) => (command.kind === 'check' ? [command.uri] : []))
}

describe('checks on behalf of all', () => {
  test('are made by the elected node only, of what was wished before too', () => {
    assert.deepEqual(play(wished(A))[1], [])
    assert.deepEqual(checksOf(play(wished(A), elected())[1]), [A])
    assert.deepEqual(checksOf(play(wished(A), elected(), { kind: 'dismissed' }, woken(EVERY_MS))[1]), [])
  })

  test('are made again after a quarter of an hour, give or take a tenth', () => {
    for (const [fraction, factor] of [
      [0, 0.9],
      [0.5, 1],
    ] as const) {
      const [, commands] = play(wished(A), elected(), checked(A, 'one', 0, fraction))
      assert.deepEqual(commands.at(-1), { kind: 'wake', afterMs: EVERY_MS * factor })
    }
    const [, early] = play(wished(A), elected(), checked(A, 'one'), woken(EVERY_MS - 1))
    assert.deepEqual(checksOf(early), [])
    const [, due] = play(wished(A), elected(), checked(A, 'one'), woken(EVERY_MS))
    assert.deepEqual(checksOf(due), [A])
  })

  test('tell news once, and say when it is not known whether it is any', () => {
    const news = (...found: readonly string[]) => {
      const [, commands] = play(wished(A), elected(), ...found.map((each) => checked(A, each)))
      return commands.filter(({ kind }) => kind === 'news')
    }
    assert.deepEqual(news('one'), [{ kind: 'news', uri: A, isFirst: true }])
    assert.deepEqual(news('one', 'one'), [])
    assert.deepEqual(news('one', 'two'), [{ kind: 'news', uri: A, isFirst: false }])
  })

  test('that bring nothing are put off ever longer, to four times as long, and are no news', () => {
    const failed = Array.from({ length: 5 }, () => checked(A, undefined))
    const waits = [1, 2, 5].map((times) => play(wished(A), elected(), ...failed.slice(0, times))[1])
    assert.deepEqual(
      waits.map((commands) => commands),
      [2, 4, 4].map((factor) => [{ kind: 'wake', afterMs: factor * EVERY_MS }]),
    )
    const [, commands] = play(
      wished(A),
      elected(),
      checked(A, 'one'),
      checked(A, undefined),
      checked(A, 'one'),
    )
    assert.deepEqual(
      commands.filter(({ kind }) => kind === 'news'),
      [],
    )
  })

  test('run two at a time', () => {
    assert.equal(CHECKS_AT_ONCE, 2)
    const [state, commands] = play(wished(A), wished(B), wished(C), elected())
    assert.deepEqual(checksOf(commands), [A, B])
    assert.deepEqual(checksOf(step(EVERY_MS, state, checked(A, 'one'))[1]), [C])
  })

  test('end when nobody has wished it for a day', () => {
    const [, late] = play(wished(A), elected(), checked(A, 'one'), woken(WISH_MS))
    assert.deepEqual(late, [])
    const [, again] = play(wished(A), elected(), checked(A, 'one'), wished(A, 1000), woken(WISH_MS))
    assert.deepEqual(checksOf(again), [A])
  })

  test('are of so many URLs and no more: what was wished least lately makes room', () => {
    const many = Array.from({ length: MAX_WATCHED }, (_, each) =>
      wished(`http://x.test/${each}` as TargetUri, each),
    )
    const [state] = play(wished(A), ...many)
    assert.equal(state.watched.length, MAX_WATCHED)
    assert.equal(
      state.watched.some(({ uri }) => uri === A),
      false,
    )
  })
})
