import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import type { Monotonic } from '../../../core/clock.ts'
import {
  initialPieces,
  isHeld,
  MAX_BLOCK_PIECES,
  stepPieces,
  WINDOW_PIECES,
  type PiecesCommand,
  type PiecesEvent,
} from '../../../retrieval/pieces/plan.ts'

const MB = 1_000_000

/** What an event is before the moment is added at which it happens. */
type Happening = PiecesEvent extends infer Event
  ? Event extends PiecesEvent
    ? Omit<Event, 'at'>
    : never
  : never

/** A plan whose clock the test moves. */
function planned(pieces: number, heldPieces = 0) {
  let state = initialPieces(pieces, MB, heldPieces)
  let at = 0
  return {
    happens(event: Happening, afterMs = 0): readonly PiecesCommand[] {
      at += afterMs
      const [next, commands] = stepPieces(state, { ...event, at: at as Monotonic })
      state = next
      return commands
    },
    get state() {
      return state
    },
    get now() {
      return at
    },
  }
}

/** Commands as text, but for when to wake. */
function told(commands: readonly PiecesCommand[]): string[] {
  return commands.flatMap((command) => {
    switch (command.kind) {
      case 'ask':
        return [`ask ${command.source} ${command.first}-${command.end}`]
      case 'stop':
      case 'drop':
        return [`${command.kind} ${command.source}`]
      case 'wake':
        return []
      case 'done':
      case 'exhausted':
        return [command.kind]
    }
  })
}

const all = (...sources: readonly (readonly [id: string, bytesPerSecond?: number | undefined])[]) =>
  ({
    kind: 'joined',
    sources: sources.map(([id, bytesPerSecond]) => ({ id, bytesPerSecond, pieces: Infinity })),
  }) as const
const joined = (id: string, bytesPerSecond?: number) => all([id, bytesPerSecond])
const came = (source: string) => ({ kind: 'came', source }) as const
const failed = (source: string) => ({ kind: 'failed', source }) as const
const refused = (source: string) => ({ kind: 'refused', source }) as const

