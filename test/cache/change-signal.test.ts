import assert from 'node:assert/strict'
import { setImmediate as turn } from 'node:timers/promises'
import { describe, it } from 'node:test'
import { ChangeSignal } from '../../cache/change-signal.ts'

describe('a change', () => {
  it('wakes everyone who waits, once', () => {
    const signal = new ChangeSignal()
    let woken = 0
    for (let each = 0; each < 3; each += 1) signal.onNext(() => (woken += 1))
    signal.raise()
    signal.raise()
    assert.equal(woken, 3)
  })

  it('wakes nobody who has taken that back', () => {
    const signal = new ChangeSignal()
    let woken = 0
    signal.onNext(() => (woken += 1))()
    signal.raise()
    assert.equal(woken, 0)
  })

  it('wakes a crowd group by group, and looks at the connections in between', async () => {
    const signal = new ChangeSignal()
    const woken: number[] = []
    for (let each = 0; each < 40; each += 1) signal.onNext(() => woken.push(each))
    signal.raise()
    const turns = [woken.length]
    for (let each = 0; each < 3; each += 1) {
      await turn()
      turns.push(woken.length)
    }
    assert.deepEqual(turns, [16, 32, 40, 40])
    assert.deepEqual(
      woken,
      Array.from({ length: 40 }, (_, at) => at),
    )
  })

  it('that comes while a crowd is being woken wakes those too that wait again', async () => {
    const signal = new ChangeSignal()
    let woken = 0
    const waitAgain = (times: number) => {
      if (times > 0)
        signal.onNext(() => {
          woken += 1
          waitAgain(times - 1)
        })
    }
    for (let each = 0; each < 20; each += 1) waitAgain(2)
    signal.raise()
    signal.raise()
    for (let each = 0; each < 5; each += 1) await turn()
    // Four had not been woken for the first one: they see both at once.
    assert.equal(woken, 36)
  })
})
