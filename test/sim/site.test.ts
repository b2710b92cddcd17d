import assert from 'node:assert/strict'
import type { EpochMs } from '../../core/clock.ts'
import type { Sha256 } from '../../core/digest.ts'
import type { Fields } from '../../core/fields.ts'
import type { ByteSpan } from '../../core/ranges.ts'
import { KB, MB, type Scenario } from '../../sim/scenario.ts'
import type { VirtualNode } from '../../sim/virtual-node.ts'
import type { Address } from '../../core/transport.ts'
import { questionsIn } from '../../peering/further.ts'
import type { DownloadingPacket } from '../../peering/packets.ts'
import { speakPackets } from '../../sim/packet-speaker.ts'
import { CAUTION } from '../../service/member-warnings.ts'
import { attest } from '../../site/attestation.ts'
import { assertAtMost, assertRight } from './assertions.ts'
import { testSeeds } from './seeds.ts'

const HOUR_MS = 3_600_000
const NO_DIGESTS = { node: { proof: 'none' as const } }

/** The first makes the site, the others join it. */
async function siteOf(scenario: Scenario, count: number): Promise<VirtualNode[]> {
  const nodes = await scenario.nodes(count)
  const [first, ...others] = nodes
  const token = (await first?.site.init('home', 'first', HOUR_MS, count)) ?? ''
  for (const [at, each] of others.entries()) await each.site.join(token, `member${at}`)
  await scenario.settle()
  return nodes
}

const sources = (node: VirtualNode) => node.reports.map(({ source }) => source)

testSeeds('what only a member vouches for costs the WAN one copy', NO_DIGESTS, async (scenario) => {
  const members = await siteOf(scenario, 4)
  const uri = scenario.file('/tool', 2 * MB)
  for (const each of members) assertRight(scenario, uri, await each.get(uri))
  assert.deepEqual(members.flatMap(sources), ['internet', 'peer', 'peer', 'peer'])
})

testSeeds(
  'strangers take no member’s word, and members are not asked in clear',
  NO_DIGESTS,
  async (scenario) => {
    const [first, second] = await siteOf(scenario, 2)
    const stranger = await scenario.node()
    await scenario.settle()
    const uri = scenario.file('/tool', MB)
    for (const each of [first, stranger, second]) {
      const got = await each?.get(uri)
      assert.ok(got)
      assertRight(scenario, uri, got)
    }
    assert.ok(first && second)
    assert.deepEqual(
      [sources(first), sources(stranger), sources(second)],
      [['internet'], ['internet'], ['peer']],
    )
  },
)

testSeeds(
  'with a third of the packets lost every application still gets the right bytes',
  { ...NO_DIGESTS, patienceMs: 600_000, lan: { loss: 0.3 } },
  async (scenario) => {
    const members = await siteOf(scenario, 3)
    const uri = scenario.file('/tool', MB)
    for (const each of members) assertRight(scenario, uri, await each.get(uri))
  },
)

testSeeds(
  'a revoked member’s word counts no more, and it learns nothing new',
  NO_DIGESTS,
  async (scenario) => {
    const [first, second, third] = await siteOf(scenario, 3)
    assert.ok(first && second && third)
    await first.site.revoke('member0')
    await scenario.clock.sleep(10_000)
    assert.deepEqual(
      [first, second, third].map(({ site }) => site.secret?.epoch),
      [2, 1, 2],
    )
    const uri = scenario.file('/tool', MB)
    assertRight(scenario, uri, await second.get(uri))
    assertRight(scenario, uri, await third.get(uri))
    await scenario.settle()
    assert.deepEqual(sources(third), ['internet'])
  },
)

testSeeds('who has left joins again at once, and is believed at once', NO_DIGESTS, async (scenario) => {
  const [first, second] = await siteOf(scenario, 2)
  assert.ok(first && second)
  await second.site.leave()
  await second.site.join(await first.site.invite(HOUR_MS, 1), 'again')
  await scenario.settle()
  const uri = scenario.file('/tool', MB)
  assertRight(scenario, uri, await second.get(uri))
  assertRight(scenario, uri, await first.get(uri))
  assert.deepEqual(sources(first), ['peer'])
})

