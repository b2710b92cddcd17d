/** Questions that go to those alone who have told that they have it (docs/protocol.md, "Directed questions"). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DIRECTED, HOLD_MS } from '../../peering/asking.ts'
import { questionsIn } from '../../peering/further.ts'
import type { PeeringComponents, PeeringSettings } from '../../peering/peering.ts'
import { noSeal } from '../../peering/packet-seal.ts'
import type { RequestId, RequestPacket, ResponsePacket } from '../../peering/packets.ts'
import { resourceKey } from '../../peering/summary.ts'
import type { Address } from '../../core/transport.ts'
import {
  address,
  ALIAS,
  FakeOwner,
  nodeId,
  plainRequest,
  plainResponse,
  RESOURCE,
  world,
} from './fixtures.ts'

const names = (count: number) => Array.from({ length: count }, (_, at) => `${RESOURCE}.${at}`)

interface Scene {
  /** Beside the one that asks. */
  readonly nodes: number
  /** So many of them have what is asked for, and have told so. */
  readonly tellers: number
  readonly resources?: readonly string[]
  readonly settings?: Partial<PeeringSettings>
  readonly components?: Partial<PeeringComponents>
}

async function lanOf({ nodes, tellers, resources = [RESOURCE], settings = {}, components = {} }: Scene) {
  const scene = world()
  const { clock, lan } = scene
  const asker = scene.node(1, { maxDelayMs: 'auto', ...settings }, components)
  const others = Array.from({ length: nodes }, (_, at) => scene.node(at + 2, { maxDelayMs: 'auto' }))
  for (const { peering } of [asker, ...others]) await peering.start()
  clock.advance(1000)
  // What is told of its copies is told of a summary that is known.
  for (const { peering } of others) peering.summaryRenewed([])
  clock.advance(1000)
  const holders = others.slice(0, tellers)
  for (const { copies, peering } of holders)
    for (const each of resources) {
      copies.here.set(each, 'complete')
      peering.advertising.stored(each)
    }
  clock.advance(3000)
  const owners = resources.map(() => new FakeOwner())
  const ask = () =>
    asker.peering.together(() =>
      resources.forEach((each, at) => asker.peering.inquire(each, true, owners[at] ?? new FakeOwner())),
    )
  const asked = () => lan.heard('request', asker.address)
  return { ...scene, asker, others, holders, owners, ask, asked }
}

test(`where ${DIRECTED} have told that they have it, they alone are asked, and they alone hear "I found"`, async () => {
  const { clock, lan, asker, holders, owners, ask, asked } = await lanOf({ nodes: 12, tellers: 9 })
  ask()
  clock.advance(100)
  const to = asked().map((each) => each.to)
  assert.equal(new Set(to).size, DIRECTED)
  assert.ok(to.every((each) => holders.some((holder) => holder.address === each)))
  assert.deepEqual(new Set(lan.heard('end-request', asker.address).map((each) => each.to)), new Set(to))
  const [told] = owners[0]?.told ?? []
  assert.ok(to.some((each) => told === `retrieve ${each}`))
  assert.equal(owners[0]?.told.length, 1)
})

test('what is asked for at the same moment is asked of the same few, in one packet to each', async () => {
  const resources = names(6)
  const { clock, lan, asker, owners, ask, asked } = await lanOf({ nodes: 8, tellers: 8, resources })
  ask()
  clock.advance(100)
  assert.equal(asked().length, DIRECTED)
  for (const { packet } of asked())
    assert.deepEqual(
      questionsIn(packet).map(({ href }) => href),
      resources,
    )
  for (const { packet } of lan.heard('end-request', asker.address)) assert.equal(packet.more.length, 5)
  for (const owner of owners) assert.equal(owner.told.length, 1)
})

