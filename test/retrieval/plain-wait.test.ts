/** How long a node of the patents is waited for: its claim, held against the Internet. */
import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import { describe, test } from 'node:test'
import { fieldValue } from '../../core/fields.ts'
import { PLAIN_DOWNLOADS_MS, PLAIN_WAIT_MS } from '../../peering/machines/inquiry-patience.ts'
import type { NodeId } from '../../peering/packets.ts'
import { OriginTrials, SIZE_BYTES, TRIAL_MS } from '../../retrieval/origin-trial.ts'
import {
  LAST_WORD_MS,
  PLAIN_LOOK_MS,
  PlainWait,
  SHORT_MS,
  SPREAD_MS,
  UNTOLD_MS,
  worthWaitingMs,
  type PlainWaiting,
  type PlainClaim,
} from '../../retrieval/plain-wait.ts'
import type { RetrievalRequest } from '../../retrieval/request.ts'
import { manualClock } from '../manual-clock.ts'
import { FakeUpstream, Flow } from './upstreams.ts'
import { A, download, PEER, URL_A } from './world.ts'

const MB = 1_000_000

describe('what a claim is worth', () => {
  /** The Internet would take five seconds; the node has half, and says that it gets as much in a second as the line has. */
  const claim: PlainClaim = {
    size: 5 * MB,
    receivedBytes: 2.5 * MB,
    agoMs: 0,
    bytesPerSecond: 1 * MB,
    originBytesPerSecond: 1 * MB,
    waitedMs: 300,
  }

  test('until it says that it ends, and its last word has had time', () => {
    assert.equal(worthWaitingMs(claim), 2500 + LAST_WORD_MS)
  })

  for (const [why, more] of [
    ['the Internet would send it soon in any case', { originBytesPerSecond: (claim.size * 1000) / SHORT_MS }],
    ['the Internet would be over sooner', { bytesPerSecond: 400_000 }],
    ['it should have it by now', { receivedBytes: claim.size, agoMs: LAST_WORD_MS }],
    ['it says that it has more than there is', { receivedBytes: claim.size + MB }],
    ['as long as the own download would take has been waited', { waitedMs: 5000 }],
    ['it has said only once how much it has', { bytesPerSecond: undefined, waitedMs: UNTOLD_MS }],
    ['the line tells nothing', { originBytesPerSecond: NaN }],
  ] as const)
    test(`nothing, where ${why}`, () => {
      assert.ok(worthWaitingMs({ ...claim, ...more }) <= 0)
    })

  test('never more than the own download, nor than all of them may take', () => {
    assert.equal(worthWaitingMs({ ...claim, bytesPerSecond: 501_000, waitedMs: 1000 }), 4000)
    const large = { size: 500 * MB, receivedBytes: 400 * MB, bytesPerSecond: 2 * MB }
    assert.equal(worthWaitingMs({ ...claim, ...large }), PLAIN_DOWNLOADS_MS - claim.waitedMs)
  })

  test('a moment more, where it has said only once how much it has', () => {
    assert.equal(worthWaitingMs({ ...claim, bytesPerSecond: undefined }), UNTOLD_MS - claim.waitedMs)
  })
})

interface Setting {
  readonly size?: number
  readonly originBytesPerSecond?: number
  readonly waitMs?: number
  readonly node?: string
  readonly isDown?: boolean
}

