/** What of a peer is left aside for what, so that nobody can have an honest one left aside by forged words or as an origin server. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Monotonic } from '../../core/clock.ts'
import type { Sha256 } from '../../core/digest.ts'
import { Fault, type FaultCode } from '../../core/fault.ts'
import type { TargetUri } from '../../core/target-uri.ts'
import type { Address } from '../../core/transport.ts'
import type { Expectation } from '../../core/verifier.ts'
import { Blame, type WrongBody } from '../../retrieval/blame.ts'
import { EXCUSED_MS } from '../../retrieval/pace.ts'
import { STALL_MS } from '../../retrieval/patience.ts'
import type { Proofs } from '../../retrieval/proofs.ts'
import { Provenance } from '../../retrieval/provenance.ts'
import type { RetrievalRequest } from '../../retrieval/request.ts'
import { LEAST_EXCUSED_MS, MOST_EXCUSED_MS } from '../../retrieval/slow-line.ts'
import type { PeerSource } from '../../retrieval/source.ts'
import { Tolerance } from '../../retrieval/tolerance.ts'
import type { ShunReason, Suspicion } from '../../verify/shunned-peers.ts'
import { manualClock } from '../manual-clock.ts'
import { download, LOCATION, offer, PEER } from './world.ts'

const uri = 'http://a.test/file' as TargetUri
const OTHER = '127.0.0.7' as Address
const PLACE = `${PEER}:6515`
const WHOLE: PeerSource = { kind: 'peer', offer: offer(9) }
const GROWING: PeerSource = { kind: 'in-progress', download: { ...download(9), location: LOCATION } }
const SIGNED: Expectation = {
  kind: 'digest',
  rung: 'V1',
  digest: { algorithm: 'sha-256', hex: 'ab'.repeat(32) },
  origin: 'the name',
} as unknown as Expectation

/** One file, and an origin server of which nothing is known. */
const ALONE = {
  isShared: () => false,
  isLineFree: () => undefined,
  knowsRanges: () => undefined,
  askForRanges: () => {},
  isOvertaken: () => false,
}

type Shunned = readonly [Address, ShunReason, Suspicion['part'], isOfOneOrigin: boolean]

function blaming(expectation: Expectation = SIGNED) {
  const shunned: Shunned[] = []
  const shun = (peer: Address, reason: ShunReason, _: string, of?: Suspicion) =>
    void shunned.push([peer, reason, of?.part, of?.isDoubtful === true])
  const proofs = { ofPeers: () => Promise.resolve(expectation) } as unknown as Proofs
  const request = { uri, policy: { immutable: true } } as RetrievalRequest
  return { blame: new Blame(request, { proofs, shun }), shunned }
}

const fault = (code: FaultCode) => new Fault(code, 'test')

describe('a source that failed', () => {
  test('by silence costs the place that was named, not the machine', () => {
    const { blame, shunned } = blaming()
    blame.failed(WHOLE, fault('PEER_STALLED'))
    assert.deepEqual(shunned, [[PEER, 'stalled', PLACE, false]])
  })

  test('by silence of what still grows, or by slowness: for the files of that origin server, which may stop all alike', () => {
    const { blame, shunned } = blaming()
    blame.failed(GROWING, fault('PEER_STALLED'))
    blame.failed(GROWING, fault('PEER_SLOW'))
    assert.deepEqual(shunned, [
      [PEER, 'stalled', PLACE, true],
      [PEER, 'stalled', PLACE, true],
    ])
  })

  test('by breaking off or answering otherwise: that place, for the files of that origin server', () => {
    const { blame, shunned } = blaming()
    blame.failed(WHOLE, fault('PEER_FAILED'))
    assert.deepEqual(shunned, [[PEER, 'broke-off', PLACE, true]])
  })

  test('as a helper costs its place; a piece that it has stated costs the machine', () => {
    const { blame, shunned } = blaming()
    for (const code of ['PEER_STALLED', 'PEER_BUSY', 'PEER_LOST', 'VERIFICATION_FAILED'] as const)
      blame.helperFailed(PEER, fault(code), LOCATION)
    assert.deepEqual(shunned, [
      [PEER, 'stalled', PLACE, false],
      [PEER, 'bad-bytes', undefined, false],
    ])
  })
})

