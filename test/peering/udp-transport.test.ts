import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { test, type TestContext } from 'node:test'
import { systemClock } from '../../core/clock.ts'
import type { Address, Datagram } from '../../core/transport.ts'
import { UdpTransport } from '../../peering/udp-transport.ts'

const BROADCAST = '127.255.255.255'
const ONE = '127.0.0.2' as Address
const TWO = '127.0.0.3' as Address
const OPTIONS = { timeout: 10_000, skip: process.platform === 'win32' && 'loopback has no broadcast there' }

/** A port that nobody uses now: a broadcast needs one that all know, so 0 will not do. */
async function freePort(): Promise<number> {
  const socket = createSocket('udp4')
  await new Promise<void>((resolve) => socket.bind(0, ONE, resolve))
  const { port } = socket.address()
  await new Promise<void>((resolve) => socket.close(resolve))
  return port
}

/** A transport with what it heard and counted. */
function transport(
  t: TestContext,
  address: Address,
  port: number,
  isOnLink: (from: string) => boolean = () => true,
) {
  const heard: string[] = []
  const counted: string[] = []
  const udp = new UdpTransport(
    { address, broadcast: BROADCAST, port, isOnLink },
    { clock: systemClock, count: (what) => void counted.push(what) },
  )
  t.after(() => udp.stop())
  const receive = ({ from, bytes }: Datagram) => void heard.push(`${from} ${Buffer.from(bytes).toString()}`)
  return { udp, heard, counted, start: () => udp.start(receive) }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve))
}

test(
  'everybody hears a broadcast, the sender too; what is directed only its addressee',
  OPTIONS,
  async (t) => {
    const port = await freePort()
    const [one, two] = [transport(t, ONE, port), transport(t, TWO, port)]
    await one.start()
    await two.start()
    one.udp.send(TWO, Buffer.from('to two'))
    await until(() => two.heard.length === 1)
    one.udp.broadcast(Buffer.from('to all'))
    await until(() => two.heard.length === 2 && one.heard.length === 1)
    two.udp.send(ONE, Buffer.from('to one'))
    await until(() => one.heard.length === 2)
    assert.deepEqual(one.heard, [`${ONE} to all`, `${TWO} to one`])
    assert.deepEqual(two.heard, [`${ONE} to two`, `${ONE} to all`])
  },
)

test('what was sent before the stop still leaves', OPTIONS, async (t) => {
  const port = await freePort()
  const [one, two] = [transport(t, ONE, port), transport(t, TWO, port)]
  await one.start()
  await two.start()
  one.udp.broadcast(Buffer.from('farewell'))
  await one.udp.stop()
  await until(() => two.heard.length === 1)
  assert.deepEqual(two.heard, [`${ONE} farewell`])
})

test('a busy port is a fault that names the setting, and leaves nothing open', OPTIONS, async (t) => {
  const port = await freePort()
  const [first, second] = [transport(t, ONE, port), transport(t, ONE, port)]
  await first.start()
  await assert.rejects(second.start(), {
    code: 'ADDRESS_IN_USE',
    message: /peering\.packetPort.*127\.0\.0\.2/,
  })
  await first.udp.stop()
  await second.start()
})

test('a busy broadcast address closes the socket that was open already', OPTIONS, async (t) => {
  const port = await freePort()
  const squatter = createSocket('udp4')
  await new Promise<void>((resolve) => squatter.bind(port, BROADCAST, resolve))
  const one = transport(t, ONE, port)
  await assert.rejects(one.start(), { code: 'ADDRESS_IN_USE', message: /127\.255\.255\.255/ })
  await new Promise<void>((resolve) => squatter.close(resolve))
  await one.start()
})

test('stopping is safe before the start, during it, and twice', OPTIONS, async (t) => {
  const port = await freePort()
  const one = transport(t, ONE, port)
  await one.udp.stop()
  const starting = one.start()
  await one.udp.stop()
  await starting
  one.udp.broadcast(Buffer.from('nobody sends this'))
  await one.udp.stop()
  await one.udp.stop()
  const again = transport(t, ONE, port)
  await again.start()
})

test('a datagram from a source that is not on link is counted and not handed on', OPTIONS, async (t) => {
  const port = await freePort()
  const one = transport(t, ONE, port, (from) => from === ONE)
  const two = transport(t, TWO, port)
  await one.start()
  await two.start()
  two.udp.send(ONE, Buffer.from('stranger'))
  await until(() => one.counted.length === 1)
  one.udp.send(ONE, Buffer.from('own'))
  await until(() => one.heard.length === 1)
  assert.deepEqual([one.counted, one.heard], [['dropped: not on link'], [`${ONE} own`]])
})

test('a datagram that cannot be sent is counted', OPTIONS, async (t) => {
  const one = transport(t, ONE, await freePort())
  await one.start()
  one.udp.send(TWO, Buffer.alloc(70_000))
  await until(() => one.counted.length === 1)
  assert.deepEqual(one.counted, ['not sent'])
})
