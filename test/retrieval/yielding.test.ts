import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Fault } from '../../core/fault.ts'
import type { TargetUri } from '../../core/target-uri.ts'
import type { Address } from '../../core/transport.ts'
import type { Expectation } from '../../core/verifier.ts'
import type { PeerDownload, PeerOffer } from '../../peering/inquiry.ts'
import { REPORT_INTERVAL_MS } from '../../peering/machines/download.ts'
import { DEFAULT_POLICY } from '../../retrieval/rules.ts'
import { STALL_MS } from '../../retrieval/patience.ts'
import { NEAR_BYTES } from '../../retrieval/slow-line.ts'
import { peerOf } from '../../retrieval/source.ts'
import { MAX_TRIED, TRIAL_BYTES, TRIAL_PAUSE_MS, Yielding } from '../../retrieval/yielding.ts'
import { manualClock } from '../manual-clock.ts'

const PEER = '127.0.0.2' as Address
const ANOTHER = '127.0.0.3' as Address
const SIZE = 10_000_000
const HELD = 1_000_000
const PROVED: Expectation = { kind: 'updater', rung: 'V5' }

/** A second fetcher, so many bytes further than this node. */
function fetcher(aheadBytes: number, isAhead = false) {
  return {
    peer: PEER,
    node: undefined,
    location: `http://${PEER}:6515/aa`,
    readable: true,
    receivedBytes: HELD + aheadBytes,
    totalBytes: SIZE,
    bytesPerSecond: undefined,
    isAhead,
  } satisfies PeerDownload
}

const holder = (size: number | undefined): PeerOffer => ({
  peer: PEER,
  node: undefined,
  location: `http://${PEER}:6515/aa`,
  size,
  digest: undefined,
})

/** A retrieval that fetches from the Internet; `chunks` is what the peer sends when it is tried, `undefined`: it fails. */
function fetching({
  isSizeKnown = true,
  isAnswered = true,
  hasPatience = true,
  isLate = false,
  expectation = PROVED,
  chunks = undefined as readonly number[] | undefined,
} = {}) {
  const clock = manualClock()
  const done: string[] = []
  const totalBytes = isSizeKnown ? SIZE : undefined
  const state = {
    mayLeave: true,
    isAnswered,
    totalBytes,
    chunks,
    heldBytes: HELD,
    bytesPerSecond: 1_000_000,
    isStuck: false,
  }
  const yielding = new Yielding(clock, {
    heldBytes: () => state.heldBytes,
    isFetcher: () => true,
    isStuck: () => state.isStuck,
    stuck: ({ receivedBytes }) => done.push(`stuck at ${receivedBytes}`),
    hasPatience: () => hasPatience,
    isLate: () => isLate,
    mayLeave: () => state.mayLeave,
    isUnanswered: () => !state.isAnswered,
    progress: () => ({
      receivedBytes: state.heldBytes,
      totalBytes: state.totalBytes,
      bytesPerSecond: state.bytesPerSecond,
    }),
    expectationFor: () => Promise.resolve(expectation),
    look: (_source, signal) => {
      done.push('look')
      signal.addEventListener('abort', () => done.push('end of looking'))
      if (state.chunks === undefined) return Promise.reject(new Fault('PEER_FAILED', 'gone'))
      return Promise.resolve({
        body: bodyOf(state.chunks),
        fields: [],
        status: 206,
        from: HELD,
        size: SIZE,
        path: [],
      })
    },
    leave: (source, isTried) => done.push(`leave for ${peerOf(source)}${isTried ? ', tried' : ''}`),
    sayAgain: () => done.push('say again'),
  })
  return { clock, done, yielding, state }
}

async function* bodyOf(chunks: readonly number[]): AsyncGenerator<Uint8Array> {
  for (const length of chunks) yield new Uint8Array(length)
}

/** One that was tried and sent nothing. */
const VAIN = ['look', 'end of looking', `stuck at ${HELD + NEAR_BYTES + 1}`]

const settled = () => new Promise((resolve) => setImmediate(resolve))

