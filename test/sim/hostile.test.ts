import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { MEASURED_BYTES } from '../../providers/speed-meter.ts'
import { seededRandom, type Random } from '../../core/random.ts'
import {
  HOSTILE_KINDS,
  LATE_COPIES,
  type HostileKind,
  type HostilePeer,
  type HostileSettings,
} from '../../sim/hostile-peer.ts'
import { KB, MB, play } from '../../sim/scenario.ts'
import type { Proof } from '../../sim/table-verifier.ts'
import type { Got } from '../../sim/virtual-application.ts'
import type { VirtualNode } from '../../sim/virtual-node.ts'
import type { ShunnedPeer, ShunReason } from '../../verify/shunned-peers.ts'
import { assertAtMost, assertRight } from './assertions.ts'
import { seedsOf } from './seeds.ts'

interface Outcome {
  readonly got: Got
  readonly next: Got
  readonly shunned: readonly (ShunReason | undefined)[]
  readonly asked: number
}

/** Why a peer is left aside, be it for the files of one origin alone. */
function leftAside(node: VirtualNode, { address }: HostilePeer): ShunnedPeer | undefined {
  return node.shunned.list().find(({ peer }) => peer === address)
}

/** A node asks among hostile peers, and an honest one where there is any, for one file and then for another. */
function among(
  seed: number,
  hostile: readonly HostileSettings[],
  {
    proof = 'digest',
    size = 300 * KB,
    hasHolder = false,
  }: { proof?: Proof; size?: number; hasHolder?: boolean },
): Promise<Outcome> {
  return play(seed, { node: { proof }, patienceMs: 20_000 }, async (scenario) => {
    const [node, holder] = await scenario.nodes(hasHolder ? 2 : 1)
    assert.ok(node)
    const uris = [scenario.file('/a', size), scenario.file('/b', size)]
    const [uri, other] = uris
    assert.ok(uri && other)
    for (const each of uris) await holder?.get(each)
    // Its line is known, as that of every machine which has fetched something.
    await node.get(scenario.file('/before', MEASURED_BYTES))
    const peers = await Promise.all(hostile.map((settings) => scenario.hostilePeer(settings)))
    await scenario.settle()
    const got = await node.get(uri)
    assertRight(scenario, uri, got)
    await scenario.settle()
    assert.equal(node.store.lookup(uri)[0]?.digest, scenario.sha256(uri))
    const next = await node.get(other)
    assertRight(scenario, other, next)
    const shunned = peers.map((peer) => leftAside(node, peer)?.reason)
    return { got, next, shunned, asked: peers.reduce((sum, peer) => sum + peer.asked, 0) }
  })
}

/** What a peer of this kind deserves; nothing, where it did no harm. */
const DESERVED: Record<HostileKind, readonly ShunReason[] | undefined> = {
  'wrong-bytes': ['bad-bytes'],
  short: ['broke-off'],
  endless: ['bad-bytes', 'broke-off', 'stalled'],
  stalled: ['stalled'],
  silent: ['stalled'],
  // Anybody could have named the place in an honest peer's name, and it is found out at once.
  unreachable: undefined,
  'wrong-length': ['broke-off', 'bad-bytes'],
  redirect: ['broke-off'],
  'old-content': ['bad-bytes'],
  'slow-drip': ['stalled', 'broke-off'],
  // What a proof says counts more than what it has said itself.
  'lies-about-size': ['broke-off'],
  'answers-everything': undefined,
  'huge-length': ['broke-off'],
  'claims-more': ['broke-off'],
  promises: ['stalled'],
  excuses: ['stalled'],
  slow: ['stalled'],
  slowing: ['stalled'],
  // As a downloader it has said itself that it ends, as honest ones do.
  'nearly-whole': ['stalled'],
  'nearly-whole-wrong': ['stalled'],
  'takes-back': ['stalled'],
  // What nobody has taken from it cannot be held against it.
  'plain-promises': undefined,
  // As a downloader it has been believed, and everybody has fetched it.
  'for-each': ['stalled'],
  'late-promises': ['stalled'],
}

