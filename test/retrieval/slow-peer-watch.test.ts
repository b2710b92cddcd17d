import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import { describe, test } from 'node:test'
import { sleep, type Clock, type Monotonic } from '../../core/clock.ts'
import type { Fault } from '../../core/fault.ts'
import type { Upstream } from '../../core/upstream.ts'
import { LineUse } from '../../retrieval/line-use.ts'
import { OriginTrials, TRIAL_MS } from '../../retrieval/origin-trial.ts'
import { SlowPeerWatch } from '../../retrieval/slow-peer-watch.ts'
import { manualClock } from '../manual-clock.ts'
import { requestFor } from './request-for.ts'

const SIZE = 4_000_000
const FILE = 'http://updates.test/a.cab'

interface Watched {
  /** What the copy grows by, in bytes per second. */
  readonly peer: number
  /** What the origin server sends beside it, in bytes per second. */
  readonly line: number
  /** Of the time before, because this node had no turn at the processor, in ms. */
  readonly lostMs?: number
  /** Until the origin server answers HEAD, in ms. */
  readonly wayMs?: number
  /** Whether other files come over the same line, to others that come before this one. */
  readonly isShared?: boolean
}

/** One of those that read a growing copy, beside a line of which it knows nothing. */
function watching({ peer, line, lostMs = 0, wayMs = 20, isShared = false }: Watched) {
  const clock = manualClock()
  const listening: Clock = { ...clock, monotonic: () => (clock.monotonic() - lostMs) as Monotonic }
  const asked: (string | undefined)[] = []
  const origin: Upstream = {
    async request({ method, fields, signal }) {
      if (method === 'HEAD') {
        await sleep(clock, wayMs, signal)
        return { status: 200, reason: '', fields: [], body: nothing() }
      }
      asked.push(fields.find(([name]) => name === 'Range')?.[1])
      const contentRange = ['Content-Range', `bytes 0-99999/${SIZE}`] as const
      return { status: 206, reason: '', fields: [contentRange], body: paced(signal) }
    },
  }
  async function* nothing() {}
  async function* paced(signal: AbortSignal) {
    for (;;) {
      await sleep(clock, 20, signal)
      yield new Uint8Array(line / 50)
    }
  }
  const ending = new AbortController()
  const left: Fault[] = []
  const receivedBytes = () => Math.floor((clock.monotonic() * peer) / 1000)
  const lineUse = new LineUse(clock)
  if (isShared) for (const file of [1, 2]) lineUse.note(1000, `http://updates.test/${file}`)
  new SlowPeerWatch(
    'in-progress',
    {
      receivedBytes,
      originBytes: () => 0,
      heldBytes: receivedBytes,
      size: () => SIZE,
      isUnseen: () => false,
      wouldStartAfresh: () => false,
      wastedMs: () => 0,
      isAwaited: () => true,
      knowsRanges: () => undefined,
      isSentAgain: () => false,
      isFirst: () => !isShared,
    },
    ending.signal,
    { clock: listening, request: requestFor(FILE), trials: new OriginTrials({ clock, origin }), lineUse },
    (fault) => {
      left.push(fault)
      ending.abort()
    },
  ).watch()
  const pass = async (seconds: number, each: () => void = () => {}) => {
    for (let ms = 0; ms < seconds * 1000; ms += 20) {
      each()
      clock.advance(20)
      for (let turn = 0; turn < 3; turn += 1) await setImmediate()
    }
    ending.abort()
  }
  return { asked, left, lineUse, pass }
}

describe('a growing copy that comes slowly, where nothing is known of the line', () => {
  test('is left for a line that is free', async () => {
    const { asked, left, pass } = watching({ peer: 200_000, line: 5_000_000 })
    await pass(3)
    assert.equal(asked.length, 1)
    assert.deepEqual(
      left.map(({ code }) => code),
      ['PEER_SLOW'],
    )
  })

  test('is read on where the line sends no faster, which is not tried again soon', async () => {
    const { asked, left, pass } = watching({ peer: 150_000, line: 50_000 })
    await pass(15)
    assert.deepEqual([asked.length, left], [2, []], 'after 8 s')
  })

  test('is read on where the line is so full that a head alone is long under way, and no bytes are asked for', async () => {
    const { asked, left, pass } = watching({
      peer: 40_000,
      line: 5_000_000,
      wayMs: TRIAL_MS + 100,
      isShared: true,
    })
    await pass(15)
    assert.deepEqual([asked, left], [[], []])
  })

  test('is read on, and the line is spared, where other files come at the same moment', async () => {
    const { asked, left, lineUse, pass } = watching({ peer: 40_000, line: 40_000 })
    await pass(15, () => {
      for (let file = 2; file < 6; file += 1) lineUse.note(800, `http://updates.test/${file}`)
    })
    assert.deepEqual([asked, left], [[], []])
  })

  test('is tried again as often where this node was away for a minute before', async () => {
    const [always, away] = [0, 60_000].map((lostMs) => watching({ peer: 150_000, line: 50_000, lostMs }))
    for (const each of [always, away]) await each?.pass(20)
    assert.ok((always?.asked.length ?? 0) >= 2, `${always?.asked.length} trials`)
    assert.deepEqual(away?.asked, always?.asked)
  })
})