test('what nobody has told is asked of everybody, beside what these few are asked', async () => {
  const [told = '', untold = ''] = names(2)
  const { clock, asker, asked } = await lanOf({ nodes: 8, tellers: 8, resources: [told] })
  asker.peering.together(() => {
    for (const each of [told, untold]) asker.peering.inquire(each, true, new FakeOwner())
  })
  clock.advance(HOLD_MS)
  const audience = (resource: string) =>
    asked().flatMap(({ packet, to }) => (packet.href === resource ? [to] : []))
  assert.equal(audience(told).length, DIRECTED)
  assert.deepEqual(audience(untold), [undefined])
})

test('another moment draws others, so that each serves its share', async () => {
  const { clock, ask, asked } = await lanOf({ nodes: 12, tellers: 12 })
  for (let times = 0; times < 20; times++) {
    ask()
    clock.advance(1000)
  }
  assert.equal(new Set(asked().map(({ to }) => to)).size, 12)
})

test('where they are silent everybody is asked, at once, and one that has told nothing answers', async () => {
  const { clock, holders, others, owners, ask, asked } = await lanOf({ nodes: 8, tellers: 7 })
  for (const { copies } of holders) copies.here.clear()
  const last = others.at(-1)
  last?.copies.here.set(RESOURCE, 'complete')
  ask()
  clock.advance(24 + HOLD_MS)
  assert.equal(asked().length, DIRECTED + 1)
  assert.equal(asked().at(-1)?.to, undefined)
  clock.advance(30)
  assert.deepEqual(owners[0]?.told, [`retrieve ${last?.address}`])
})

test('where nobody has it any more, that costs no more than one wait of everybody', async () => {
  const { clock, holders, owners, ask, asked } = await lanOf({ nodes: 8, tellers: 8 })
  for (const { copies } of holders) copies.here.clear()
  ask()
  clock.advance(70)
  assert.deepEqual(owners[0]?.told, ['internet'])
  assert.equal(asked().filter(({ to }) => to === undefined).length, 3)
})

const BROADCAST: readonly [string, Scene, (scene: Awaited<ReturnType<typeof lanOf>>) => void][] = [
  ['fewer have told that they have it', { nodes: 8, tellers: DIRECTED - 1 }, () => {}],
  ['the figures are fixed', { nodes: 8, tellers: 8, settings: { maxDelayMs: 40 } }, () => {}],
  [
    'somebody is not believed',
    { nodes: 8, tellers: 7, components: { isShunned: (peer) => peer === address(9) } },
    () => {},
  ],
  [
    'members warn of somebody',
    { nodes: 8, tellers: 7 },
    ({ asker, clock }) =>
      asker.peering.cautions.heard({ peer: address(9), member: 'm', at: clock.monotonic() }),
  ],
  [
    'one machine says so in the names of many nodes',
    { nodes: 8, tellers: DIRECTED - 2 },
    ({ lan, clock }) => {
      const summary = { edition: 1, number: 0, keys: 0 }
      const common = { extras: [], nonce: undefined, more: [] }
      for (let number = 100; number < 140; number++) {
        const ids = { id: number as RequestId, node: nodeId(number), ...common }
        lan.say(address(99), {
          ...ids,
          type: 'presence',
          filePort: 6515,
          summary,
          reply: false,
          leaving: false,
        })
        const told = { ...summary, number: 1, keys: 1 }
        lan.say(address(99), { ...ids, type: 'advertise', summary: told, keys: [resourceKey(RESOURCE)] })
      }
      clock.advance(10)
    },
  ],
  [
    'nodes of the patents are heard',
    { nodes: 8, tellers: 8 },
    ({ lan, clock }) => {
      lan.say(address(99), plainRequest(1))
      clock.advance(1)
    },
  ],
  [
    'one of them has left',
    { nodes: 8, tellers: DIRECTED },
    ({ holders, clock }) => {
      void holders[0]?.peering.stop()
      clock.advance(10)
    },
  ],
]

for (const [why, how, before] of BROADCAST)
  test(`everybody is asked where ${why}`, async () => {
    const scene = await lanOf(how)
    before(scene)
    const { length } = scene.asked()
    scene.ask()
    scene.clock.advance(HOLD_MS)
    assert.deepEqual(
      scene
        .asked()
        .slice(length)
        .map(({ to }) => to),
      [undefined],
    )
  })

