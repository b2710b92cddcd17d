import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import {
  DOWNLOAD_TRANSITIONS,
  initialDownload,
  MAX_REPORTS,
  MAX_WAITING,
  MOST_TOLD_EACH,
  REPORT_INTERVAL_MS,
  REPORTS_PER_BROADCAST,
  stepDownload,
  type DownloadCommand,
  type DownloadEvent,
  type DownloadState,
} from '../../../peering/machines/download.ts'
import { at, stepListed, testScripts, type Machine } from './script.ts'

const machine: Machine<DownloadState, DownloadEvent, DownloadCommand> = {
  initial: initialDownload,
  step: stepDownload,
  transitions: DOWNLOAD_TRANSITIONS,
}

const BEGIN: DownloadEvent = { kind: 'begin', at: at(0), waiting: [] }
const DOWNLOADING: DownloadCommand = { kind: 'broadcast-downloading' }
const COMPLETE: DownloadEvent = { kind: 'complete' }
const FAILED: DownloadEvent = { kind: 'failed' }
const READABLE: DownloadEvent = { kind: 'readable', at: at(0) }
const asked = (peer: string): DownloadEvent => ({ kind: 'asked', peer })
const wake = (ms: number): DownloadEvent & DownloadCommand => ({ kind: 'wake', at: at(ms) })
const progress = (...to: string[]): DownloadCommand => ({ kind: 'send-progress', to })

/** Reports that nobody waits for. */
const quiet = (from: number, count: number) =>
  Array.from({ length: count }, (_, each) => {
    const ms = (from + each) * REPORT_INTERVAL_MS
    return [wake(ms), 'downloading', wake(ms + REPORT_INTERVAL_MS)] as const
  })