describe('a promise that was kept late by silence', () => {
  test('costs the promises alone: it may have been made in an honest machine’s name', () => {
    const { blame, shunned } = blaming()
    const clock = manualClock()
    const tolerance = new Tolerance({ ...ALONE, clock, blame, heldBytes: () => 0 })
    const promisedMs = 550
    tolerance.uses('in-progress', 0, promisedMs)
    const patienceMs = tolerance.leftMs('in-progress')
    assert.ok(patienceMs < STALL_MS)
    const use = { began: clock.monotonic(), patienceMs, isTakenBack: false }
    tolerance.failed(GROWING, fault('PEER_STALLED'), use)
    assert.deepEqual(shunned, [[PEER, 'stalled', 'promises', false]])
  })
})

describe('a download that was left because nothing came from it', () => {
  const had = (receivedBytes: number) => ({ ...download(10_000_000), receivedBytes })
  const failed = (code: FaultCode, told?: number) => {
    const { blame } = blaming()
    const clock = manualClock()
    const tolerance = new Tolerance({ ...ALONE, clock, blame, heldBytes: () => 900 })
    tolerance.uses('in-progress')
    if (told !== undefined) tolerance.heard(had(told))
    tolerance.failed(GROWING, fault(code), {
      began: clock.monotonic(),
      patienceMs: STALL_MS,
      isTakenBack: false,
    })
    return tolerance
  }

  test('is no lead until it has more than it had then, by its word or by what came', () => {
    assert.deepEqual(
      [900, 901].map((bytes) => failed('PEER_STALLED').isStuck(had(bytes))),
      [true, false],
    )
    assert.deepEqual(
      [5000, 5001].map((bytes) => failed('PEER_STALLED', 5000).isStuck(had(bytes))),
      [true, false],
    )
  })

  test('is one where it only broke off, and so is another one', () => {
    assert.equal(failed('PEER_FAILED').isStuck(had(900)), false)
    assert.equal(failed('PEER_STALLED').isStuck({ ...had(900), peer: '127.0.0.9' as Address }), false)
  })
})

describe('the silence of a slow line', () => {
  /**
   * How long it is excused, in ms, when so many bytes were there at once, and so many came each second.
   * @param knowsRanges what the origin server says when it is asked, once it was. @param isLineFree the same of the line.
   */
  const excused = (
    backlogBytes: number,
    bytesPerSecond: number,
    seconds: number,
    isShared = false,
    knowsRanges = true,
    isLineFree = false,
  ) => {
    const clock = manualClock()
    let heldBytes = 0
    let isAsked = false
    let isFelt = false
    const tolerance = new Tolerance({
      clock,
      blame: blaming().blame,
      heldBytes: () => heldBytes,
      isOvertaken: () => false,
      isShared: () => isShared,
      isLineFree: () => {
        const known = isFelt ? isLineFree : undefined
        isFelt = true
        return known
      },
      knowsRanges: () => (isAsked ? knowsRanges : undefined),
      askForRanges: () => (isAsked = true),
    })
    tolerance.uses('in-progress', 0, 0, backlogBytes)
    heldBytes = backlogBytes
    const report = () => tolerance.heard({ ...download(100_000_000), receivedBytes: heldBytes })
    for (let half = 0; half < 2 * seconds; half += 1) {
      clock.advance(500)
      heldBytes += bytesPerSecond / 2
      report()
    }
    clock.advance(STALL_MS)
    let ms = 0
    for (; ms < 60_000 && tolerance.isExcused(GROWING); ms += EXCUSED_MS) {
      clock.advance(EXCUSED_MS)
      report()
    }
    return ms
  }

  test('is excused for as long as the line was slow lately, whatever was there before', () => {
    assert.equal(excused(0, 2_500_000, 3), LEAST_EXCUSED_MS)
    assert.equal(excused(5_000_000, 50_000, 3), MOST_EXCUSED_MS)
    assert.equal(excused(5_000_000, 50_000, 30), MOST_EXCUSED_MS)
    assert.equal(excused(50_000_000, 2_500_000, 3), LEAST_EXCUSED_MS)
    assert.equal(excused(0, 2_500_000, 3, true), MOST_EXCUSED_MS, 'several files share it')
    assert.equal(excused(0, 50_000, 3, true, true, true), LEAST_EXCUSED_MS, 'and it is not full')
  })

  test('is excused for longer where the origin server sends all again, as it knows no ranges: half as long again as that took, and a bit', () => {
    assert.equal(excused(0, 2_500_000, 3, false, false), MOST_EXCUSED_MS + 1.5 * 3000)
    assert.equal(excused(0, 250_000, 8, false, false), MOST_EXCUSED_MS + 1.5 * 8000)
    assert.equal(
      excused(0, 50_000, 2, false, false),
      MOST_EXCUSED_MS,
      'little is there soon: that is not asked',
    )
  })
})

