import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { MEASURED_BYTES } from '../../providers/speed-meter.ts'
import { KB, MB } from '../../sim/scenario.ts'
import { assertAtMost, assertRight } from './assertions.ts'
import { seedsOf, testSeeds } from './seeds.ts'

/** The patents' figures (patent A, FIG. 4A). */
const PATENTS_TIMING = { maxDelayMs: 2000, transmissionMs: 200 } as const

describe("among nodes that speak only the patents' packets", () => {
  testSeeds('nobody waits for their late answers', {}, async (scenario) => {
    const node = await scenario.node()
    const plain = await scenario.patentNode()
    await scenario.settle()
    const uri = scenario.file('/a', 100 * KB)
    plain.holds(uri)
    const got = await node.get(uri)
    assertRight(scenario, uri, got)
    assert.equal(got.source, 'internet')
    assertAtMost(got.firstByteMs, 100, 'first byte, in ms')
  })

  testSeeds(
    'a late answer takes over from the Internet where much is missing',
    { wanBytesPerSecond: 1_000_000 },
    async (scenario) => {
      const node = await scenario.node()
      const plain = await scenario.patentNode()
      await scenario.settle()
      const uri = scenario.file('/a', 4 * MB)
      plain.holds(uri)
      const got = await node.get(uri)
      assertRight(scenario, uri, got)
      const [answeredAt] = plain.answeredAt
      assert.ok(answeredAt !== undefined)
      assertAtMost(scenario.origin.sentBytes, 3 * MB, 'bytes from the origin server')
      assertAtMost(got.doneMs, 3000, 'time until the end, in ms')
    },
  )

  testSeeds(
    "with the patents' figures the exchange is theirs: wait, 'I have', 'I found'",
    { node: PATENTS_TIMING },
    async (scenario) => {
      const node = await scenario.node()
      const holders = [await scenario.patentNode(), await scenario.patentNode(), await scenario.patentNode()]
      const uri = scenario.file('/a', 100 * KB)
      for (const holder of holders) holder.holds(uri)
      const got = await node.get(uri)
      await scenario.clock.sleep(2500)
      assertRight(scenario, uri, got)
      assert.equal(got.source, 'peer')
      assert.equal(scenario.origin.sentBytes, 0)
      const answers = holders.flatMap((holder) => holder.answeredAt)
      assert.equal(answers.length, 1)
      assert.equal(
        holders.reduce((sum, holder) => sum + holder.canceled, 0),
        2,
      )
      assertAtMost(got.doneMs, 2200, 'time until the end, in ms')
    },
  )

  testSeeds(
    'with nobody there the wait is 2200 ms, and the Internet answers',
    { node: PATENTS_TIMING },
    async (scenario) => {
      const node = await scenario.node()
      const uri = scenario.file('/a', 100 * KB)
      const got = await node.get(uri)
      assertRight(scenario, uri, got)
      assert.ok(got.firstByteMs >= 2200 && got.firstByteMs < 2300, `first byte after ${got.firstByteMs} ms`)
    },
  )

  testSeeds(
    'our node answers theirs: plainly, within 2000 ms, and not after "I found"',
    {},
    async (scenario) => {
      const nodes = await scenario.nodes(3)
      const plain = await scenario.patentNode()
      const uri = scenario.file('/a', 100 * KB)
      for (const node of nodes) await node.get(uri)
      const asked = scenario.clock.monotonic()
      const answersBefore = scenario.lan.counts.get('response')?.packets ?? 0
      const place = await plain.need(uri)
      assert.match(place ?? '', /^http:\/\/10\.0\.0\.[1-3]:6515\/[0-9a-f]{64}$/)
      assertAtMost(scenario.clock.monotonic() - asked, 2000, 'answer, in ms')
      await scenario.clock.sleep(2500)
      assert.equal((scenario.lan.counts.get('response')?.packets ?? 0) - answersBefore, 1)
    },
  )

  for (const hostile of [false, true])
    testSeeds(
      `twenty who wait for the same downloader leave it together and fetch one copy (${hostile ? 'it claims more and more' : 'it says nothing more'})`,
      {},
      async (scenario) => {
        const nodes = await scenario.nodes(20)
        // Its line is known, as that of every machine which has fetched something.
        for (const [at, node] of nodes.entries())
          await node.get(scenario.file(`/before-${at}`, MEASURED_BYTES))
        if (hostile) await scenario.hostilePeer({ kind: 'plain-promises', bytesPerSecond: 500_000 })
        const plain = await scenario.patentNode()
        await scenario.settle()
        const size = 4 * MB
        const uri = scenario.file('/a', size)
        if (!hostile) plain.downloads(uri, 30_000, 'silence')
        const sentBefore = scenario.origin.sentBytes
        const all = await Promise.all(
          nodes.map(async (node) => {
            await scenario.clock.sleep(scenario.random.fraction() * 30)
            return node.get(uri)
          }),
        )
        for (const got of all) assertRight(scenario, uri, got)
        assertAtMost(Math.max(...all.map(({ doneMs }) => doneMs)), 2500, 'time until the end, in ms')
        // The trials are small beside a copy.
        assertAtMost(scenario.origin.sentBytes - sentBefore, 1.05 * size, 'bytes from the origin server')
      },
      { seeds: seedsOf([1, 2, 3]) },
    )

  const ends = {
    'download complete': ['complete', 'peer'],
    'download failed': ['failed', 'internet'],
    silence: ['silence', 'internet'],
    '"download complete" without a place': ['complete, without a place', 'peer'],
  } as const
  for (const [said, [end, source]] of Object.entries(ends)) {
    testSeeds(
      `a downloader without a growing copy is waited for: ${said}`,
      { node: PATENTS_TIMING },
      async (scenario) => {
        const node = await scenario.node()
        const plain = await scenario.patentNode()
        const uri = scenario.file('/a', 100 * KB)
        plain.downloads(uri, 4000, end)
        const got = await node.get(uri)
        assertRight(scenario, uri, got)
        assert.equal(got.source, source)
        const limit = end === 'silence' || end === 'complete, without a place' ? 7200 : 4200
        assertAtMost(got.doneMs, limit, 'time until the end, in ms')
        assert.ok(got.doneMs >= 4000)
      },
      { seeds: seedsOf([1, 2, 3]) },
    )
  }
})