testSeeds('who joins while the others talk knows them within a second', NO_DIGESTS, async (scenario) => {
  const [first, second] = await scenario.nodes(2)
  assert.ok(first && second)
  const token = await first.site.init('home', 'first', HOUR_MS, 1)
  await second.site.join(token, 'second')
  // What is said to everybody meanwhile spares nobody the answer that brings the pass.
  for (let time = 0; time < 20; time++) {
    void first.get(scenario.file(`/tool${time}`, KB))
    await scenario.clock.sleep(20)
  }
  await scenario.clock.sleep(600)
  const known = second.site.membership?.passes.map(({ name }) => name)
  assert.deepEqual(known?.toSorted(), ['first', 'second'])
})

testSeeds(
  'who was thrown out joins as another member by a new token at once, not as it was',
  NO_DIGESTS,
  async (scenario) => {
    const [first, second] = await siteOf(scenario, 2)
    assert.ok(first && second)
    await first.site.revoke('member0')
    await scenario.clock.sleep(10_000)
    assert.equal(second.site.status()?.isRevoked, true)
    const token = await first.site.invite(HOUR_MS, 1)
    await assert.rejects(second.site.join(token, 'again'), /belongs to the site/)
    await second.site.leave()
    await second.site.join(token, 'again')
    assert.deepEqual([second.site.secret?.epoch, second.site.status()?.isRevoked], [2, false])
    await scenario.settle()
    const uri = scenario.file('/tool', MB)
    assertRight(scenario, uri, await second.get(uri))
    assertRight(scenario, uri, await first.get(uri))
    assert.deepEqual(sources(first), ['peer'])
  },
)

testSeeds(
  'a stranger that speaks only the patents’ packets does not keep a member’s private question waiting',
  NO_DIGESTS,
  async (scenario) => {
    const [first] = await siteOf(scenario, 2)
    assert.ok(first)
    const host = scenario.machine()
    let heard = 0
    const speaker = await speakPackets(scenario.lan, host, (packet, from) => {
      if (packet.type !== 'request') return
      for (const { id, href } of questionsIn(packet)) {
        heard++
        void promise({ id, resource: href }, from)
      }
    })
    /** For two minutes a byte more each second. */
    async function promise(what: Pick<DownloadingPacket, 'id' | 'resource'>, to: Address): Promise<void> {
      const plain = { node: undefined, nonce: undefined, extras: [], more: [], location: undefined }
      const untold = { totalBytes: undefined, bytesPerSecond: undefined }
      for (let receivedBytes = 0; receivedBytes < 120; receivedBytes++) {
        speaker.send(to, { ...what, ...plain, ...untold, type: 'downloading', receivedBytes })
        await scenario.clock.sleep(1000)
      }
    }
    const uri = scenario.file('/tool', MB)
    const got = await first.get(uri)
    assert.ok(heard > 0)
    assertRight(scenario, uri, got)
    assert.equal(got.source, 'internet')
    assertAtMost(got.firstByteMs, 200, 'first byte, in ms')
  },
)

testSeeds('a hostile peer with wrong bytes is not believed in a site', NO_DIGESTS, async (scenario) => {
  const [first, second] = await siteOf(scenario, 2)
  await scenario.hostilePeer({ kind: 'wrong-bytes' })
  await scenario.settle()
  const uri = scenario.file('/tool', MB)
  assert.ok(first && second)
  assertRight(scenario, uri, await first.get(uri))
  assertRight(scenario, uri, await second.get(uri))
})

testSeeds(
  'a quorum of two needs two members that fetched it',
  { node: { proof: 'none', quorum: 2 } },
  async (scenario) => {
    const members = await siteOf(scenario, 4)
    const uri = scenario.file('/tool', MB)
    for (const each of members) assertRight(scenario, uri, await each.get(uri))
    await scenario.settle()
    assert.deepEqual(members.flatMap(sources), ['internet', 'internet', 'peer', 'peer'])
  },
)