const CHANGES_BYTES: readonly HostileKind[] = [
  'wrong-bytes',
  'old-content',
  'endless',
  'wrong-length',
  'nearly-whole-wrong',
]

describe('a hostile peer', () => {
  for (const kind of [...HOSTILE_KINDS, 'plain-promises', 'for-each'] as const) {
    for (const role of ['holder', 'downloader'] as const) {
      for (const proof of ['digest', 'updater'] as const) {
        // With V5 the application itself has to find out what is wrong.
        if (proof === 'updater' && CHANGES_BYTES.includes(kind)) continue
        for (const hasHolder of [false, true]) {
          for (const seed of seedsOf([1, 2])) {
            const circumstances = `as ${role}, ${proof}, ${hasHolder ? 'with' : 'without'} an honest holder, seed ${seed}`
            test(`${kind}: costs a second at most and no byte (${circumstances})`, async () => {
              const without = await among(seed, [], { proof, hasHolder })
              const withThem = await among(seed, [{ kind, role }], { proof, hasHolder })
              assertAtMost(withThem.got.doneMs, without.got.doneMs + 1000, 'time until the end, in ms')
              const isAsked = withThem.asked > 0 || kind === 'unreachable'
              // There is nothing to be asked for.
              const isPromise = kind === 'promises' || kind === 'for-each'
              const isAllWords = kind === 'plain-promises' || (isPromise && role === 'downloader')
              if (isAllWords) return assert.equal(isAsked, false)
              if (!isAsked) return assert.equal(hasHolder, true, 'nobody took what it offered')
              const isHarmless =
                (kind === 'lies-about-size' && proof === 'digest') ||
                (kind === 'takes-back' && role === 'downloader') ||
                (kind === 'slowing' && role === 'downloader' && proof === 'digest')
              const deserved = isHarmless ? undefined : DESERVED[kind]
              const [reason] = withThem.shunned
              if (deserved === undefined) assert.equal(reason, undefined)
              else assert.ok(reason !== undefined && deserved.includes(reason), `shunned for ${reason}`)
              if (deserved !== undefined)
                assertAtMost(withThem.next.doneMs, without.next.doneMs + 100, 'time of the next file, in ms')
            })
          }
        }
      }
    }
  }
})

describe('several hostile peers', () => {
  for (const seed of seedsOf(Array.from({ length: 20 }, (_, at) => at + 1))) {
    test(`up to three at once cost a second at most and no byte (seed ${seed})`, async () => {
      const hostile = crowdOf(seed)
      const hasHolder = seed % 2 === 0
      const without = await among(seed, [], { hasHolder })
      const withThem = await among(seed, hostile, { hasHolder })
      const kinds = hostile.map(({ kind, role }) => `${kind} ${role}`).join(', ')
      assertAtMost(withThem.got.doneMs, without.got.doneMs + 1000, `time until the end with ${kinds}, in ms`)
    })
  }
})

describe('a promise that is taken back as if the file were for each who asks', () => {
  /** Bytes that the origin server sends to twenty nodes. */
  const carried = (seed: number, kind: 'promises' | 'for-each', size: number) =>
    play(seed, {}, async (scenario) => {
      const nodes = await scenario.nodes(20)
      await scenario.hostilePeer({ kind, role: 'downloader', asks: true, isFirst: true })
      const uri = scenario.file('/a', size, { thinksMs: 30 })
      for (const got of await Promise.all(nodes.map((node) => node.get(uri)))) assertRight(scenario, uri, got)
      return scenario.origin.sentBytes
    })

  for (const size of [100 * KB, 1 * MB])
    for (const seed of seedsOf())
      test(`costs the line no more than one that is broken (${size} bytes, seed ${seed})`, async () => {
        const broken = await carried(seed, 'promises', size)
        assertAtMost(await carried(seed, 'for-each', size), broken * 1.05, 'bytes from the origin server')
      })
})

/** Two or three kinds; neighbouring seeds have different ones. */
function crowdOf(seed: number): HostileSettings[] {
  return Array.from({ length: 2 + (seed % 2) }, (_, at) => ({
    kind: HOSTILE_KINDS[(seed * 5 + at * 7) % HOSTILE_KINDS.length] ?? 'short',
    role: (seed + at) % 3 === 0 ? 'downloader' : 'holder',
  }))
}