describe('two that fetch the same', () => {
  test('who is far behind leaves the Internet for the other, whatever their rank', async () => {
    const { done, yielding } = fetching()
    yielding.secondFetcher(fetcher(NEAR_BYTES + 1))
    await settled()
    assert.deepEqual(done, [`leave for ${PEER}`])
  })

  test('where none is far behind, who comes later in rank leaves', async () => {
    const { done, yielding } = fetching()
    yielding.secondFetcher(fetcher(-NEAR_BYTES, true))
    await settled()
    assert.deepEqual(done, [`leave for ${PEER}`])
  })

  test('who has twice as much stays, whatever their rank, and however little that is', async () => {
    const { done, yielding, state } = fetching()
    state.heldBytes = 65_536
    yielding.secondFetcher({ ...fetcher(0, true), receivedBytes: 32_767 })
    await settled()
    assert.deepEqual(done, ['say again'])
    yielding.secondFetcher({ ...fetcher(0, true), receivedBytes: 32_768 })
    await settled()
    assert.deepEqual(done, ['say again', `leave for ${PEER}`])
  })

  test('an eighth of the file is a lead', async () => {
    const { done, yielding, state } = fetching()
    state.totalBytes = 8 * 112_500
    state.heldBytes = 200_000
    yielding.secondFetcher({ ...fetcher(0), receivedBytes: 312_501 })
    await settled()
    assert.deepEqual(done, [`leave for ${PEER}`])
  })

  test('one that is left aside is tried first, and goes on when its bytes come', async () => {
    const leftAside = { ...fetcher(NEAR_BYTES + 1), isLeftAside: true }
    const silent = fetching()
    silent.yielding.secondFetcher(leftAside)
    await settled()
    assert.deepEqual(silent.done, VAIN)
    const { done, yielding } = fetching({ chunks: [TRIAL_BYTES] })
    yielding.secondFetcher(leftAside)
    await settled()
    assert.deepEqual(done, ['look', 'end of looking', `leave for ${PEER}, tried`])
  })

  test('one that fell silent and has got nothing since is no lead, and is told so', async () => {
    const { done, yielding, state } = fetching()
    state.isStuck = true
    yielding.secondFetcher(fetcher(SIZE - HELD, true))
    await settled()
    assert.deepEqual(done, ['say again'])
    state.isAnswered = false
    yielding.secondFetcher(fetcher(SIZE - HELD, true))
    await settled()
    assert.deepEqual(done, ['say again'])
  })

  test('who stays says so again, and not more often than it reports', () => {
    const { clock, done, yielding } = fetching()
    yielding.secondFetcher(fetcher(-NEAR_BYTES - 1, true))
    yielding.secondFetcher(fetcher(NEAR_BYTES, false))
    assert.deepEqual(done, ['say again'])
    clock.advance(REPORT_INTERVAL_MS)
    yielding.secondFetcher(fetcher(0))
    assert.deepEqual(done, ['say again', 'say again'])
  })

  test('bytes that nothing could prove are not taken from a peer', async () => {
    const { done, yielding } = fetching({ expectation: { kind: 'none', rung: 'V6' } })
    yielding.secondFetcher(fetcher(NEAR_BYTES + 1))
    await settled()
    assert.deepEqual(done, [])
  })

  test('what only its signature proves is not gone on with from a peer: its readers would wait for all of it', async () => {
    const uri = 'http://updates.test/a.1.2.cab' as TargetUri
    const expectation: Expectation = { kind: 'signature', rung: 'signature', uri, policy: DEFAULT_POLICY }
    const { done, yielding } = fetching({ expectation })
    yielding.secondFetcher(fetcher(NEAR_BYTES + 1))
    yielding.lateOffer(holder(SIZE))
    await settled()
    assert.deepEqual(done, [])
  })

  test('who has little left stays as long as it comes, and goes over to whoever said last that he has it, if he sends', async () => {
    const { clock, done, yielding, state } = fetching({ chunks: [TRIAL_BYTES] })
    state.totalBytes = HELD + 400_000
    yielding.secondFetcher(fetcher(NEAR_BYTES + 1))
    yielding.secondFetcher({ ...fetcher(400_000), peer: ANOTHER })
    for (let time = 0; time < 3; time += 1) {
      await settled()
      state.heldBytes += 1
      clock.advance(STALL_MS)
    }
    await settled()
    assert.deepEqual(done, [])
    clock.advance(STALL_MS)
    await settled()
    assert.deepEqual(done, ['look', 'end of looking', `leave for ${ANOTHER}, tried`])
    clock.advance(10 * STALL_MS)
    await settled()
    assert.equal(done.length, 3)
  })

  test('who has little left, of which nothing comes, tries whoever must be tried, and goes over', async () => {
    const { clock, done, yielding, state } = fetching({ hasPatience: false, chunks: [TRIAL_BYTES] })
    state.totalBytes = HELD + 400_000
    yielding.secondFetcher(fetcher(400_000))
    clock.advance(STALL_MS)
    await settled()
    assert.deepEqual(done, ['look', 'end of looking', `leave for ${PEER}, tried`])
  })

  test('who says again that he has it does not shorten the wait', async () => {
    const { clock, done, yielding, state } = fetching()
    state.totalBytes = HELD + 400_000
    yielding.secondFetcher(fetcher(400_000))
    clock.advance(STALL_MS - 1)
    state.heldBytes += 200_000
    yielding.secondFetcher(fetcher(400_000))
    clock.advance(1)
    await settled()
    assert.deepEqual(done, [])
  })

  test('who has little left and is done meanwhile leaves nobody', async () => {
    const { clock, done, yielding, state } = fetching()
    state.totalBytes = HELD + 400_000
    yielding.secondFetcher(fetcher(400_000))
    state.mayLeave = false
    clock.advance(10 * STALL_MS)
    await settled()
    assert.deepEqual(done, [])
  })

  test('a retrieval that ended while the proof was looked for is left alone', async () => {
    const { done, yielding, state } = fetching()
    yielding.secondFetcher(fetcher(NEAR_BYTES + 1))
    state.mayLeave = false
    await settled()
    assert.deepEqual(done, [])
  })
})

