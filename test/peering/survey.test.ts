import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Found } from '../../peering/survey.ts'
import { MAX_NOTED } from '../../peering/inquiry.ts'
import { address, FakeOwner, nodeId, plainResponse, RESOURCE, world } from './fixtures.ts'

/** Nodes that have heard of each other; the last two hold the resource. */
async function four(settings = {}) {
  const scene = world()
  const nodes = [1, 2, 3, 4].map((number) => scene.node(number, settings))
  for (const { peering } of nodes) await peering.start()
  for (const { copies } of nodes.slice(2)) copies.here.set(RESOURCE, 'complete')
  scene.clock.advance(1000)
  const [asker, other, ...holders] = nodes
  if (asker === undefined || other === undefined) throw new Error('there are four')
  const found: Found[] = []
  const ends: string[] = []
  const hearing = { onFound: (each: Found) => void found.push(each), onOver: () => void ends.push('over') }
  return { ...scene, asker, other, holders, found, ends, hearing }
}

describe('a survey', () => {
  test('hears everybody who has it, and says "I found" at its end', async () => {
    const { clock, lan, asker, holders, found, ends, hearing } = await four()
    asker.peering.survey(RESOURCE, hearing)
    clock.advance(2199)
    assert.deepEqual(
      found.map((each) => (each.kind === 'complete' ? each.offer.peer : '')).toSorted(),
      holders.map((each) => each.address),
    )
    assert.equal(lan.heard('end-request').length, 0)
    clock.advance(2)
    assert.deepEqual(ends, ['over'])
    assert.equal(lan.heard('end-request', asker.address).length, 1)
  })

  test('listens as long as it is told', async () => {
    const { clock, asker, ends, hearing } = await four()
    asker.peering.survey(RESOURCE, hearing, 50)
    clock.advance(49)
    assert.deepEqual(ends, [])
    clock.advance(1)
    assert.deepEqual(ends, ['over'])
  })

  test('that nobody answers has nothing to silence', async () => {
    const { clock, lan, asker, found, hearing } = await four()
    asker.peering.survey('urn:example:nothing', hearing)
    clock.advance(3000)
    assert.deepEqual([found.length, lan.heard('end-request').length], [0, 0])
  })

  test('takes no answers after its end', async () => {
    const { clock, asker, found, hearing } = await four()
    asker.peering.survey(RESOURCE, hearing)?.abandon()
    clock.advance(3000)
    assert.equal(found.length, 0)
  })

  test('is told of each holder once, whoever says it again', async () => {
    const { clock, lan, asker, holders, found, hearing } = await four()
    asker.peering.survey(RESOURCE, hearing)
    clock.advance(2100)
    for (const { from, to, packet } of lan.heard('response')) lan.say(from, packet, to)
    clock.advance(10)
    assert.equal(found.length, holders.length)
  })

  test('notes no more answers than any question', async () => {
    const { clock, lan, asker, found, hearing } = await four()
    asker.peering.survey('urn:example:crowd', hearing)
    clock.advance(1)
    const [need] = lan.heard('request', asker.address)
    assert.ok(need)
    const { id, nonce } = need.packet
    for (let number = 100; number < 110 + MAX_NOTED; number += 1) {
      const from = address(number)
      const node = nodeId(number)
      lan.say(from, plainResponse(id, from, { node, nonce }), asker.address)
    }
    clock.advance(10)
    assert.equal(found.length, MAX_NOTED)
  })

  test('ends when the node stops', async () => {
    const { asker, ends, hearing } = await four()
    asker.peering.survey(RESOURCE, hearing)
    await asker.peering.stop()
    assert.deepEqual(ends, ['over'])
  })

  test('is not made by a node that may not ask, nor of a name too long for a packet', async () => {
    const { asker, hearing } = await four({ ask: false })
    assert.equal(asker.peering.survey(RESOURCE, hearing), undefined)
    const { asker: speaker } = await four()
    assert.equal(speaker.peering.survey(`urn:${'x'.repeat(1100)}`, hearing), undefined)
  })

  test('keeps nobody waiting who wants to fetch it: its asker does not, nor one that wants a part', async () => {
    /** Whether the other one goes to the Internet when its wait is over, having heard the asker. */
    const fetches = async (resource: string, how: 'inquire' | 'survey' | 'part') => {
      const { clock, asker, other, hearing } = await four({ maxDelayMs: 10, transmissionMs: 20 })
      const owner = new FakeOwner()
      if (how === 'survey') asker.peering.survey(resource, hearing)
      else asker.peering.inquire(resource, true, new FakeOwner(), { isForPart: how === 'part' })
      clock.advance(5)
      other.peering.inquire(resource, true, owner)
      clock.advance(40)
      return owner.told.includes('internet')
    }
    const resources = Array.from({ length: 8 }, (_, number) => `http://example.org/${number}`)
    const asWith = (how: 'inquire' | 'survey' | 'part') =>
      Promise.all(resources.map((each) => fetches(each, how)))
    assert.ok((await asWith('inquire')).includes(false), 'one of eight would wait for the first in rank')
    for (const how of ['survey', 'part'] as const) assert.ok(!(await asWith(how)).includes(false), how)
  })
})
