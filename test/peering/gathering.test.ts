import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Gathering, MAX_GATHERED, QUIET_TURNS } from '../../peering/gathering.ts'

/** The turns of an event loop, one by one; what was asked together. */
function scene() {
  const due: (() => void)[] = []
  const packets: string[][] = []
  let packet: string[] | undefined
  const gathering = new Gathering(
    (wake) => void due.push(wake),
    (ask) => {
      packet = []
      ask()
      packets.push(packet)
      packet = undefined
    },
  )
  return {
    packets,
    ask: (name: string) => gathering.add(() => void packet?.push(name)),
    turn: (times = 1) => {
      for (let each = 0; each < times; each++) for (const wake of due.splice(0)) wake()
    },
  }
}

test('what comes turn by turn is asked together, once no turn has brought more', () => {
  const { packets, ask, turn } = scene()
  for (const name of ['a', 'b', 'c']) {
    ask(name)
    turn(QUIET_TURNS)
  }
  assert.deepEqual(packets, [])
  turn()
  assert.deepEqual(packets, [['a', 'b', 'c']])
})

test('a single one waits for the turns alone, and the next one anew', () => {
  const { packets, ask, turn } = scene()
  for (const name of ['a', 'b']) {
    ask(name)
    turn(QUIET_TURNS + 1)
  }
  turn(10)
  assert.deepEqual(packets, [['a'], ['b']])
})

test(`no more than ${MAX_GATHERED} are gathered; what comes behind them begins anew`, () => {
  const { packets, ask, turn } = scene()
  const names = Array.from({ length: MAX_GATHERED + 1 }, (_, at) => `${at}`)
  for (const name of names) ask(name)
  assert.deepEqual(packets, [names.slice(0, MAX_GATHERED)])
  turn(QUIET_TURNS + 1)
  assert.deepEqual(packets[1], names.slice(MAX_GATHERED))
})

test('what is added by an asking itself is asked with the next ones', () => {
  const asked: string[] = []
  const due: (() => void)[] = []
  const gathering = new Gathering(
    (wake) => void due.push(wake),
    (ask) => ask(),
  )
  gathering.add(() => {
    asked.push('first')
    gathering.add(() => void asked.push('second'))
  })
  for (let turns = 0; turns <= QUIET_TURNS; turns++) for (const wake of due.splice(0)) wake()
  assert.deepEqual(asked, ['first'])
  for (let turns = 0; turns <= QUIET_TURNS; turns++) for (const wake of due.splice(0)) wake()
  assert.deepEqual(asked, ['first', 'second'])
})