describe('an origin server that thinks for longer than peers were waited for', () => {
  const unanswered = { isAnswered: false, isSizeKnown: false }

  test('is left for whom it has answered, once that one sends', async () => {
    const { done, yielding } = fetching({ ...unanswered, chunks: [TRIAL_BYTES] })
    yielding.secondFetcher(fetcher(-HELD))
    await settled()
    assert.deepEqual(done, ['look', 'end of looking', `leave for ${PEER}, tried`])
  })

  test('is not left for one that says so and sends nothing', async () => {
    const { done, yielding } = fetching(unanswered)
    yielding.secondFetcher(fetcher(NEAR_BYTES + 1, true))
    await settled()
    assert.deepEqual(done, VAIN)
  })

  test('is not left for bytes that nothing could prove', async () => {
    const { done, yielding } = fetching({ ...unanswered, expectation: { kind: 'none', rung: 'V6' } })
    yielding.secondFetcher(fetcher(0, true))
    await settled()
    assert.deepEqual(done, [])
  })

  test('keeps who was answered while the other one was tried, and has little left to fetch', async () => {
    const { done, yielding, state } = fetching({ ...unanswered, chunks: [TRIAL_BYTES] })
    yielding.secondFetcher(fetcher(0))
    Object.assign(state, { isAnswered: true, mayLeave: false })
    await settled()
    assert.deepEqual(done, ['look', 'end of looking'])
  })
})

describe('a late "I have"', () => {
  test('of the same size takes over', async () => {
    const { done, yielding } = fetching()
    yielding.lateOffer(holder(SIZE))
    await settled()
    assert.deepEqual(done, [`leave for ${PEER}`])
  })

  test('of another size does not', async () => {
    const { done, yielding } = fetching()
    yielding.lateOffer(holder(SIZE + 1))
    await settled()
    assert.deepEqual(done, [])
  })

  test('of one that was heard to ask for it is tried before the origin server has answered', async () => {
    const { done, yielding } = fetching({ isAnswered: false, isSizeKnown: false, chunks: [TRIAL_BYTES] })
    yielding.lateOffer({ ...holder(SIZE), hasAsked: true })
    await settled()
    assert.deepEqual(done, ['look', 'end of looking', `leave for ${PEER}, tried`])
  })

  test('waits until the origin server has said how long the file is', async () => {
    const { done, yielding, state } = fetching({ isSizeKnown: false })
    yielding.lateOffer(holder(SIZE))
    await settled()
    assert.deepEqual(done, [])
    state.totalBytes = SIZE
    yielding.answered()
    await settled()
    assert.deepEqual(done, [`leave for ${PEER}`])
  })
})