testSeeds(
  'a quorum of two is two members that say it of the current version: one that lies brings no former version back',
  { node: { proof: 'none', quorum: 2, policy: { immutable: false } } },
  async (scenario) => {
    const [first, second, liar, asking] = await siteOf(scenario, 4)
    assert.ok(first && second && liar && asking)
    const fields: Fields = [['Cache-Control', 'max-age=3600']]
    const uri = scenario.file('/tool', MB, { fields })
    for (const each of [first, second, liar]) assertRight(scenario, uri, await each.get(uri))
    await scenario.settle()
    assert.deepEqual([first, second, liar].flatMap(sources), ['internet', 'internet', 'peer'])
    const former = scenario.sha256(uri)
    scenario.file('/tool', MB, { fields })
    // Signed as a member signs: what two others vouched for in its time is current, it says.
    const { onDocument, membership } = liar.site
    assert.ok(membership && former)
    const now = scenario.clock.wall()
    const lie = attest(
      {
        uri,
        body: former as Sha256,
        length: MB,
        etag: `"${scenario.sha256(uri)?.slice(0, 16)}"`,
        modified: undefined,
        fetchedAt: now,
        freshUntil: (now + HOUR_MS) as EpochMs,
      },
      membership,
    )
    liar.site.onDocument = (path) => `${lie}\n${onDocument(path) ?? ''}`
    assertRight(scenario, uri, await asking.get(uri))
    await scenario.settle()
    assert.deepEqual(sources(asking), ['internet'])
  },
)

testSeeds(
  'members that have gone without a word cost whoever asks for a quorum half a second at most',
  { node: { proof: 'none', quorum: 2 } },
  async (scenario) => {
    const [first, asking, ...gone] = await siteOf(scenario, 6)
    assert.ok(first && asking)
    const uri = scenario.file('/tool', MB)
    assertRight(scenario, uri, await first.get(uri))
    for (const each of gone) each.crash('machine')
    const begun = scenario.clock.monotonic()
    assertRight(scenario, uri, await asking.get(uri))
    const aloneMs = MB / 8000
    assertAtMost(scenario.clock.monotonic() - begun, aloneMs + 600, 'ms')
  },
)

testSeeds(
  'a member’s warning is heard by members, for what it is, and a stranger’s by nobody',
  NO_DIGESTS,
  async (scenario) => {
    const members = await siteOf(scenario, 3)
    const stranger = await scenario.node()
    await scenario.settle()
    const [first, second, third] = members
    assert.ok(first && second && third)
    const caught = '10.0.0.99'
    stranger.assembly.peering.say(CAUTION, [['peer', first.address]])
    second.assembly.peering.say(CAUTION, [['peer', caught]])
    await scenario.settle()
    const warned = [...members, stranger].map(({ assembly }) =>
      assembly.peering.cautions.list(scenario.clock.monotonic()).map(({ peer }) => peer),
    )
    assert.deepEqual(warned, [[caught], [], [caught], []])
    assert.deepEqual(
      members.flatMap(({ shunned }) => shunned.list()),
      [],
    )
  },
)

testSeeds(
  'members that want the same at the same time read along on the word of the one that fetches it',
  NO_DIGESTS,
  async (scenario) => {
    const members = await siteOf(scenario, 4)
    const uri = scenario.file('/tool', 8 * MB)
    const got = members.map(async (each, at) => {
      await scenario.clock.sleep(at * 100)
      return each.get(uri)
    })
    for (const each of await Promise.all(got)) assertRight(scenario, uri, each)
    await scenario.settle()
    assert.deepEqual(members.flatMap(sources), ['internet', 'in-progress', 'in-progress', 'in-progress'])
    const again = await members[3]?.get(scenario.file('/other', MB))
    assert.equal(again?.outcome, 'complete')
    assert.deepEqual(
      members.flatMap(({ shunned }) => shunned.list()),
      [],
    )
  },
)

