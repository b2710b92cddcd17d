import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import {
  ANSWER_TRANSITIONS,
  initialAnswer,
  isAnswerOver,
  stepAnswer,
  type AnswerCommand,
  type AnswerEvent,
  type AnswerState,
} from '../../../peering/machines/answer.ts'
import { at, stepListed, testScripts, type Machine } from './script.ts'

type State = AnswerState<string>
type Event = AnswerEvent<string>
type Command = AnswerCommand<string>

const machine: Machine<State, Event, Command> = {
  initial: initialAnswer,
  step: stepAnswer,
  transitions: ANSWER_TRANSITIONS,
}

const REQUEST: Event = { kind: 'request', maxDelayMs: 2000 }
const LOCATE: Command = { kind: 'locate' }
const I_FOUND: Event = { kind: 'end-request' }
const WITHDRAWN: Event = { kind: 'withdrawn' }
const wake = (ms: number): Event & Command => ({ kind: 'wake', at: at(ms) })
const located = (kind: 'complete' | 'downloading', fraction = 0.25): Event => ({
  kind: 'located',
  at: at(100),
  located: { kind, offer: 'alias' },
  fraction,
})
const ABSENT: Event = { kind: 'located', at: at(100), located: { kind: 'absent' }, fraction: 0.25 }
const I_HAVE: Command = { kind: 'send-response', offer: 'alias' }
const I_AM_DOWNLOADING: Command = { kind: 'send-downloading', offer: 'alias' }

testScripts(machine, {
  'FIG. 3, 122 → 124 → 122: without a local aliased copy nothing is said': [
    [REQUEST, 'locating', LOCATE],
    [ABSENT, 'idle'],
  ],
  'FIG. 3, 124 → 126 → 130: "I have" leaves when the random delay is over': [
    [REQUEST, 'locating', LOCATE],
    [located('complete'), 'delaying', wake(600)],
    [wake(600), 'answered', I_HAVE],
  ],
  'FIG. 3, 126 → 128: "I found" before the delay ends cancels the answer': [
    [REQUEST, 'locating', LOCATE],
    [located('complete'), 'delaying', wake(600)],
    [I_FOUND, 'canceled'],
    [wake(600), 'canceled'],
  ],
  'FIG. 3, 130: "I found" after the answer changes nothing': [
    [REQUEST, 'locating', LOCATE],
    [located('complete'), 'delaying', wake(600)],
    [wake(600), 'answered', I_HAVE],
    [I_FOUND, 'answered'],
    [wake(601), 'answered'],
  ],
  '126: woken early, it asks to be woken again and says nothing': [
    [REQUEST, 'locating', LOCATE],
    [located('complete'), 'delaying', wake(600)],
    [wake(599), 'delaying', wake(600)],
    [wake(600), 'answered', I_HAVE],
  ],
  '126: the same question again does not begin another delay': [
    [REQUEST, 'locating', LOCATE],
    [located('complete'), 'delaying', wake(600)],
    [REQUEST, 'delaying'],
    [located('complete', 0), 'delaying'],
  ],
  '126 → 122: what is withdrawn meanwhile is not offered (R3.5)': [
    [REQUEST, 'locating', LOCATE],
    [located('complete'), 'delaying', wake(600)],
    [WITHDRAWN, 'idle'],
    [wake(600), 'idle'],
  ],
  'FIG. 7, 216B: whoever is downloading says so at once': [
    [REQUEST, 'locating', LOCATE],
    [located('downloading'), 'answered', I_AM_DOWNLOADING],
  ],
  '122: only a question changes something': [
    [I_FOUND, 'idle'],
    [WITHDRAWN, 'idle'],
    [located('complete'), 'idle'],
    [wake(5), 'idle'],
  ],
})

test('the delay response period is drawn from zero up to what the asker allows', () => {
  for (const [fraction, due] of [
    [0, 100],
    [0.5, 1100],
    [0.9999, 2099.8],
  ] as const) {
    const locating: State = { kind: 'locating', maxDelayMs: 2000 }
    const [, commands] = stepAnswer(locating, located('complete', fraction))
    assert.deepEqual(commands, [wake(due)])
  }
})

const moment = fc.integer({ min: 0, max: 5000 })
const anyEvent = (now: number): fc.Arbitrary<Event> =>
  fc.oneof(
    fc.record({ kind: fc.constant('request' as const), maxDelayMs: fc.integer({ min: 0, max: 10_000 }) }),
    fc.record({
      kind: fc.constant('located' as const),
      at: fc.constant(at(now)),
      located: fc.constantFrom(
        { kind: 'absent' as const },
        { kind: 'complete' as const, offer: 'alias' },
        { kind: 'downloading' as const, offer: 'alias' },
      ),
      fraction: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    }),
    fc.constantFrom(I_FOUND, WITHDRAWN),
    fc.constant(wake(now)),
  )
const events = fc
  .array(moment, { maxLength: 30, size: 'max' })
  .chain((times) => fc.tuple(...times.toSorted((a, b) => a - b).map((now) => anyEvent(now))))

test('whatever happens: listed transitions only, one answer at most, no wake-up in the past, an end is an end', () => {
  fc.assert(
    fc.property(events, (sequence) => {
      let state: State = machine.initial
      let answers = 0
      let now = 0
      for (const event of sequence) {
        if ('at' in event) now = event.at
        const before = state
        const step = stepListed(machine, state, event)
        if (before.kind !== 'idle' && isAnswerOver(before)) assert.equal(step.state, before)
        if (before.kind === 'idle' && step.state.kind === 'locating') answers = 0 // a new question
        for (const command of step.commands) {
          if (command.kind === 'wake') assert.ok(command.at >= now)
          if (command.kind.startsWith('send-')) answers++
        }
        assert.ok(answers <= 1)
        state = step.state
      }
    }),
  )
})
