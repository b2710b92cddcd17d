import assert from 'node:assert/strict'
import { originOf } from '../../core/target-uri.ts'
import { FILE_PORT } from '../../sim/virtual-node.ts'
import { describe, test } from 'node:test'
import { HOLD_BACK_BYTES } from '../../retrieval/release.ts'
import { WINDOW_BYTES } from '../../sim/body-flow.ts'
import { KB, MB, play } from '../../sim/scenario.ts'
import type { Got } from '../../sim/virtual-application.ts'
import type { Crash } from '../../sim/virtual-host.ts'
import { assertAtMost, assertRight } from './assertions.ts'
import { seedsOf, testSeeds } from './seeds.ts'

const FILE_BYTES = 8 * MB
/** 20 Mbit/s, in bytes per second. */
const WAN = 2_500_000

const undisturbed = new Map<string, Promise<number>>()

/** How long the second of two nodes takes that share one download of the file undisturbed, in ms. */
function undisturbedMs(seed: number, proof: 'digest' | 'updater'): Promise<number> {
  const key = `${seed} ${proof}`
  const known = undisturbed.get(key) ?? playUndisturbed(seed, proof)
  undisturbed.set(key, known)
  return known
}

function playUndisturbed(seed: number, proof: 'digest' | 'updater'): Promise<number> {
  return play(seed, { node: { proof } }, async (scenario) => {
    const [one, other] = await scenario.nodes(2)
    assert.ok(one && other)
    const uri = scenario.file('/big', FILE_BYTES)
    const first = one.get(uri)
    await scenario.clock.sleep(100)
    const got = await other.get(uri)
    await first
    return got.doneMs
  })
}

/** What the other node's application gets when the downloader crashes at this share of the file. */
function takeOver(seed: number, proof: 'digest' | 'updater', how: Crash, share: number) {
  return play(seed, { node: { proof } }, async (scenario) => {
    const [one, other] = await scenario.nodes(2)
    assert.ok(one && other)
    const uri = scenario.file('/big', FILE_BYTES)
    const first = one.get(uri)
    await scenario.clock.sleep(100)
    const second = other.get(uri)
    while ((one.assembly.retrievals.all()[0]?.progress().receivedBytes ?? 0) < share * FILE_BYTES)
      await scenario.clock.sleep(1)
    one.crash(how)
    assert.equal((await first).outcome, 'crashed')
    const got = await second
    assertRight(scenario, uri, got)
    return { got, originBytes: scenario.origin.sentBytes }
  })
}

describe('the downloader crashes while another node reads its growing copy', () => {
  for (const proof of ['digest', 'updater'] as const) {
    for (const how of ['process', 'machine'] satisfies Crash[]) {
      for (const share of [0.3, 0.6, 0.9]) {
        for (const seed of seedsOf([1, 2, 3])) {
          const circumstances = `${how}, ${share * 100} %, ${proof}, seed ${seed}`
          test(`the other one takes over, the application gets one right response (${circumstances})`, async () => {
            const { got, originBytes } = await takeOver(seed, proof, how, share)
            // What was under way from the origin server to the one, and from the one to the other, is fetched again.
            assertAtMost(
              originBytes,
              FILE_BYTES + HOLD_BACK_BYTES + WINDOW_BYTES,
              'bytes from the origin server',
            )
            assertAtMost(got.doneMs, (await undisturbedMs(seed, proof)) + 1000, 'time until the end, in ms')
            assertAtMost(got.longestStallMs, 1000, 'longest stall, in ms')
          })
        }
      }
    }
  }
})

