import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Fields } from '../../core/fields.ts'
import { KB, MB, play } from '../../sim/scenario.ts'
import { WINDOW_BYTES } from '../../sim/body-flow.ts'
import { assertAtMost, assertRight } from './assertions.ts'
import { testSeeds } from './seeds.ts'

describe('sharing on a virtual LAN', () => {
  testSeeds('a node alone fetches from the origin server', {}, async (scenario) => {
    const node = await scenario.node()
    const uri = scenario.file('/a', 300 * KB)
    const got = await node.get(uri)
    assertRight(scenario, uri, got)
    assert.equal(got.source, 'internet')
    assert.equal(scenario.origin.sentBytes, 300 * KB)
    assert.equal((await node.get(uri)).source, 'hit')
  })

  testSeeds('a second node gets by "I have" what the first one holds', {}, async (scenario) => {
    const [one, other] = await scenario.nodes(2)
    assert.ok(one && other)
    const uri = scenario.file('/a', 300 * KB)
    await one.get(uri)
    const got = await other.get(uri)
    assertRight(scenario, uri, got)
    assert.equal(got.source, 'peer')
    assert.equal(scenario.origin.sentBytes, 300 * KB)
    assert.equal(one.uploadedBytes, 300 * KB)
    assert.deepEqual([...(other.reports[0]?.answered ?? [])], [one.address])
  })

  testSeeds('nodes on different subnets do not hear of each other', {}, async (scenario) => {
    const one = await scenario.node({}, '10.0.0')
    const other = await scenario.node({}, '10.0.1')
    await scenario.settle()
    const uri = scenario.file('/a', 100 * KB)
    await one.get(uri)
    assert.equal((await other.get(uri)).source, 'internet')
    assert.deepEqual(other.assembly.peering.livePeers(), [])
  })

  testSeeds(
    'twenty nodes one after the other: the origin sends 1.0 copies, and the load spreads',
    {},
    async (scenario) => {
      const nodes = await scenario.nodes(20)
      const files = Array.from({ length: 5 }, (_, at) => scenario.file(`/${at}`, 50 * KB))
      for (const uri of files) {
        for (const node of nodes) {
          assertRight(scenario, uri, await node.get(uri))
          await scenario.clock.sleep(scenario.random.fraction() * 50)
        }
      }
      assert.equal(scenario.origin.sentBytes, 5 * 50 * KB)
      const uploads = nodes.map((node) => node.uploadedBytes / (50 * KB))
      assertAtMost(Math.max(...uploads), 25, 'copies that one of 20 nodes served, of 95')
      assertAtMost(uploads.filter((each) => each === 0).length, 7, 'nodes that served nothing')
    },
  )

  testSeeds(
    'twenty nodes that ask within 50 ms agree on one fetcher: the origin sends 1.0 copies',
    {},
    async (scenario) => {
      const nodes = await scenario.nodes(20)
      const uri = scenario.file('/a', 1 * MB)
      const asking = nodes.map(async (node) => {
        await scenario.clock.sleep(scenario.random.fraction() * 50)
        return node.get(uri)
      })
      for (const got of await Promise.all(asking)) assertRight(scenario, uri, got)
      assertAtMost(scenario.origin.sentBytes, 1.1 * MB, 'bytes from the origin server')
    },
  )

  testSeeds('six nodes that ask for the same part at once wait for none of them', {}, async (scenario) => {
    const nodes = await scenario.nodes(6)
    const uri = scenario.file('/a', 1 * MB)
    const fields: Fields = [['Range', 'bytes=100000-119999']]
    const given = await Promise.all(nodes.map((node) => node.get(uri, { fields })))
    for (const { firstByteMs } of given) assertAtMost(firstByteMs, 200, 'ms to the first byte')
    assert.equal(scenario.origin.sentBytes, 6 * 20_000)
  })

  for (const [what, behaviour] of [
    ['a redirection', { status: 302, fields: [['Location', '/elsewhere']] }],
    ['an error', { status: 404 }],
    ['a cookie', { fields: [['Set-Cookie', 'a=b']] }],
  ] as const)
    testSeeds(
      `eight nodes that ask for ${what} at once wait for one answer, and then for their own`,
      {},
      async (scenario) => {
        const nodes = await scenario.nodes(8)
        const uri = scenario.file('/a', 20 * KB, { ...behaviour, thinksMs: 300 })
        const given = await Promise.all(nodes.map((node) => node.get(uri)))
        for (const { firstByteMs } of given) assertAtMost(firstByteMs, 2 * 300 + 150, 'ms to the first byte')
        assert.equal(scenario.origin.requests.length, 8)
      },
    )

  for (const proof of ['digest', 'updater'] as const) {
    testSeeds(
      `a node that joins a running download has its first byte within 50 ms (${proof})`,
      {},
      async (scenario) => {
        const [one, other] = await scenario.nodes(2, { proof })
        assert.ok(one && other)
        const uri = scenario.file('/big', 8 * MB)
        const first = one.get(uri)
        await scenario.clock.sleep(500)
        const got = await other.get(uri)
        assertRight(scenario, uri, got)
        assert.equal(got.source, 'in-progress')
        assertAtMost(got.firstByteMs, 50, 'first byte, in ms')
        assertRight(scenario, uri, await first)
        assert.equal(scenario.origin.sentBytes, 8 * MB)
      },
    )
  }

  testSeeds('requests of one node for the same URL are one retrieval', {}, async (scenario) => {
    const node = await scenario.node()
    const uri = scenario.file('/a', 2 * MB)
    const asking = Array.from({ length: 4 }, async (_, at) => {
      await scenario.clock.sleep(at * 50)
      return node.get(uri, { client: `application ${at}` })
    })
    for (const got of await Promise.all(asking)) assertRight(scenario, uri, got)
    assert.equal(scenario.origin.sentBytes, 2 * MB)
    await scenario.settle()
    assert.equal(node.reports.length, 1)
  })

  testSeeds('an application that leaves does not disturb the others', {}, async (scenario) => {
    const [one, other] = await scenario.nodes(2)
    assert.ok(one && other)
    const uri = scenario.file('/a', 4 * MB)
    const leaving = one.get(uri, { client: 'impatient', leavesAfterBytes: 500 * KB })
    const staying = one.get(uri, { client: 'patient' })
    const joining = scenario.clock.sleep(100).then(() => other.get(uri))
    assert.equal((await leaving).outcome, 'left')
    assertRight(scenario, uri, await staying)
    assertRight(scenario, uri, await joining)
    assert.equal(scenario.origin.sentBytes, 4 * MB)
  })

  testSeeds(
    'when every application has gone the retrieval pauses, and goes on where it was',
    {},
    async (scenario) => {
      const node = await scenario.node()
      const uri = scenario.file('/a', 8 * MB)
      const [one, other] = await Promise.all([
        node.get(uri, { client: 'one', leavesAfterBytes: 2 * MB }),
        node.get(uri, { client: 'other', leavesAfterBytes: 3 * MB }),
      ])
      assert.deepEqual([one.outcome, other.outcome], ['left', 'left'])
      await scenario.clock.sleep(1000)
      const paused = scenario.origin.sentBytes
      assertAtMost(paused, 3 * MB + 2 * WINDOW_BYTES, 'bytes when everybody had gone')
      await scenario.clock.sleep(10_000)
      assert.equal(scenario.origin.sentBytes, paused)
      assertRight(scenario, uri, await node.get(uri))
      // What was under way when the last one left is lost.
      assertAtMost(scenario.origin.sentBytes, 8 * MB + WINDOW_BYTES, 'bytes of the origin server in all')
    },
  )

  testSeeds('nobody waits for a node that is alone', {}, async (scenario) => {
    const node = await scenario.node()
    await scenario.settle()
    const uri = scenario.file('/a', 10 * KB)
    // Three trips of 10 ms and the first segment's time on a connection with 8 MB/s.
    assertAtMost((await node.get(uri)).firstByteMs, 50, 'first byte, in ms')
  })

  const unusual = {
    'without a validator': { validator: 'none' },
    'without a length': { framing: 'chunked' },
    'without ranges': { ranges: false },
    slowly: { bytesPerSecond: 500_000 },
  } as const
  for (const [how, behaviour] of Object.entries(unusual)) {
    testSeeds(`an origin server that answers ${how}: one copy of it for two nodes`, {}, async (scenario) => {
      const [one, other] = await scenario.nodes(2)
      assert.ok(one && other)
      const uri = scenario.file('/a', 600 * KB, behaviour)
      assertRight(scenario, uri, await one.get(uri))
      assertRight(scenario, uri, await other.get(uri))
      assert.equal(scenario.origin.sentBytes, 600 * KB)
    })
  }

  testSeeds('eight at once want what has no length: one copy where it is short', {}, async (scenario) => {
    const nodes = await scenario.nodes(8)
    await scenario.settle()
    const short = scenario.file('/short', 300 * KB, { framing: 'chunked' })
    for (const got of await Promise.all(nodes.map((node) => node.get(short))))
      assertRight(scenario, short, got)
    assert.equal(scenario.origin.sentBytes, 300 * KB)
    const long = scenario.file('/long', 12 * MB, { framing: 'chunked' })
    for (const got of await Promise.all(nodes.map((node) => node.get(long)))) {
      assertRight(scenario, long, got)
      assertAtMost(got.firstByteMs, 900, 'first byte, in ms')
    }
    // Who waited was told to go on after half a second, and each fetches it.
    assert.equal(scenario.origin.sentBytes, 300 * KB + 8 * 12 * MB)
  })

  testSeeds('a 404 goes to the application and nowhere else', {}, async (scenario) => {
    const [one, other] = await scenario.nodes(2)
    assert.ok(one && other)
    const uri = scenario.file('/a', 600 * KB, { status: 404 })
    assert.equal((await one.get(uri)).status, 404)
    assert.equal((await other.get(uri)).status, 404)
    assert.equal(scenario.origin.requests.length, 2)
  })

  testSeeds(
    'an origin server that dies in the middle: the application is cut off, never given less',
    {},
    async (scenario) => {
      const node = await scenario.node()
      const uri = scenario.file('/a', 600 * KB, { diesAfter: [200 * KB] })
      const got = await node.get(uri)
      if (got.outcome === 'complete') assert.equal(got.sha256, scenario.sha256(uri))
      else assert.equal(got.outcome, 'cut')
      assertRight(scenario, uri, await node.get(uri))
    },
  )

  test('the same seed gives the same packets at the same times, another seed others', async () => {
    const traceOf = (seed: number) =>
      play(seed, { lan: { loss: 0.1, duplication: 0.1, reordering: 0.1 } }, async (scenario) => {
        const trace: string[] = []
        scenario.lan.watch((packet) => trace.push(JSON.stringify(packet)))
        const nodes = await scenario.nodes(5)
        const uri = scenario.file('/a', 2 * MB)
        await Promise.all(nodes.map((node) => node.get(uri)))
        return trace
      })
    const trace = await traceOf(7)
    assert.ok(trace.length > 50)
    assert.deepEqual(await traceOf(7), trace)
    assert.notDeepEqual(await traceOf(8), trace)
  })
})