describe('promises that are kept just before they would count as broken', () => {
  for (const seed of seedsOf(Array.from({ length: 40 }, (_, at) => at + 1))) {
    test(`by copies that are of no use cost a second at most and no byte (seed ${seed})`, async () => {
      const random = seededRandom(seed ^ LATE)
      const hostile = Array.from({ length: 1 + (seed % 3) }, (_, at) => latePromises(at, random))
      const nodes = 1 + (random.uint32() % 4)
      const size = [30 * KB, 300 * KB, 1000 * KB][random.uint32() % 3] ?? 30 * KB
      const moments = Array.from({ length: nodes }, () => random.fraction() * (seed % 2 === 0 ? 5 : 600))
      const without = await crowdAmong(seed, [], size, moments)
      const withThem = await crowdAmong(seed, hostile, size, moments)
      const added = withThem.map((doneMs, at) => doneMs - (without[at] ?? 0))
      assertAtMost(Math.max(...added), 1000, 'time added, in ms')
    })
  }

  test('by silence have one left aside for it: the next file takes no longer than without it', () =>
    play(1, {}, async (scenario) => {
      const [node] = await scenario.nodes(1)
      const kept = { kind: 'late-promises', role: 'downloader', asks: true, isFirst: true } as const
      const peer = await scenario.hostilePeer(kept)
      assert.ok(node)
      await scenario.settle()
      const times = []
      for (const path of ['/a', '/b']) times.push((await node.get(scenario.file(path, 30 * KB))).doneMs)
      assert.equal(leftAside(node, peer)?.reason, 'stalled')
      const [first = 0, next = Infinity] = times
      assert.ok(first > 500, `it has been waited for: ${first} ms`)
      assertAtMost(next, 200, 'the next file, in ms')
    }))
})

const LATE = 0x6c617465

/** In every third run others are of another kind. */
function latePromises(at: number, random: Random): HostileSettings {
  const isMixed = at > 0 && random.uint32() % 3 === 0
  const another = HOSTILE_KINDS[random.uint32() % HOSTILE_KINDS.length] ?? 'short'
  return {
    kind: isMixed ? another : 'late-promises',
    role: 'downloader',
    asks: true,
    isFirst: true,
    keepsAtMs: 300 + (random.uint32() % 300),
    keepsWith: LATE_COPIES[random.uint32() % LATE_COPIES.length] ?? 'silence',
    beginsAfterMs: random.uint32() % 350,
  }
}

/** @returns when each node has it, in ms since it asked. */
function crowdAmong(
  seed: number,
  hostile: readonly HostileSettings[],
  size: number,
  moments: readonly number[],
): Promise<number[]> {
  return play(seed, { patienceMs: 20_000 }, async (scenario) => {
    const nodes = await scenario.nodes(moments.length)
    for (const [at, node] of nodes.entries()) await node.get(scenario.file(`/before-${at}`, MEASURED_BYTES))
    for (const settings of hostile) await scenario.hostilePeer(settings)
    await scenario.settle()
    const uri = scenario.file('/a', size)
    return Promise.all(
      nodes.map(async (node, at) => {
        await scenario.clock.sleep(moments[at] ?? 0)
        const got = await node.get(uri)
        assertRight(scenario, uri, got)
        return got.doneMs
      }),
    )
  })
}

describe('a large file from a hostile peer', () => {
  for (const role of ['holder', 'downloader'] as const) {
    for (const seed of seedsOf([1, 2, 3])) {
      test(`poisoned bytes may begin, but never complete (as ${role}, seed ${seed})`, async () => {
        await play(seed, { node: { verifyFirstUpTo: 1 * MB } }, async (scenario) => {
          const [node] = await scenario.nodes(1)
          assert.ok(node)
          const peer = await scenario.hostilePeer({ kind: 'wrong-bytes', role })
          await scenario.settle()
          const uri = scenario.file('/a', 3 * MB)
          const got = await node.get(uri)
          assert.notEqual(got.outcome, 'complete')
          assertAtMost(got.bytes, 3 * MB - 1, 'bytes that the application was given')
          assert.equal(leftAside(node, peer)?.reason, 'bad-bytes')
          assert.deepEqual(node.store.lookup(uri), [])
          const again = await node.get(uri, { fields: [['Range', `bytes=${got.bytes}-`]] })
          assertRight(scenario, uri, again)
          assert.equal(again.source, 'internet')
        })
      })
    }
  }
})