testScripts(machine, {
  'FIG. 7, 216B: where somebody waits, the place is told to everybody twice': [
    [{ kind: 'begin', at: at(0), waiting: ['a'] }, 'downloading', DOWNLOADING, wake(500)],
    [{ kind: 'readable', at: at(40) }, 'downloading', DOWNLOADING, wake(140)],
    [wake(140), 'downloading', DOWNLOADING, wake(640)],
    [wake(640), 'downloading', progress('a'), wake(1140)],
  ],
  'FIG. 7, 216A and 216B: "downloading" is broadcast when the growing copy can be read': [
    [BEGIN, 'downloading', wake(500)],
    [BEGIN, 'downloading'],
    [READABLE, 'downloading', DOWNLOADING],
  ],
  '216A: whoever waits for this node from the start is told at once, and counts as waiting (R5.4)': [
    [{ kind: 'begin', at: at(0), waiting: ['r'] }, 'downloading', DOWNLOADING, wake(500)],
    [wake(500), 'downloading', progress('r'), wake(1000)],
    [FAILED, 'over', { kind: 'send-failed', to: ['r'] }],
    [READABLE, 'over'],
  ],
  'FIG. 7, 216C: progress goes to those who wait, every half second': [
    [BEGIN, 'downloading', wake(500)],
    [asked('a'), 'downloading'],
    [asked('b'), 'downloading'],
    [wake(500), 'downloading', progress('a', 'b'), wake(1000)],
    [wake(1003), 'downloading', progress('a', 'b'), wake(1503)],
  ],
  'R5.4: what was taken over is told to everybody with the next report, then as ever, and when it is whole: who was replaced is behind':
    [
      [{ kind: 'begin', at: at(0), waiting: [], isTakeOver: true }, 'downloading', wake(500)],
      [{ kind: 'readable', at: at(40) }, 'downloading', DOWNLOADING],
      [wake(500), 'downloading', DOWNLOADING, wake(1000)],
      ...quiet(2, REPORTS_PER_BROADCAST - 1),
      [wake(5500), 'downloading', DOWNLOADING, wake(6000)],
      [asked('a'), 'downloading'],
      [COMPLETE, 'over', DOWNLOADING, { kind: 'send-complete', to: ['a'] }],
    ],
  'what was taken over, and could never be read, is no word to everybody': [
    [{ kind: 'begin', at: at(0), waiting: [], isTakeOver: true }, 'downloading', wake(500)],
    [wake(500), 'downloading', wake(1000)],
    [COMPLETE, 'over'],
  ],
  '216C: with nobody waiting nothing is sent': [
    [BEGIN, 'downloading', wake(500)],
    [wake(500), 'downloading', wake(1000)],
  ],
  '216C: what takes long is told to everybody again, every tenth report': [
    [BEGIN, 'downloading', wake(500)],
    [READABLE, 'downloading', DOWNLOADING],
    ...quiet(1, REPORTS_PER_BROADCAST - 1),
    [wake(5000), 'downloading', DOWNLOADING, wake(5500)],
    ...quiet(11, REPORTS_PER_BROADCAST - 1),
    [wake(10_000), 'downloading', DOWNLOADING, wake(10_500)],
  ],
  '216C: woken early, it reports nothing': [
    [BEGIN, 'downloading', wake(500)],
    [asked('a'), 'downloading'],
    [wake(499), 'downloading', wake(500)],
  ],
  'whoever asks twice is told once': [
    [BEGIN, 'downloading', wake(500)],
    [asked('a'), 'downloading'],
    [asked('a'), 'downloading'],
    [wake(500), 'downloading', progress('a'), wake(1000)],
  ],
  '"download complete" goes to everyone who waits, and is the end (R5.3)': [
    [BEGIN, 'downloading', wake(500)],
    [asked('a'), 'downloading'],
    [COMPLETE, 'over', { kind: 'send-complete', to: ['a'] }],
    [FAILED, 'over'],
    [asked('b'), 'over'],
    [wake(500), 'over'],
    [BEGIN, 'over'],
  ],
  '"download failed" goes to everyone who waits, and is the end (R5.3)': [
    [BEGIN, 'downloading', wake(500)],
    [asked('a'), 'downloading'],
    [FAILED, 'over', { kind: 'send-failed', to: ['a'] }],
    [COMPLETE, 'over'],
  ],
  '"download failed" says where what has come is for each who asks': [
    [BEGIN, 'downloading', wake(500)],
    [asked('a'), 'downloading'],
    [{ kind: 'failed', isForEach: true }, 'over', { kind: 'send-failed', to: ['a'], isForEach: true }],
  ],
  'before it begins nothing has an effect': [
    [asked('a'), 'idle'],
    [READABLE, 'idle'],
    [wake(5), 'idle'],
    [COMPLETE, 'idle'],
    [FAILED, 'idle'],
  ],
})

/** Steps through the events. @returns the state after the last, and every command. */
function run(events: readonly DownloadEvent[], from: DownloadState = initialDownload) {
  const commands: DownloadCommand[] = []
  let state = from
  for (const event of events) {
    const step = stepListed(machine, state, event)
    commands.push(...step.commands)
    state = step.state
  }
  return { state, commands }
}

const peers = (count: number) => Array.from({ length: count }, (_, each) => asked(`peer ${each}`))
const wakes = (from: number, count: number) =>
  Array.from({ length: count }, (_, each) => wake((from + each) * REPORT_INTERVAL_MS))
const reportsTo = (commands: readonly DownloadCommand[], peer: string) =>
  commands.filter((command) => command.kind === 'send-progress' && command.to.includes(peer)).length
const toldLast = (state: DownloadState) =>
  run([COMPLETE], state).commands.flatMap((each) => ('to' in each ? each.to : []))

test(`of those who wait from the start, no more than ${MAX_WAITING} are told`, () => {
  const waiting = Array.from({ length: MAX_WAITING + 1 }, (_, each) => `peer ${each}`)
  const { state } = run([{ kind: 'begin', at: at(0), waiting }])
  assert.equal(toldLast(state).length, MAX_WAITING)
})

