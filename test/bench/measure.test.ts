import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { measureGroup, median, type Figures, type Group } from '../../bench/measure.ts'
import { groupText } from '../../bench/report.ts'

/** A group whose cases `plain` and `other` take what the tables say, round by round. */
function groupOf(plain: readonly number[], other: readonly number[], ran: string[] = []): Group {
  const running = (name: string, times: readonly number[]) => ({
    name,
    run(round: number): Figures {
      ran.push(`${name} ${round}`)
      return { time: times[round] ?? NaN }
    },
  })
  return {
    name: 'a group',
    baseline: 'plain',
    units: { time: 'ms' },
    cases: [running('plain', plain), running('other', other)],
    bounds: [1.5, 2.5].map((atMost) => ({
      promise: 'quick',
      case: 'other',
      figure: 'time',
      of: 'ratio',
      atMost,
    })),
  }
}

describe('a group of cases', () => {
  test('takes turns, and nobody always comes first', async () => {
    const ran: string[] = []
    await measureGroup(groupOf([1, 1, 1], [1, 1, 1], ran), 3)
    assert.deepEqual(ran, ['plain 0', 'other 0', 'other 1', 'plain 1', 'plain 2', 'other 2'])
  })

  test('is compared round by round, so that a slow moment of the machine does not count', async () => {
    const { cases } = await measureGroup(groupOf([10, 100, 10], [20, 200, 21]), 3)
    const [, other] = cases
    assert.deepEqual(other?.figures['time'], {
      median: 21,
      least: 20,
      most: 200,
      ratio: 2,
      samples: [20, 200, 21],
    })
  })

  test('says which promises hold', async () => {
    const { bounds } = await measureGroup(groupOf([10], [20]), 1)
    assert.deepEqual(
      bounds.map(({ value, holds }) => [value, holds]),
      [
        [2, false],
        [2, true],
      ],
    )
  })

  test('does not promise what was not measured', async () => {
    const { bounds } = await measureGroup(groupOf([10], []), 1)
    assert.equal(
      bounds.some(({ holds }) => holds),
      false,
    )
  })

  test('runs no more rounds than it allows', async () => {
    const { rounds } = await measureGroup({ ...groupOf([1, 1, 1], [1, 1, 1]), mostRounds: 2 }, 3)
    assert.equal(rounds, 2)
  })

  test('is told as a table with ratios to the baseline', async () => {
    const text = groupText(await measureGroup(groupOf([1000, 1200], [2000, 2400]), 2))
    assert.match(text, /^\| plain \| 1,100 \(1,000–1,200\) \|$/m)
    assert.match(text, /^\| other \| 2,200 \(2,000–2,400\) ×2\.00 \|$/m)
    assert.match(text, /^- DOES NOT HOLD: quick: "other", ratio of time: 2 \(at most 1\.5\)$/m)
  })
})

test('the median of an even number of values lies between the middle two', () => {
  assert.equal(median([4, 1, 3, 2]), 2.5)
  assert.equal(median([3, 1, 2]), 2)
  assert.ok(Number.isNaN(median([])))
})