describe('the silence of a peer where another one has clearly more', () => {
  const late = () =>
    new Tolerance({
      ...ALONE,
      clock: manualClock(),
      blame: blaming().blame,
      heldBytes: () => 0,
      isBusy: () => true,
      isOvertaken: () => true,
    })

  test('is excused by nothing', () => {
    assert.equal(late().isExcused(GROWING), false)
  })

  test('is excused as ever once a peer has failed: the other one may lie as well', () => {
    const tolerance = late()
    tolerance.failed(GROWING, fault('PEER_STALLED'), {
      began: 0 as Monotonic,
      patienceMs: STALL_MS,
      isTakenBack: false,
      lagMs: 100,
    })
    assert.equal(tolerance.isExcused(GROWING), true)
  })
})

describe('a whole that is wrong', () => {
  const body = (more: Partial<Provenance>, others: readonly Address[] = []): WrongBody => {
    const provenance = new Provenance()
    provenance.comesFrom(PEER, LOCATION)
    for (const each of others) provenance.comesFrom(each, '')
    Object.assign(provenance, more)
    return { provenance, isMixed: false, sha256: () => Promise.resolve('cd'.repeat(32) as Sha256) }
  }

  test('costs the machine that has confirmed it', async () => {
    const { blame, shunned } = blaming()
    await blame.wrongBytes(body({}), fault('VERIFICATION_FAILED'))
    assert.deepEqual(shunned, [[PEER, 'bad-bytes', undefined, false]])
  })

  test('costs nothing but the place where nobody has confirmed it', async () => {
    const { blame, shunned } = blaming()
    await blame.wrongBytes(body({ isConfirmed: false }), fault('VERIFICATION_FAILED'))
    assert.deepEqual(shunned, [[PEER, 'broke-off', PLACE, true]])
  })

  test('from several costs each for the files of that origin server alone: all but one may be honest', async () => {
    const { blame, shunned } = blaming()
    await blame.wrongBytes(body({}, [OTHER]), fault('VERIFICATION_FAILED'))
    assert.deepEqual(shunned, [
      [PEER, 'broke-off', PLACE, true],
      [OTHER, 'broke-off', undefined, true],
    ])
  })

  test('costs nobody anything where it was passed on unjudged: whoever reads, or is read, may be honest', async () => {
    const { blame, shunned } = blaming()
    const passedOn = body({ isPassedOn: true }, [OTHER])
    await blame.wrongBytes(passedOn, fault('VERIFICATION_FAILED'))
    assert.deepEqual(shunned, [])
  })
})

describe('a relay that is slow, or breaks off', () => {
  const relay = { server: OTHER, location: `http://${OTHER}:7000/a` }

  for (const [code, reason] of [
    ['PEER_SLOW', 'stalled'],
    ['PEER_STALLED', 'stalled'],
    ['PEER_FAILED', 'broke-off'],
  ] as const)
    test(`costs its own place, for the files of that origin server, and the peer that named it nothing: ${code}`, () => {
      const { blame, shunned } = blaming()
      for (const source of [WHOLE, GROWING]) blame.failed(source, fault(code), relay)
      const one = [OTHER, reason, `${OTHER}:7000`, true]
      assert.deepEqual(shunned, [one, one])
    })
})
