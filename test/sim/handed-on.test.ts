/** Who has sent a file often enough sends on to those who have just got it: they may lie, or be gone. */
import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { bodyOf, type Answer } from '../../core/answer.ts'
import { fieldValue, type Fields } from '../../core/fields.ts'
import type { TargetUri } from '../../core/target-uri.ts'
import type { LocalAlias, NodeId, RequestId, ServicePacket } from '../../peering/packets.ts'
import { PEER_FIELD, RESOURCE_FIELD } from '../../peering/peer-answer.ts'
import { PATH_FIELD, relayField } from '../../peering/relay-fields.ts'
import { speakPackets } from '../../sim/packet-speaker.ts'
import { KB, type Scenario } from '../../sim/scenario.ts'
import type { VirtualHost } from '../../sim/virtual-host.ts'
import { PEER_PATIENCE } from '../../sim/virtual-http.ts'
import type { VirtualNode } from '../../sim/virtual-node.ts'
import { assertAtMost, assertRight } from './assertions.ts'
import { testSeeds } from './seeds.ts'

const SIZE = 300 * KB
const PORT = 6515
const ORIGIN = 'http://origin.example'
const PLACES = 3
/** What is said to whoever finds no place. */
const REFUSAL_BYTES = 100

/** A machine that has got a file from `holder` so often that the next one is sent on to it. It answers with `reply`. */
async function getAll(
  scenario: Scenario,
  holder: VirtualNode,
  uri: TargetUri,
  reply: (asked: string | undefined) => Answer | Promise<Answer>,
): Promise<VirtualHost> {
  const host = scenario.machine()
  const alias = scenario.random.hex(32) as LocalAlias
  const node = scenario.random.hex(16) as NodeId
  const location = Promise.withResolvers<string>()
  const hear = (packet: ServicePacket) =>
    packet.type === 'response' ? location.resolve(packet.location) : undefined
  const speaker = await speakPackets(scenario.lan, host, hear)
  const said = { summary: undefined, filePort: PORT, reply: false, leaving: false, extras: [] }
  const id = 1 as RequestId
  speaker.broadcast({ type: 'presence', id, node, nonce: undefined, ...said })
  const question = { href: uri, method: 'get', acceptProtocol: 'http', cachedOnly: true } as const
  const asked = { ...question, maxDelayMs: 5, more: [], extras: [], id, node, nonce: scenario.random.hex(16) }
  speaker.send(holder.address, { ...asked, type: 'request' })
  scenario.http.listen(host, `${host.address}:${PORT}`, ({ fields }) =>
    reply(fieldValue(fields, RESOURCE_FIELD)),
  )
  const upstream = scenario.http.upstream(host, PEER_PATIENCE)
  for (let time = 0; time < PLACES; time++) {
    const fields = [[PEER_FIELD, node] as const, ...relayField(PORT, alias)]
    const { signal } = new AbortController()
    const { status, body } = await upstream.request({
      method: 'GET',
      uri: await location.promise,
      fields,
      signal,
    })
    assert.equal(status, 200)
    for await (const chunk of body) assert.ok(chunk.length > 0)
  }
  return host
}

/** The node that has it, and one that wants it when somebody else has got it from there. */
async function scene(
  scenario: Scenario,
  reply: (asked: string | undefined) => Answer | Promise<Answer>,
  then: (host: VirtualHost) => void = () => {},
) {
  const [holder, asker] = await scenario.nodes(2)
  assert.ok(holder && asker)
  const uri = scenario.file('/file', SIZE)
  assertRight(scenario, uri, await holder.get(uri))
  const between = await getAll(scenario, holder, uri, reply)
  await scenario.settle()
  then(between)
  const got = await asker.get(uri)
  assertRight(scenario, uri, got)
  return { holder, asker, between, got }
}

describe('a node that was sent on to one that has just got the file', () => {
  testSeeds('has it from there', {}, async (scenario) => {
    const { holder } = await scene(scenario, (asked) =>
      answer(scenario.contentOf('http://origin.example/file' as TargetUri) ?? Buffer.alloc(0), asked),
    )
    assertAtMost(holder.uploadedBytes, PLACES * SIZE + REFUSAL_BYTES, 'bytes that the holder sent')
    assert.equal(scenario.origin.sentBytes, SIZE)
  })

  testSeeds('leaves that one aside for wrong bytes, and not the one that named it', {}, async (scenario) => {
    const { holder, asker, between } = await scene(scenario, (asked) => answer(Buffer.alloc(SIZE), asked))
    assert.deepEqual(
      asker.shunned.list().map(({ peer }) => peer),
      [between.address],
    )
    assert.equal(asker.shunned.find(holder.address), undefined)
    assert.equal(scenario.origin.sentBytes, SIZE)
  })

  testSeeds('blames nobody for wrong bytes that were passed on unjudged', {}, async (scenario) => {
    const path = [[PATH_FIELD, 'd'.repeat(32)] as const]
    const { asker } = await scene(scenario, (asked) => answer(Buffer.alloc(SIZE), asked, path))
    assert.deepEqual(asker.shunned.list(), [])
  })

  testSeeds('leaves a slow one for the one that named it', {}, async (scenario) => {
    const { holder, asker, between, got } = await scene(scenario, (asked) => {
      const right = scenario.contentOf('http://origin.example/file' as TargetUri) ?? Buffer.alloc(0)
      return { ...answer(right, asked), body: dripping(scenario, right) }
    })
    assert.ok(asker.shunned.list().every(({ peer }) => peer === between.address))
    assert.equal(asker.shunned.find(holder.address, ORIGIN, `${holder.address}:${PORT}`), undefined)
    assert.equal(scenario.origin.sentBytes - SIZE < SIZE, true, 'it is had from the holder')
    assertAtMost(got.doneMs, 1500, 'ms in all')
  })

  testSeeds('goes back where that one has nothing', {}, async (scenario) => {
    const { holder, asker, got } = await scene(scenario, () => ({ status: 404, fields: [] }))
    assertAtMost(holder.uploadedBytes, (PLACES + 1) * SIZE + REFUSAL_BYTES, 'bytes that the holder sent')
    assert.equal(scenario.origin.sentBytes, SIZE)
    assert.deepEqual(asker.shunned.list(), [])
    assertAtMost(got.doneMs, 500, 'ms in all')
  })

  testSeeds('loses little where that one is gone', {}, async (scenario) => {
    const { asker, holder, got } = await scene(
      scenario,
      () => new Promise(() => {}),
      (host) => host.crash('machine'),
    )
    assert.equal(asker.shunned.find(holder.address), undefined)
    assertAtMost(got.doneMs, 1000, 'ms in all')
  })

  testSeeds('loses little where that one is silent', {}, async (scenario) => {
    const { asker, holder, got } = await scene(scenario, () => new Promise(() => {}))
    assert.equal(asker.shunned.find(holder.address), undefined)
    assertAtMost(got.doneMs, 1000, 'ms in all')
  })
})

function answer(bytes: Uint8Array, asked: string | undefined, more: Fields = []): Answer {
  const confirmed = asked === undefined ? [] : [[RESOURCE_FIELD, asked] as const]
  return {
    status: 200,
    fields: [['Content-Length', String(bytes.length)], ...confirmed, ...more],
    body: bodyOf(bytes),
  }
}

/** 200 kB a second. */
async function* dripping(scenario: Scenario, bytes: Uint8Array): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 10_000) {
    yield bytes.subarray(at, at + 10_000)
    await scenario.clock.sleep(50)
  }
}