describe('failures on a virtual LAN', () => {
  testSeeds('a holder that crashes while it serves is followed by another one', {}, async (scenario) => {
    const [one, other, third] = await scenario.nodes(3)
    assert.ok(one && other && third)
    const uri = scenario.file('/big', 4 * MB)
    await one.get(uri)
    await other.get(uri)
    const asking = third.get(uri)
    while (one.uploadedBytes + other.uploadedBytes < 5 * MB) await scenario.clock.sleep(1)
    const serving = other.uploadedBytes > 0 ? other : one
    serving.crash('process')
    const got = await asking
    assertRight(scenario, uri, got)
    assertAtMost(scenario.origin.sentBytes, 8 * MB, 'bytes from the origin server')
    const place = `${serving.address}:${FILE_PORT}` as const
    assert.equal(third.shunned.find(serving.address, originOf(uri), place)?.reason, 'broke-off')
  })

  for (const megabytes of [0.1, 0.3, 0.7, 3, 8])
    testSeeds(
      `whom the origin server falls silent to goes on from those who replaced it (${megabytes} MB)`,
      { wanBytesPerSecond: WAN },
      async (scenario) => {
        const nodes = await scenario.nodes(6)
        const bytes = megabytes * MB
        const uri = scenario.file('/big', bytes, { stallsAfter: [bytes / 2] })
        const all = await Promise.all(nodes.map((node) => node.get(uri)))
        for (const got of all) {
          assertRight(scenario, uri, got)
          // Of a small file others have begun anew nothing is given out before it is whole and verified.
          assertAtMost(got.longestStallMs, bytes < MB ? 1500 : 1100, 'longest stall, in ms')
          assertAtMost(got.doneMs, (bytes / WAN) * 1000 + 1500, 'time until the end, in ms')
        }
        const most = bytes < MB ? 2 * bytes : bytes + MB
        assertAtMost(scenario.origin.sentBytes, most, 'bytes from the origin server')
      },
    )

  for (const [name, sizes, silent, stallMs] of [
    ['one of four files', [2, 2, 2, 2], 1, 1500],
    ['six small and large files', [0.02, 0.05, 0.1, 0.3, 1, 2], 6, 1600],
  ] as const)
    testSeeds(
      `${name} to whose fetchers the origin server falls silent while all come at once go on`,
      { wanBytesPerSecond: WAN },
      async (scenario) => {
        const nodes = await scenario.nodes(6)
        const uris = sizes.map((megabytes, at) => {
          const stalls = at < silent ? { stallsAfter: [(megabytes * MB) / 2] } : {}
          return scenario.file(`/${at}`, megabytes * MB, stalls)
        })
        const all = await Promise.all(nodes.map((node) => Promise.all(uris.map((uri) => node.get(uri)))))
        for (const [at, uri] of uris.entries())
          for (const got of all.flatMap((each) => each[at] ?? [])) {
            assertRight(scenario, uri, got)
            assertAtMost(got.longestStallMs, stallMs, 'longest stall, in ms')
          }
        const bytes = sizes.reduce((sum, megabytes) => sum + megabytes * MB, 0)
        assertAtMost(scenario.origin.sentBytes, 1.4 * bytes, 'bytes from the origin server')
      },
      { seeds: [1, 2, 3, 4, 5, 6] },
    )

  testSeeds('a node that restarts offers what it kept on its disk', {}, async (scenario) => {
    const [one, other] = await scenario.nodes(2)
    assert.ok(one && other)
    const uri = scenario.file('/a', 200 * KB)
    await one.get(uri)
    await scenario.settle()
    one.crash('machine')
    await scenario.clock.sleep(5000)
    await one.restart()
    await scenario.settle()
    const got = await other.get(uri)
    assertRight(scenario, uri, got)
    assert.equal(got.source, 'peer')
    assert.equal((await one.get(uri)).source, 'hit')
  })

  testSeeds('a node that crashes in the middle of a download forgets it', {}, async (scenario) => {
    const node = await scenario.node()
    const uri = scenario.file('/a', 4 * MB)
    const cut = node.get(uri)
    await scenario.clock.sleep(200)
    node.crash('machine')
    assert.equal((await cut).outcome, 'crashed')
    await node.restart()
    assert.equal(node.store.usage().bytes, 0)
    assertRight(scenario, uri, await node.get(uri))
  })

  for (const loss of [0.02, 0.1, 0.3]) {
    testSeeds(
      `every request ends right on a LAN that loses ${loss * 100} %, doubles and reorders`,
      { lan: { loss, duplication: 0.2, reordering: 0.3, jitterMs: 3 } },
      async (scenario) => {
        const nodes = await scenario.nodes(6)
        const files = Array.from({ length: 4 }, (_, at) => scenario.file(`/${at}`, (at + 1) * 150 * KB))
        const asking = nodes.flatMap((node) =>
          files.map(async (uri) => {
            await scenario.clock.sleep(scenario.random.fraction() * 2000)
            const got = await node.get(uri)
            assertRight(scenario, uri, got)
            assertAtMost(got.doneMs, 2000, 'time until the end, in ms')
          }),
        )
        await Promise.all(asking)
        assert.deepEqual(
          nodes.flatMap((node) => node.shunned.list()),
          [],
        )
      },
    )
  }

  testSeeds(
    'a partition costs traffic, never an answer; when it heals, the nodes share again',
    {},
    async (scenario) => {
      const nodes = await scenario.nodes(4)
      const [one, two, three, four] = nodes
      assert.ok(one && two && three && four)
      const uri = scenario.file('/a', 200 * KB)
      const internet = scenario.origin.host.address
      scenario.lan.partition([one.address, two.address, internet], [three.address, four.address])
      assertRight(scenario, uri, await one.get(uri))
      assert.equal((await two.get(uri)).source, 'peer')
      assert.equal((await three.get(uri)).outcome, 'refused')
      scenario.lan.heal()
      const got = await four.get(uri)
      assertRight(scenario, uri, got)
      assert.equal(got.source, 'peer')
      assert.equal(scenario.origin.sentBytes, 200 * KB)
    },
  )

  testSeeds('a partition in the middle of a transfer: the Internet sends the rest', {}, async (scenario) => {
    const [one, other] = await scenario.nodes(2)
    assert.ok(one && other)
    const uri = scenario.file('/big', FILE_BYTES)
    const first = one.get(uri)
    await scenario.clock.sleep(100)
    const second = other.get(uri)
    await scenario.clock.sleep(300)
    scenario.lan.partition([one.address])
    const got = await second
    assertRight(scenario, uri, got)
    assertAtMost(got.longestStallMs, 1000, 'longest stall, in ms')
    scenario.lan.heal()
    assertRight(scenario, uri, await first)
  })

  testSeeds('a node that stops tells the others, and nobody waits for it', {}, async (scenario) => {
    const [one, other] = await scenario.nodes(2)
    assert.ok(one && other)
    await one.stop()
    await scenario.settle()
    assert.deepEqual(other.assembly.peering.livePeers(), [])
    const uri = scenario.file('/a', 200 * KB)
    const got: Got = await other.get(uri)
    assertRight(scenario, uri, got)
    assertAtMost(got.firstByteMs, 50, 'first byte, in ms')
  })

  testSeeds(
    'a slow download of another one is left by a node that knows nothing of the line yet',
    {},
    async (scenario) => {
      await scenario.hostilePeer({ kind: 'slow', role: 'downloader', bytesPerSecond: 120_000 })
      const [node] = await scenario.nodes(1)
      assert.ok(node)
      const uri = scenario.file('/first', 3 * MB)
      const got = await node.get(uri)
      assertRight(scenario, uri, got)
      // Alone it takes 0.4 s, behind that download 26 s.
      assertAtMost(got.doneMs, 2000, 'ms in all')
    },
  )
})
