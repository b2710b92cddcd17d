import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { seededRandom } from '../../core/random.ts'
import { takingTurns, Turns, type TurnSettings } from '../../sim/turns.ts'
import { VirtualClock } from '../../sim/virtual-clock.ts'

const SETTINGS: TurnSettings = { turnMs: 5, mostRestMs: 500 }

function scene() {
  const clock = new VirtualClock()
  const turns = new Turns(clock, seededRandom(1), SETTINGS)
  return {
    clock,
    turns,
    own: takingTurns(clock.lease(), turns),
    pass: (ms: number) => clock.run(clock.sleep(ms), ms + 1),
  }
}

describe('a program that shares its processor', () => {
  test('does nothing between two turns, and then all of it in the order of its coming', async () => {
    const { clock, turns, pass } = scene()
    const done: [planned: number, at: number][] = []
    for (let ms = 0; ms < 5000; ms += 1)
      clock.after(ms, () => turns.take(() => done.push([ms, clock.monotonic()])))
    await pass(6000)
    assert.deepEqual(
      done.map(([planned]) => planned),
      Array.from({ length: 5000 }, (_, ms) => ms),
    )
    const lateMs = done.map(([planned, at]) => at - planned)
    assert.ok(Math.min(...lateMs) === 0 && Math.max(...lateMs) > 400 && Math.max(...lateMs) <= 500)
    const inTurn = lateMs.filter((ms) => ms === 0).length
    assert.ok(inTurn < 0.05 * 5000, `${inTurn} of 5000 found it at work`)
  })

  test('its timers may be taken back until its turn comes', async () => {
    const { clock, own, pass } = scene()
    await pass(6)
    let calls = 0
    const cancels = Array.from({ length: 200 }, (_, ms) => own.after(ms, () => void (calls += 1)))
    // Those that are due wait for the turn now.
    for (const cancel of cancels) clock.after(0, cancel)
    await pass(1000)
    assert.equal(calls, 0)
  })

  test('what waited for a turn is not done by a program that has ended', async () => {
    const { own, pass } = scene()
    await pass(6)
    own.after(0, () => assert.fail('it is over'))
    own.end()
    await pass(1000)
  })
})