describe('which source brings which pieces', () => {
  test('one source alone is asked for all that is missing at once', () => {
    const plan = planned(1000, 3)
    assert.deepEqual(told(plan.happens(joined('a', 4 * MB))), ['ask a 3-1000'])
  })

  test('a block takes its source half a second, and a new source is asked for little first', () => {
    const plan = planned(100, 1)
    const commands = plan.happens(all(['a', 4 * MB], ['b', 8 * MB], ['c']))
    assert.deepEqual(told(commands), ['ask b 1-5', 'ask c 5-6', 'ask a 8-10'])
  })

  test('whose blocks come is trusted with larger ones, up to a bound', () => {
    const plan = planned(WINDOW_PIECES * 100)
    plan.happens(all(['a', 40 * MB], ['b']))
    let largest = 0
    for (let turn = 0; turn < 500; turn++) {
      for (const { id, block } of plan.state.sources)
        largest = Math.max(largest, id === 'b' && block !== undefined ? block.end - block.first : 0)
      for (let piece = 0; piece < 5; piece++) plan.happens(came('b'), 1)
      plan.happens(came('a'), 10)
    }
    assert.ok(largest > 4 && largest <= MAX_BLOCK_PIECES, `${largest} pieces`)
  })

  test('who is slow is given pieces that the quick one would not reach sooner', () => {
    const plan = planned(60)
    assert.deepEqual(told(plan.happens(all(['slow', MB], ['quick', 10 * MB]))), [
      'ask quick 0-5',
      'ask slow 15-16',
    ])
  })

  test('a piece that is late is asked of another, once, and who comes second is stopped', () => {
    const plan = planned(40)
    plan.happens(all(['a', 10 * MB], ['b', 10 * MB]))
    const everything = () => plan.state.sources.map(({ id, block }) => `${id} ${block?.next}-${block?.end}`)
    // `b` sends nothing any more; `a` brings all that it can.
    const stops: string[] = []
    for (let turn = 0; turn < 200 && !isWhole(plan.state); turn++)
      stops.push(...told(plan.happens(came('a'), 100)).filter((each) => each.startsWith('stop')))
    assert.ok(isWhole(plan.state), everything().join(', '))
    assert.ok(stops.includes('stop b'))
  })

  test('who has no place is asked again later, and when nobody has one the plan gives up', () => {
    const plan = planned(20)
    plan.happens(all(['a', 4 * MB], ['b', 4 * MB]))
    plan.happens(refused('b'))
    assert.equal(plan.state.sources.find(({ id }) => id === 'b')?.block, undefined)
    plan.happens({ kind: 'wake' }, 100)
    assert.notEqual(plan.state.sources.find(({ id }) => id === 'b')?.block, undefined)
    plan.happens(refused('b'))
    assert.deepEqual(told(plan.happens(refused('a'))), ['exhausted'])
  })

  test('a source that never has a place is forgotten', () => {
    const plan = planned(2000)
    plan.happens(all(['a', MB], ['b', MB]))
    for (let turn = 0; turn < 20; turn++) {
      plan.happens({ kind: 'wake' }, 7000)
      plan.happens(refused('b'))
      plan.happens(came('a'))
    }
    assert.deepEqual(
      plan.state.sources.map(({ id }) => id),
      ['a'],
    )
  })

  test('a source that has become far too slow is dropped', () => {
    const plan = planned(2000)
    plan.happens(all(['a', 50 * MB], ['b', 50 * MB]))
    const dropped: string[] = []
    for (let turn = 0; turn < 200; turn++)
      dropped.push(...told(plan.happens(came('a'), 20)).filter((each) => each.startsWith('drop')))
    assert.deepEqual(dropped, ['drop b'])
  })

  test('with the last piece it is done, and without a source it is exhausted', () => {
    const plan = planned(3, 2)
    plan.happens(joined('a'))
    assert.deepEqual(told(plan.happens(came('a'), 10)), ['done'])
    const other = planned(3)
    other.happens(joined('a'))
    assert.deepEqual(told(other.happens(failed('a'))), ['exhausted'])
  })

  test('who brought all the rest shares it with those who join later', () => {
    const plan = planned(100)
    plan.happens(joined('a', 10 * MB))
    assert.deepEqual(told(plan.happens(joined('b', 10 * MB))), ['stop a', 'ask a 0-5', 'ask b 5-10'])
  })

  test('who has the beginning only is asked for nothing else', () => {
    const plan = planned(20)
    const beginning = { id: 'b', bytesPerSecond: undefined, pieces: 2 }
    plan.happens({
      kind: 'joined',
      sources: [{ id: 'a', bytesPerSecond: 2 * MB, pieces: Infinity }, beginning],
    })
    const ends: number[] = []
    for (let turn = 0; turn < 30 && !isWhole(plan.state); turn++) {
      for (const id of ['b', 'a']) plan.happens(came(id), 250)
      for (const { id, block } of plan.state.sources) if (id === 'b' && block) ends.push(block.end)
    }
    assert.ok(ends.every((end) => end <= 2))
    assert.ok(isWhole(plan.state))
  })

  test('what nobody knows changes nothing', () => {
    const plan = planned(3)
    plan.happens(joined('a'))
    const before = plan.state
    plan.happens(came('nobody'))
    plan.happens(refused('nobody'))
    assert.deepEqual(plan.state, before)
  })
})

interface Simulated {
  readonly bytesPerSecond: number
  /** It breaks off after so many pieces. */
  readonly breaksAfter: number
  /** Every so many-th request is refused. */
  readonly refusesEvery: number
  /** It has the first pieces, so many. */
  readonly has: number
}

const simulated: fc.Arbitrary<Simulated> = fc.record({
  bytesPerSecond: fc.integer({ min: MB / 2, max: 100 * MB }),
  breaksAfter: fc.oneof(fc.constant(Infinity), fc.integer({ min: 0, max: 50 })),
  refusesEvery: fc.integer({ min: 2, max: 10 }),
  has: fc.oneof(fc.constant(Infinity), fc.integer({ min: 0, max: 200 })),
})