describe('who could not listen for a while', () => {
  const late = (chunks: readonly number[] | undefined) => fetching({ isLate: true, chunks })

  test('tries the copy of which it hears: the word may have waited for long', async () => {
    const { done, yielding } = late([TRIAL_BYTES])
    yielding.secondFetcher(fetcher(NEAR_BYTES + 1))
    await settled()
    assert.deepEqual(done, ['look', 'end of looking', `leave for ${PEER}, tried`])
  })

  test('stays with its own download where that copy is no more', async () => {
    const { done, yielding } = late(undefined)
    yielding.secondFetcher(fetcher(NEAR_BYTES + 1))
    await settled()
    assert.deepEqual(done, VAIN)
  })

  test('takes the word of one that has the whole, and keeps it', async () => {
    const { done, yielding } = late(undefined)
    yielding.lateOffer(holder(SIZE))
    await settled()
    assert.deepEqual(done, [`leave for ${PEER}`])
  })
})

describe('where peers have cost all patience', () => {
  const impatient = (chunks: readonly number[] | undefined) => fetching({ hasPatience: false, chunks })
  const further = fetcher(NEAR_BYTES + 1)

  test('a peer is tried beside the Internet, and goes on when its bytes come', async () => {
    const { done, yielding } = impatient([TRIAL_BYTES - 1, 1, 1])
    yielding.secondFetcher(further)
    await settled()
    assert.deepEqual(done, ['look', 'end of looking', `leave for ${PEER}, tried`])
  })

  test('one that sends nothing costs nothing, and nobody is tried for a second', async () => {
    const { clock, done, yielding, state } = impatient(undefined)
    yielding.secondFetcher(further)
    await settled()
    clock.advance(TRIAL_PAUSE_MS)
    await settled()
    assert.deepEqual(done, VAIN)
    state.chunks = [TRIAL_BYTES]
    yielding.secondFetcher(further)
    await settled()
    assert.equal(done.at(-1), `leave for ${PEER}, tried`)
  })

  test('who says within that second that he is there is tried after it: he may not say so again soon', async () => {
    const { clock, done, yielding, state } = impatient(undefined)
    yielding.secondFetcher(further)
    await settled()
    clock.advance(TRIAL_PAUSE_MS - 1)
    yielding.secondFetcher(further)
    await settled()
    assert.deepEqual(done, VAIN)
    state.chunks = [TRIAL_BYTES]
    clock.advance(1)
    await settled()
    assert.equal(done.at(-1), `leave for ${PEER}, tried`)
  })

  for (const [what, end] of Object.entries({
    'nor is who has got no further meanwhile': { isStuck: true },
    'nor anybody, where it is over by then': { mayLeave: false },
  }))
    test(what, async () => {
      const { clock, done, yielding, state } = impatient(undefined)
      yielding.secondFetcher(further)
      await settled()
      yielding.secondFetcher(further)
      await settled()
      Object.assign(state, end)
      clock.advance(TRIAL_PAUSE_MS)
      await settled()
      assert.deepEqual(done, VAIN)
    })

  test('one is tried at a time', async () => {
    const { done, yielding } = impatient([TRIAL_BYTES])
    yielding.secondFetcher(further)
    yielding.secondFetcher(further)
    await settled()
    assert.equal(done.filter((each) => each === 'look').length, 1)
  })

  test(`no more than ${MAX_TRIED} are gone over to, nor tried after that`, async () => {
    const { done, yielding } = impatient([TRIAL_BYTES])
    for (let times = 0; times <= MAX_TRIED; times++) {
      yielding.secondFetcher(further)
      await settled()
    }
    for (const what of ['look', `leave for ${PEER}, tried`])
      assert.equal(done.filter((each) => each === what).length, MAX_TRIED)
  })

  test('who is tried in vain costs nothing, and takes no chance from another one', async () => {
    const { clock, done, yielding } = impatient([])
    for (let times = 0; times <= MAX_TRIED; times++) {
      yielding.secondFetcher(further)
      await settled()
      clock.advance(TRIAL_PAUSE_MS)
    }
    assert.equal(done.filter((each) => each === 'look').length, MAX_TRIED + 1)
  })

  test('what was tried while the retrieval ended is not gone over to', async () => {
    const { done, yielding, state } = impatient([TRIAL_BYTES])
    yielding.secondFetcher(further)
    await Promise.resolve()
    state.mayLeave = false
    await settled()
    assert.equal(done.filter((each) => each.startsWith('leave')).length, 0)
  })
})