/** The question's wait is over, and it waits for `PEER`. */
function waitingFor({ size = 5 * MB, originBytesPerSecond, waitMs = 60, node = 'b', isDown }: Setting = {}) {
  const clock = manualClock()
  const began = clock.monotonic()
  const origin = new FakeUpstream(() => {
    if (isDown === true) throw new Error('down')
    const body = new Flow()
    // 16 KiB each 16 ms: a megabyte in a second.
    for (let at = 1; at <= 5; at++) clock.after(16 * at, () => void body.push(new Uint8Array(16 * 1024)))
    return { status: 206, fields: [['Content-Range', `bytes 0-81919/${size}`]], body }
  })
  const request = { uri: A, target: URL_A, fields: [] } as unknown as RetrievalRequest
  const trials = new OriginTrials({ clock, origin })
  const wait = new PlainWait({
    clock,
    trials,
    request,
    node: node.repeat(32) as NodeId,
    originBytesPerSecond: () => originBytesPerSecond,
  })
  let leftAtMs: number | undefined
  const waiting: { -readonly [Name in keyof PlainWaiting]: PlainWaiting[Name] } = {
    plain: { peer: PEER },
    waitMs,
    lateMs: () => clock.monotonic() - began,
    leaveWait() {
      leftAtMs = clock.monotonic() - began
      waiting.plain = undefined
    },
  }
  const says = (receivedBytes: number) =>
    wait.heard({ ...download(0), node: undefined, readable: false, receivedBytes, totalBytes: undefined })
  const pass = async (ms: number) => {
    for (let at = 0; at < ms; at += 2) {
      for (let turn = 0; turn < 4; turn++) await setImmediate()
      clock.advance(2)
    }
    for (let turn = 0; turn < 4; turn++) await setImmediate()
  }
  wait.begin(waiting)
  return { says, pass, waiting, origin, leftAtMs: () => leftAtMs }
}

describe('a wait for a node of the patents', () => {
  test('is left without a question to anybody, where it says nothing, or that it has nothing', async () => {
    for (const words of [[], [0], [0, 0]]) {
      const { says, pass, origin, leftAtMs } = waitingFor()
      for (const word of words) says(word)
      await pass(PLAIN_LOOK_MS + 10)
      assert.equal(leftAtMs(), PLAIN_LOOK_MS)
      assert.equal(origin.requests.length, 0)
    }
  })

  test('is left when a trial says that the file would soon be here, whatever is claimed', async () => {
    const { says, pass, origin, leftAtMs } = waitingFor({ size: 0.5 * MB })
    says(100_000)
    await pass(200)
    says(400_000)
    await pass(500)
    assert.equal(origin.requests.length, 1)
    const left = leftAtMs() ?? Infinity
    assert.ok(left >= PLAIN_LOOK_MS && left <= PLAIN_LOOK_MS + SPREAD_MS + 150, `${left} ms`)
  })

  test('asks for no more than the size where the line is known to be quick enough', async () => {
    const { says, pass, origin, leftAtMs } = waitingFor({ size: 0.5 * MB, originBytesPerSecond: 1 * MB })
    says(100_000)
    await pass(PLAIN_LOOK_MS + TRIAL_MS)
    assert.ok(leftAtMs() !== undefined)
    assert.deepEqual(
      origin.requests.map(({ fields }) => fieldValue(fields, 'range')),
      [`bytes=0-${SIZE_BYTES - 1}`],
    )
  })

  test('goes on where a good part is claimed of what the line takes long for, and ends when the claim is overdue', async () => {
    const { says, pass, waiting, leftAtMs } = waitingFor()
    says(2 * MB)
    await pass(250)
    says(2.5 * MB)
    await pass(1200)
    assert.notEqual(waiting.plain, undefined)
    await pass(800)
    const left = leftAtMs() ?? Infinity
    assert.ok(left <= 250 + 1250 + LAST_WORD_MS + 20, `${left} ms`)
  })

  test('with claims that go on for ever takes no longer than the own download', async () => {
    const { says, pass, leftAtMs } = waitingFor()
    for (let at = 1; at < 70 && leftAtMs() === undefined; at++) {
      says(Math.min(4.99 * MB, 2 * MB + at * 100_000))
      await pass(100)
    }
    assert.ok((leftAtMs() ?? Infinity) <= 5200, `${leftAtMs()} ms`)
  })

  test('is left where the origin server says nothing', async () => {
    const { says, pass, leftAtMs } = waitingFor({ isDown: true })
    says(1)
    await pass(PLAIN_LOOK_MS + SPREAD_MS + 20)
    assert.ok(leftAtMs() !== undefined)
  })

  test('is the patents’ own, where their figures are in force', async () => {
    const { pass, leftAtMs } = waitingFor({ waitMs: PLAIN_WAIT_MS })
    await pass(3000)
    assert.equal(leftAtMs(), undefined)
  })

  test('is not left any more when it is over', async () => {
    const { pass, waiting, leftAtMs } = waitingFor()
    waiting.plain = undefined
    await pass(1000)
    assert.equal(leftAtMs(), undefined)
  })
})
