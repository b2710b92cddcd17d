/** "Must hold" among hostile peers, in a part that fits CI; all thousand by `npm run simulate -- --hostile 1..1000`. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { failuresAmongHostile, hostileRun } from '../../sim/hostile-run.ts'

const RUNS = 150
/** In bytes per second. */
const SLOW_LINE = 1_000_000
/** Seeds of growing copies of 1 MiB and more that are wrong from a hostile peer. */
const BEGUN_WRONG = [82, 512, 693, 714, 924]
/** Runs of one test. */
const AT_ONCE = 30

describe('among one to three hostile peers', () => {
  let asked = 0
  for (let first = 1; first <= RUNS; first += AT_ONCE)
    test(`no wrong byte, no failure, a second at most (seeds ${first} to ${first + AT_ONCE - 1})`, async () => {
      for (let seed = first; seed < first + AT_ONCE; seed++) {
        const run = await hostileRun(seed)
        if (run.asked > 0) asked++
        assert.deepEqual(failuresAmongHostile(run), [], `npm run simulate -- --hostile ${seed}..${seed}`)
      }
    })

  test('nor where others are waited for that wait for a hostile one themselves (seeds that were a second or more late)', async () => {
    for (const seed of [553, 622, 659, 739])
      assert.deepEqual(failuresAmongHostile(await hostileRun(seed)), [])
  })

  test('nor where one that is slow after its first half follows another one (a seed that was 1.2 s late)', async () => {
    assert.deepEqual(failuresAmongHostile(await hostileRun(752)), [])
  })

  test('a growing copy above 1 MiB that was begun wrong breaks off, and comes right as soon as it is asked for again', async () => {
    let resumed = 0
    for (const seed of BEGUN_WRONG) {
      const run = await hostileRun(seed)
      resumed += run.resumed
      assert.deepEqual(failuresAmongHostile(run), [], `npm run simulate -- --hostile ${seed}..${seed}`)
    }
    assert.ok(resumed >= BEGUN_WRONG.length, `${resumed} broke off`)
  })

  test('nor on a line of 1 MB/s, where whoever sends wrong bytes as quickly as it costs most (seeds that were 1.1 to 5 s late, or broke off)', async () => {
    for (const seed of [40, 182, 209, 225, 266, 276, 292, 415, 563, 773])
      assert.deepEqual(
        failuresAmongHostile(await hostileRun(seed, SLOW_LINE)),
        [],
        `npm run simulate -- --hostile ${seed}..${seed} --line 1MB`,
      )
  })

  test('nor on that line where a claim ends between two milliseconds (a seed that never ended)', async () => {
    assert.deepEqual(failuresAmongHostile(await hostileRun(75, SLOW_LINE)), [])
  })

  test('who were asked for copies in most runs', () => {
    assert.ok(asked > RUNS / 2, `in ${asked} of ${RUNS} runs`)
  })

  test('a run that does not hold is one that says so', () => {
    const bad = {
      seed: 1,
      hostile: [],
      requests: 1,
      wrong: 1,
      resumed: 0,
      failed: 1,
      addedMs: 1001,
      asked: 1,
    }
    assert.equal(failuresAmongHostile(bad).length, 3)
  })
})
