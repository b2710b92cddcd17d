import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { seededRandom } from '../../core/random.ts'
import type { Datagram } from '../../core/transport.ts'
import { VirtualClock } from '../../sim/virtual-clock.ts'
import { REORDER_MS, VirtualLan, type LinkQuality } from '../../sim/virtual-lan.ts'

const PACKET = Buffer.from('<service type="request" version="1.0" ID="1"/>')

/** A thousand datagrams from one machine to another, one each millisecond. */
async function thousand(quality: Partial<LinkQuality>): Promise<Datagram[]> {
  const clock = new VirtualClock()
  const lan = new VirtualLan(clock, seededRandom(1), { lan: { latencyMs: 2, jitterMs: 0, ...quality } })
  const [one, other] = [lan.transport(lan.host('10.0.0.1')), lan.transport(lan.host('10.0.0.2'))]
  const heard: Datagram[] = []
  await other.start((datagram) => heard.push(datagram))
  const sending = async () => {
    for (let at = 0; at < 1000; at++) {
      one.send(other.address, Buffer.from(`<service type="request" ID="${at}"/>`))
      await clock.sleep(1)
    }
    await clock.sleep(100)
  }
  await clock.run(sending(), 10_000)
  return heard
}

function idOf({ bytes }: Datagram): number {
  return Number(/ID="(\d+)"/.exec(Buffer.from(bytes).toString())?.[1])
}

describe('the virtual LAN', () => {
  test('a datagram takes the latency of its link, and keeps its place', async () => {
    const heard = await thousand({})
    assert.deepEqual(heard.map(idOf), [...Array(1000).keys()])
    assert.ok(heard.every((datagram) => datagram.at === idOf(datagram) + 2))
  })

  test('it loses the share that it is told to lose', async () => {
    const heard = await thousand({ loss: 0.3 })
    assert.ok(heard.length > 630 && heard.length < 770, `${heard.length} of 1000 came`)
  })

  test('it doubles the share that it is told to double', async () => {
    const heard = await thousand({ duplication: 0.2 })
    assert.ok(heard.length > 1130 && heard.length < 1270, `${heard.length} came of 1000`)
  })

  test('it lets later datagrams overtake, by a bounded time', async () => {
    const heard = await thousand({ reordering: 0.2 })
    const ids = heard.map(idOf)
    assert.notDeepEqual(
      ids,
      ids.toSorted((one, other) => one - other),
    )
    assert.ok(heard.every((datagram) => datagram.at - idOf(datagram) <= 2 + REORDER_MS))
  })

  test('a broadcast reaches the own subnet, the sender included, and no other', async () => {
    const clock = new VirtualClock()
    const lan = new VirtualLan(clock, seededRandom(1))
    const heard: string[] = []
    const transports = ['10.0.0.1', '10.0.0.2', '10.0.1.3'].map((address) => lan.transport(lan.host(address)))
    for (const each of transports) await each.start(() => heard.push(each.address))
    transports[0]?.broadcast(PACKET)
    await clock.run(clock.sleep(10), 100)
    assert.deepEqual(heard, ['10.0.0.1', '10.0.0.2'])
    assert.deepEqual(lan.counts.get('request'), { packets: 1, bytes: PACKET.length })
  })

  test('one link can be worse than the others, both ways', async () => {
    const clock = new VirtualClock()
    const lan = new VirtualLan(clock, seededRandom(1), { lan: { latencyMs: 1, jitterMs: 0 } })
    const [one, other, third] = ['10.0.0.1', '10.0.0.2', '10.0.0.3'].map((each) =>
      lan.transport(lan.host(each)),
    )
    assert.ok(one && other && third)
    lan.setLink(one.address, other.address, { latencyMs: 40 })
    const heard: [to: string, at: number][] = []
    for (const each of [one, other, third]) await each.start(({ at }) => heard.push([each.address, at]))
    one.send(other.address, PACKET)
    one.send(third.address, PACKET)
    other.send(one.address, PACKET)
    await clock.run(clock.sleep(100), 1000)
    assert.deepEqual(heard, [
      [third.address, 1],
      [other.address, 40],
      [one.address, 40],
    ])
  })

  test('nothing crosses a partition, not even what was under way', async () => {
    const clock = new VirtualClock()
    const lan = new VirtualLan(clock, seededRandom(1))
    const [one, other] = [lan.transport(lan.host('10.0.0.1')), lan.transport(lan.host('10.0.0.2'))]
    let heard = 0
    await other.start(() => heard++)
    one.send(other.address, PACKET)
    lan.partition([one.address], [other.address])
    one.send(other.address, PACKET)
    await clock.run(clock.sleep(10), 100)
    assert.equal(heard, 0)
    lan.heal()
    one.send(other.address, PACKET)
    await clock.run(clock.sleep(10), 100)
    assert.equal(heard, 1)
  })

  test('a machine that has crashed neither sends nor hears, until it is started anew', async () => {
    const clock = new VirtualClock()
    const lan = new VirtualLan(clock, seededRandom(1))
    const host = lan.host('10.0.0.1')
    const [before, other] = [lan.transport(host), lan.transport(lan.host('10.0.0.2'))]
    const heard: string[] = []
    await before.start(() => heard.push('before'))
    await other.start(() => heard.push('other'))
    host.crash('machine')
    before.send(other.address, PACKET)
    other.send(host.address, PACKET)
    await clock.run(clock.sleep(10), 100)
    host.restart()
    const after = lan.transport(host)
    await after.start(() => heard.push('after'))
    other.send(host.address, PACKET)
    await clock.run(clock.sleep(10), 100)
    assert.deepEqual(heard, ['after'])
  })
})