test(`no more than ${MAX_WAITING} peers are told`, () => {
  const { state } = run([BEGIN, ...peers(MAX_WAITING + 1)])
  assert.equal(toldLast(state).length, MAX_WAITING)
})

test(`a waiting peer is sent ${MAX_REPORTS} reports, and the last word all the same`, () => {
  const { state, commands } = run([BEGIN, asked('a'), ...wakes(1, MAX_REPORTS + 50)])
  assert.equal(reportsTo(commands, 'a'), MAX_REPORTS)
  assert.deepEqual(toldLast(state), ['a'])
})

test('asking again begins the reports anew', () => {
  const { state } = run([BEGIN, asked('a'), ...wakes(1, MAX_REPORTS)])
  const again = run([asked('a'), ...wakes(MAX_REPORTS + 1, 10)], state)
  assert.equal(reportsTo(again.commands, 'a'), 10)
})

test('when the list is full, whoever has had every report makes room for one who has not', () => {
  const { state } = run([BEGIN, ...peers(MAX_WAITING), ...wakes(1, MAX_REPORTS)])
  const later = run([asked('newcomer'), ...wakes(MAX_REPORTS + 1, 2)], state)
  assert.equal(reportsTo(later.commands, 'newcomer'), 2)
  assert.equal(toldLast(later.state).length, MAX_WAITING)
})

test(`more than ${MOST_TOLD_EACH} who wait are told by one packet to everybody, and all of them that it is whole`, () => {
  const few = run([BEGIN, ...peers(MOST_TOLD_EACH), wake(500)]).state
  assert.deepEqual(
    run([wake(1000), FAILED], few).commands.map(({ kind }) => kind),
    ['send-progress', 'wake', 'send-failed'],
  )
  const many = run([BEGIN, ...peers(MOST_TOLD_EACH + 1), wake(500)]).state
  const { commands } = run([wake(1000), FAILED], many)
  assert.deepEqual(commands, [{ kind: 'broadcast-downloading' }, wake(1500), { kind: 'broadcast-failed' }])
  assert.equal(toldLast(many).length, MOST_TOLD_EACH + 1)
})

const events = fc.array(fc.nat(600), { maxLength: 40, size: 'max' }).chain((gaps) => {
  let now = 0
  const each = gaps.map((gap) => {
    now += gap
    return fc.oneof(
      { weight: 4, arbitrary: fc.constant(wake(now)) },
      { weight: 3, arbitrary: fc.constantFrom('a', 'b', 'c').map(asked) },
      {
        weight: 1,
        arbitrary: fc.constantFrom<DownloadEvent>(
          { kind: 'begin', at: at(now), waiting: [] },
          READABLE,
          COMPLETE,
          FAILED,
        ),
      },
    )
  })
  return fc.tuple(...each)
})

test('whatever happens: listed transitions only, one or two broadcasts for each new place and one every tenth report, wake-ups in the future, silence after the end', () => {
  fc.assert(
    fc.property(events, (sequence) => {
      let state: DownloadState = initialDownload
      let broadcasts = 0
      let places = 0
      let reports = 0
      for (const event of [BEGIN, ...sequence]) {
        const step = stepListed(machine, state, event)
        if (event.kind === 'readable' && state.kind === 'downloading') places++
        if (event.kind === 'wake') reports++
        if (state.kind === 'over') assert.deepEqual([step.state, step.commands], [state, []])
        for (const command of step.commands) {
          if (command.kind === 'broadcast-downloading') broadcasts++
          if (command.kind === 'wake' && 'at' in event) assert.ok(command.at > event.at)
        }
        state = step.state
      }
      // Once, once more where somebody waits, and again while it takes long.
      const most = 2 * places + Math.floor(reports / REPORTS_PER_BROADCAST)
      assert.ok(broadcasts >= places && broadcasts <= most)
    }),
  )
})
