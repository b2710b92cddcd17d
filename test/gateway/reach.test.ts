import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import type { Monotonic } from '../../core/clock.ts'
import {
  FAILURE_COUNTS_MS,
  FIRST_TRY_MS,
  isDoubtful,
  LONGEST_WAIT_MS,
  REACH_START,
  REACH_TRANSITIONS,
  step,
  SURE_MS,
  type ReachEvent,
  type ReachState,
} from '../../gateway/machines/reach.ts'

const at = (ms: number) => ms as Monotonic
const failed = (ms: number, server: string, hasRoute = true): ReachEvent => ({
  kind: 'failed',
  at: at(ms),
  server,
  hasRoute,
})
const reached = (ms: number): ReachEvent => ({ kind: 'reached', at: at(ms) })
const asked = (ms: number, hasRoute = true): ReachEvent => ({ kind: 'asked', at: at(ms), hasRoute })

function after(...events: readonly ReachEvent[]): ReachState {
  return events.reduce<ReachState>((state, event) => step(state, event)[0], REACH_START)
}

function way(state: ReachState, event: ReachEvent): string | undefined {
  const [command] = step(state, event)[1]
  return command?.kind === 'go' ? command.way : undefined
}

describe('whether the Internet is reached', () => {
  test('is tried, not waited for, until a server has answered; then the direct way is taken', () => {
    assert.equal(way(REACH_START, asked(0)), 'try')
    assert.equal(way(after(reached(1)), asked(2)), 'direct')
  })

  test('one server that does not answer is that server’s matter; a second one is this machine’s', () => {
    const one = after(reached(0), failed(1, 'a.test'), failed(2, 'a.test'))
    assert.equal(way(one, asked(3)), 'direct')
    const [two, commands] = step(one, failed(4, 'b.test'))
    assert.deepEqual(commands, [{ kind: 'changed', to: 'isolated' }])
    assert.equal(way(two, asked(5)), 'gateway')
  })

  test('without a default route one is enough', () => {
    assert.equal(after(failed(1, 'a.test', false)).kind, 'isolated')
  })

  test('what a gateway reached and this machine did not is enough too', () => {
    const bypassed = (server: string): ReachEvent => ({ kind: 'bypassed', at: at(2), server, hasRoute: true })
    assert.equal(after(failed(1, 'a.test'), bypassed('a.test')).kind, 'isolated')
    assert.equal(after(failed(1, 'a.test'), bypassed('b.test')).kind, 'direct')
  })

  test('a success in between, or a long time, makes failures of before count for nothing', () => {
    assert.equal(after(failed(1, 'a.test'), reached(2), failed(3, 'b.test')).kind, 'direct')
    assert.equal(after(failed(1, 'a.test'), failed(1 + FAILURE_COUNTS_MS, 'b.test')).kind, 'direct')
  })

  test('now and then a request tries the direct way, ever more seldom; a success ends it at once', () => {
    let state = after(failed(0, 'a.test'), failed(0, 'b.test'))
    const tries: number[] = []
    for (let ms = 0; ms < 3_600_000; ms += 1000) {
      const [next, [command]] = step(state, asked(ms))
      state = next
      if (command?.kind === 'go' && command.way === 'try') tries.push(ms)
    }
    assert.equal(tries[0], FIRST_TRY_MS)
    const waits = tries.slice(1).map((each, index) => each - (tries[index] ?? 0))
    assert.ok(waits.every((wait) => wait <= LONGEST_WAIT_MS) && waits.at(-1) === LONGEST_WAIT_MS)
    assert.equal(way(step(state, reached(3_600_000))[0], asked(3_600_001)), 'direct')
  })

  test('a default route that appears is worth a try at once, and one try only', () => {
    const state = after(failed(0, 'a.test', false))
    assert.equal(way(state, asked(1, false)), 'gateway')
    const [tried, [command]] = step(state, asked(2, true))
    assert.deepEqual(command, { kind: 'go', way: 'try' })
    assert.equal(way(tried, asked(3, true)), 'gateway')
  })

  test('right after a success a failure is not doubted', () => {
    assert.equal(isDoubtful(REACH_START, at(0)), true)
    assert.equal(isDoubtful(after(reached(0)), at(SURE_MS)), false)
    assert.equal(isDoubtful(after(reached(0)), at(SURE_MS + 1)), true)
  })

  test('every transition that happens is in the table', () => {
    const known = new Set(REACH_TRANSITIONS.map(([from, event, to]) => `${from} ${event} ${to}`))
    const event = fc.record({
      kind: fc.constantFrom('asked', 'reached', 'failed', 'bypassed'),
      server: fc.constantFrom('a', 'b', 'c'),
      hasRoute: fc.boolean(),
      passed: fc.nat(100_000),
    })
    fc.assert(
      fc.property(fc.array(event, { maxLength: 40 }), (events) => {
        let state = REACH_START
        let now = 0
        for (const { passed, ...each } of events) {
          now += passed
          const [next] = step(state, { ...each, at: at(now) })
          assert.ok(known.has(`${state.kind} ${each.kind} ${next.kind}`))
          state = next
        }
      }),
    )
  })
})