describe('whatever the sources do', () => {
  test('every piece comes, or no source is left; no piece is brought by more than two at once; little comes twice', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 200 }),
        fc.array(simulated, { minLength: 1, maxLength: 4 }),
        (pieces, sources) => {
          const { outcome, brought, held } = simulate(pieces, sources)
          assert.ok(outcome === 'done' || outcome === 'exhausted')
          if (outcome === 'done') assert.equal(held, pieces)
          assert.ok(
            brought <= pieces + MAX_BLOCK_PIECES * sources.length + pieces / 4,
            `${brought} of ${pieces}`,
          )
        },
      ),
    )
  })

  test('two equal sources take half of the time of one', () => {
    const equal = { bytesPerSecond: 5 * MB, breaksAfter: Infinity, refusesEvery: Infinity, has: Infinity }
    const one = simulate(100, [equal])
    const two = simulate(100, [equal, equal])
    assert.ok(two.ms < 0.6 * one.ms, `${two.ms} ms instead of ${one.ms} ms`)
  })

  test('a source that is ten times slower does not keep the application waiting', () => {
    const quick = { bytesPerSecond: 10 * MB, breaksAfter: Infinity, refusesEvery: Infinity, has: Infinity }
    const { longestStallMs } = simulate(200, [{ ...quick, bytesPerSecond: MB }, quick])
    assert.ok(longestStallMs < 1000, `${longestStallMs} ms`)
  })
})

/** Plays the sources in steps of 10 ms: each brings bytes at its rate. */
function simulate(pieces: number, sources: readonly Simulated[]) {
  const plan = planned(pieces)
  const running = new Map<string, { next: number; end: number; bytes: number }>()
  const counts = sources.map(() => ({ brought: 0, asked: 0 }))
  const run: { outcome: 'done' | 'exhausted' | undefined; longestStallMs: number } = {
    outcome: undefined,
    longestStallMs: 0,
  }
  const obey = (commands: readonly PiecesCommand[]): void => {
    for (const command of commands) {
      if (command.kind === 'ask') {
        running.set(command.source, { next: command.first, end: command.end, bytes: 0 })
        mustBeBroughtByTwo(plan.state)
      } else if (command.kind === 'stop' || command.kind === 'drop') running.delete(command.source)
      else if (command.kind !== 'wake') run.outcome ??= command.kind
    }
  }
  const joining = sources.map(({ bytesPerSecond, has }, at) => ({
    id: String(at),
    bytesPerSecond: at === 0 ? bytesPerSecond : undefined,
    pieces: has,
  }))
  obey(plan.happens({ kind: 'joined', sources: joining }))
  let front = 0
  let frontAt = 0
  for (let turn = 0; turn < 200_000; turn++) {
    if (run.outcome !== undefined) break
    obey(plan.happens({ kind: 'wake' }, 10))
    for (const [number, source] of sources.entries()) step(number, source)
    const [first] = plan.state.held
    const now = first?.start === 0 ? first.end : 0
    if (now > front) frontAt = plan.now
    front = now
    run.longestStallMs = Math.max(run.longestStallMs, plan.now - frontAt)
  }
  const held = plan.state.held.reduce((sum, { start, end }) => sum + end - start, 0)
  const brought = counts.reduce((sum, count) => sum + count.brought, 0)
  return { ...run, brought, held, ms: plan.now }

  function step(number: number, { bytesPerSecond, breaksAfter, refusesEvery }: Simulated): void {
    const id = String(number)
    const block = running.get(id)
    const count = counts[number]
    if (block === undefined || count === undefined || run.outcome !== undefined) return
    if (block.bytes === 0 && ++count.asked % refusesEvery === 0) {
      running.delete(id)
      return obey(plan.happens(refused(id)))
    }
    block.bytes += bytesPerSecond / 100
    for (; block.bytes >= MB && running.get(id) === block; block.bytes -= MB) {
      block.next++
      if (block.next === block.end) running.delete(id)
      obey(plan.happens(came(id)))
      if (++count.brought <= breaksAfter) continue
      running.delete(id)
      obey(plan.happens(failed(id)))
    }
  }
}

function isWhole(state: ReturnType<typeof initialPieces>): boolean {
  return Array.from({ length: state.pieces }, (_, piece) => isHeld(state, piece)).every(Boolean)
}

function mustBeBroughtByTwo({ sources, pieces }: ReturnType<typeof initialPieces>): void {
  for (let piece = 0; piece < pieces; piece++) {
    const count = sources.filter(({ block }) => block && block.next <= piece && piece < block.end).length
    assert.ok(count <= 2, `piece ${piece} is brought by ${count}`)
  }
}