test('a download that is heard of meanwhile is followed, when those few are silent', async () => {
  const { clock, holders, others, owners, ask, asked } = await lanOf({ nodes: 8, tellers: 7 })
  for (const { copies } of holders) copies.here.clear()
  ask()
  clock.advance(5)
  const last = others.at(-1)
  const progress = () => ({ receivedBytes: 10, totalBytes: 1000, bytesPerSecond: 5 })
  last?.peering.announceDownload(RESOURCE, () => ALIAS, progress).readable()
  clock.advance(25)
  assert.deepEqual(owners[0]?.told, [`follow ${last?.address}`])
  assert.equal(asked().length, DIRECTED)
})

/** "I have" to the question of this packet. */
const iHave = ({ id, nonce }: RequestPacket, peer: Address): ResponsePacket =>
  plainResponse(id, peer, { nonce, node: nodeId(50) })

test('whoever answers when "I need" to everybody is held already is taken, and the others are not asked in vain', async () => {
  const { clock, lan, asker, holders, owners, ask, asked } = await lanOf({ nodes: 20, tellers: 20 })
  for (const { copies } of holders) copies.isBusy = true
  ask()
  clock.advance(1)
  const [first] = asked()
  assert.ok(first?.to !== undefined)
  // A delay of 7.5 ms, a round trip of 1 ms and 3 ms more: 11.5 ms, and until 13.5 ms the question is held.
  clock.advance(11)
  for (const { copies } of holders) copies.isBusy = false
  lan.say(first.to, iHave(first.packet, first.to), asker.address)
  clock.advance(100)
  assert.deepEqual(owners[0]?.told, [`retrieve ${first.to}`])
  assert.equal(asked().length, DIRECTED)
  assert.equal(lan.heard('response').length, 1)
})

test('many names of which each is told by others are asked of five, and of everybody: not of each five anew', async () => {
  const resources = names(22)
  const { clock, holders, asker, asked } = await lanOf({ nodes: 12, tellers: 12, resources: [] })
  for (const [at, each] of resources.entries())
    for (const [number, { copies, peering }] of holders.entries())
      if ((at + number) % 3 > 0) {
        copies.here.set(each, 'complete')
        peering.advertising.stored(each)
      }
  clock.advance(5000)
  const { length } = asked()
  const owners = resources.map(() => new FakeOwner())
  asker.peering.together(() => {
    for (const [at, each] of resources.entries())
      asker.peering.inquire(each, true, owners[at] ?? new FakeOwner())
  })
  clock.advance(HOLD_MS)
  const audiences = asked()
    .slice(length)
    .map(({ to }) => to)
  assert.equal(new Set(audiences).size, DIRECTED + 1)
  assert.ok(audiences.length <= 2 * (DIRECTED + 1), `${audiences.length} packets`)
  clock.advance(100)
  for (const owner of owners) assert.equal(owner.told.length, 1)
})

test('neither an answer that comes much too late nor a slow machine makes it wait longer than a broadcast question', async () => {
  const { clock, lan, asker, holders, owners, ask, asked } = await lanOf({ nodes: 8, tellers: 8 })
  asker.peering.inquire(`${RESOURCE}.other`, true, new FakeOwner())
  clock.advance(20_000)
  const [other] = asked()
  assert.ok(other !== undefined)
  lan.say(address(2), iHave(other.packet, address(2)), asker.address)
  clock.advance(10)
  for (const { copies } of holders) copies.here.clear()
  ask()
  // A broadcast one waits 12 ms and the 200 ms of `transmissionMs`.
  clock.advance(HOLD_MS + 2 * 212 + 1)
  assert.deepEqual(owners[0]?.told, ['internet'])
})

test('what is said to a few is signed once', async () => {
  let signed = 0
  const seal = (document: Uint8Array) => {
    signed++
    return document
  }
  const components = { seal: { ...noSeal, seal } }
  const { clock, ask } = await lanOf({ nodes: 8, tellers: 8, components })
  signed = 0
  ask()
  clock.advance(100)
  assert.equal(signed, 2)
})