testSeeds(
  'when the one that fetches dies, those that read along go on, held against the origin server’s own bytes',
  NO_DIGESTS,
  async (scenario) => {
    const [first, second, third] = await siteOf(scenario, 3)
    assert.ok(first && second && third)
    const uri = scenario.file('/tool', 8 * MB)
    void first.get(uri).catch(() => {})
    await scenario.clock.sleep(100)
    const others = [second.get(uri), third.get(uri)]
    await scenario.clock.sleep(400)
    first.crash('machine')
    for (const each of await Promise.all(others)) assertRight(scenario, uri, each)
  },
)

testSeeds(
  'a promise that is not kept costs no application its file, and the one that made it little trust',
  NO_DIGESTS,
  async (scenario) => {
    const [first, second] = await siteOf(scenario, 2)
    assert.ok(first && second)
    const { onDocument } = first.site
    first.site.onDocument = (path) =>
      onDocument(path)
        ?.split('\n')
        .filter((line) => line.startsWith('promise:'))
        .join('\n')
    const uri = scenario.file('/tool', 8 * MB)
    const fetched = first.get(uri)
    await scenario.clock.sleep(100)
    const got = await second.get(uri)
    assertRight(scenario, uri, got)
    assertRight(scenario, uri, await fetched)
    assert.deepEqual(
      second.shunned.list().map(({ peer, reason }) => [peer, reason]),
      [[first.address, 'broke-off']],
    )
  },
)

testSeeds(
  'a member that promises and sends other bytes than it vouches for is found out, unseen by the application',
  { ...NO_DIGESTS, wanBytesPerSecond: 1_000_000 },
  async (scenario) => {
    const [first, second] = await siteOf(scenario, 2)
    assert.ok(first && second)
    const { files } = first.assembly
    const honestly = files.open.bind(files)
    Object.assign(files, {
      open(alias: Parameters<typeof honestly>[0]) {
        const file = honestly(alias)
        return (
          file && { ...file, read: (span: ByteSpan, signal: AbortSignal) => lying(file.read(span, signal)) }
        )
      },
    })
    const uri = scenario.file('/tool', 900 * KB)
    const fetched = first.get(uri)
    await scenario.clock.sleep(300)
    assertRight(scenario, uri, await second.get(uri))
    assertRight(scenario, uri, await fetched)
    assert.deepEqual(
      second.shunned.list().map(({ peer, reason }) => [peer, reason]),
      [[first.address, 'bad-bytes']],
    )
  },
)

async function* lying(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) yield chunk.map((byte) => byte ^ 1)
}

for (const validator of ['etag', 'date', 'none'] as const)
  testSeeds(
    `a file that can change, and that all members want at once, costs the WAN one copy: ${validator}`,
    { node: { proof: 'none', policy: { immutable: false } } },
    async (scenario) => {
      const members = await siteOf(scenario, 4)
      const fields: Fields = [['Cache-Control', 'max-age=600']]
      const uri = scenario.file('/tool', 4 * MB, { validator, fields })
      for (const got of await Promise.all(members.map((each) => each.get(uri))))
        assertRight(scenario, uri, got)
      await scenario.settle()
      assertAtMost(scenario.origin.sentBytes, 4.1 * MB, 'bytes over the WAN')
      // Of each member that reads along: for a digest, and for the version.
      assertAtMost(scenario.origin.heads, 2 * 3, 'questions by HEAD')
    },
  )

for (const validator of ['etag', 'none'] as const)
  testSeeds(
    `a new version of what members have is fetched once, by who wants it first: ${validator}`,
    { node: { proof: 'none', policy: { immutable: false } }, patienceMs: 300_000 },
    async (scenario) => {
      const members = await siteOf(scenario, 4)
      const fields: Fields = [['Cache-Control', 'max-age=60']]
      for (const version of [1, 2, 3]) {
        const uri = scenario.file('/tool', 8 * MB, { validator, fields })
        const before = scenario.origin.sentBytes
        const asking = members.map(async (each, at) => {
          await scenario.clock.sleep(at * 400)
          return each.get(uri)
        })
        for (const got of await Promise.all(asking)) assertRight(scenario, uri, got)
        assertAtMost(scenario.origin.sentBytes - before, 8.2 * MB, `bytes of version ${version} over the WAN`)
        await scenario.clock.sleep(61_000)
      }
    },
  )