describe('a large file behind a peer that drips', () => {
  for (const seed of seedsOf([1, 2])) {
    test(`the first byte from the Internet is no more than a second late (seed ${seed})`, async () => {
      await play(seed, {}, async (scenario) => {
        const node = await scenario.node()
        await scenario.hostilePeer({ kind: 'slow-drip', role: 'holder' })
        await scenario.settle()
        const uri = scenario.file('/a', 20 * MB)
        const got = await node.get(uri)
        assertRight(scenario, uri, got)
        assertAtMost(got.firstByteMs, 1050, 'first byte, in ms')
      })
    })
  }
})

describe('wrong bytes where only the application can verify (V5)', () => {
  for (const kind of ['wrong-bytes', 'old-content'] as const) {
    for (const seed of seedsOf([1, 2, 3])) {
      test(`${kind}: asked again, the origin server answers and the peer is shunned (seed ${seed})`, async () => {
        await play(seed, { node: { proof: 'updater', policy: { verify: 'updater' } } }, async (scenario) => {
          const [node, other] = await scenario.nodes(2)
          assert.ok(node && other)
          const peer = await scenario.hostilePeer({ kind, role: 'holder' })
          await scenario.settle()
          const uri = scenario.file('/a', 300 * KB)
          const poisoned = await node.get(uri)
          assert.notEqual(poisoned.sha256, scenario.sha256(uri))
          await scenario.settle()
          const again = await node.get(uri)
          assertRight(scenario, uri, again)
          assert.equal(again.source, 'internet')
          assert.equal(leftAside(node, peer)?.reason, 'asked-again')
        })
      })
    }
  }

  for (const [modifiedAgoS, what, reason] of [
    [5, 'since then', undefined],
    [60, 'before that', 'asked-again'],
  ] as const)
    test(`right bytes of a file that has changed ${what}: the peer is ${reason ? '' : 'not '}left aside`, async () => {
      await play(1, { node: { proof: 'updater', policy: { verify: 'updater' } } }, async (scenario) => {
        const [node, holder] = await scenario.nodes(2)
        assert.ok(node && holder)
        const uri = scenario.file('/a', 300 * KB)
        await holder.get(uri)
        await scenario.settle()
        assert.equal((await node.get(uri)).source, 'peer')
        await scenario.clock.sleep(30_000)
        const modified = `Mon, 01 Dec 2025 00:00:${String(60 - modifiedAgoS).padStart(2, '0')} GMT`
        const fields = [
          ['Date', 'Mon, 01 Dec 2025 00:01:00 GMT'],
          ['Last-Modified', modified],
        ] as const
        scenario.file('/a', 400 * KB, { fields })
        const again = await node.get(uri)
        assertRight(scenario, uri, again)
        assert.equal(again.source, 'internet')
        await scenario.settle()
        assert.equal(node.shunned.list().find(({ peer }) => peer === holder.host.address)?.reason, reason)
      })
    })

  for (const seed of seedsOf([1, 2, 3])) {
    test(`an unverified copy is not offered on while it is on trial (seed ${seed})`, async () => {
      await play(seed, { node: { proof: 'updater', policy: { verify: 'updater' } } }, async (scenario) => {
        const [node, other] = await scenario.nodes(2)
        assert.ok(node && other)
        const peer = await scenario.hostilePeer({ kind: 'wrong-bytes', role: 'holder' })
        await scenario.settle()
        const uri = scenario.file('/a', 300 * KB)
        await node.get(uri)
        await scenario.settle()
        peer.host.crash('machine')
        assertRight(scenario, uri, await other.get(uri))
        assert.equal(node.uploadedBytes, 0)
      })
    })
  }
})
