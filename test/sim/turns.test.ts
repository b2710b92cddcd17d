import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { seededRandom } from '../../core/random.ts'
import { takingTurns, Turns, type TurnSettings } from '../../sim/turns.ts'
import { VirtualClock } from '../../sim/virtual-clock.ts'
import { VirtualLan } from '../../sim/virtual-lan.ts'

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

  test('what is to be done while it is at work waits behind what came before, and for its promises', async () => {
    const { turns, pass } = scene()
    await pass(6)
    const done: string[] = []
    turns.take(() => {
      done.push('first')
      turns.take(() => done.push('third'))
      void Promise.resolve().then(() => done.push('what the first set off'))
    })
    turns.take(() => done.push('second'))
    await pass(1000)
    assert.deepEqual(done, ['first', 'what the first set off', 'second', 'third'])
  })

  test('what fails takes nothing else with it', async () => {
    const { clock, turns, pass } = scene()
    await pass(6)
    let isDone = false
    turns.take(() => assert.fail('as planned'))
    turns.take(() => void (isDone = true))
    await assert.rejects(pass(1000), /as planned/)
    await clock.run(clock.sleep(1), 10)
    assert.ok(isDone)
  })

  test('a packet that waits for a turn is not heard in the next life', async () => {
    const clock = new VirtualClock()
    const lan = new VirtualLan(clock, seededRandom(1))
    const sender = lan.host('10.0.0.1')
    const receiver = lan.host('10.0.0.2', { turns: { ...SETTINGS, random: seededRandom(1) } })
    const heard: string[] = []
    const live = (name: string) =>
      lan.transport(receiver).start(({ bytes }) => heard.push(`${name}: ${Buffer.from(bytes).toString()}`))
    const send = (text: string) => lan.transport(sender).send(receiver.address, Buffer.from(text))
    const pass = (ms: number) => clock.run(clock.sleep(ms), ms + 1)
    await live('first life')
    await pass(6)
    send('early')
    await pass(5)
    assert.deepEqual(heard, [])
    receiver.crash('machine')
    receiver.restart()
    await live('second life')
    send('late')
    await pass(1000)
    assert.deepEqual(heard, ['second life: late'])
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
