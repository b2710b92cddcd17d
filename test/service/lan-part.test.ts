import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import type { Endpoint } from '../../proxy/target-guard.ts'
import { defaultConfig } from '../../service/config.ts'
import { LanPart, LOOK_MS } from '../../service/lan-part.ts'
import type { InterfaceAddress } from '../../service/network.ts'
import { freePacketPort } from '../clients/harness.ts'
import { manualClock } from '../manual-clock.ts'

/** As if 127.0.9.0/24 were a LAN. */
const HERE: InterfaceAddress = {
  interfaceName: 'eth0',
  address: '127.0.9.1',
  netmask: '255.255.255.0',
  isInternal: false,
}

/** The LAN part of a node that has started on a machine without a LAN. */
async function alone(context: TestContext, filePort = 0) {
  const clock = manualClock()
  const machine: InterfaceAddress[] = []
  const lines: string[] = []
  const own: Endpoint[] = []
  const say = (line: string) => void lines.push(line)
  const lan = new LanPart(
    { ...defaultConfig('/').peering, filePort, packetPort: await freePacketPort() },
    {
      clock,
      addresses: () => machine,
      files: { open: () => undefined },
      events: { uploaded() {}, refused() {}, abused() {} },
      own,
      count: () => {},
      log: { info: say, warn: say },
    },
  )
  const happened: string[] = []
  await lan.start()
  const unfollow = lan.follow({
    leave: () => lan.transport.stop(),
    lost: (address) => void happened.push(`lost ${address}`),
    enter: async () => {
      await lan.transport.start(() => {})
      happened.push(`entered at ${lan.transport.address}`)
    },
  })
  context.after(async () => {
    await unfollow()
    await lan.transport.stop()
    await lan.stop()
  })
  /** Looks at the machine once, and does what follows from it. */
  const look = async () => {
    clock.advance(LOOK_MS)
    while (clock.pending() === 0) await new Promise(setImmediate)
  }
  return { machine, lines, own, lan, happened, look }
}

test('an address that comes late is found, and the node enters the LAN there', async (context) => {
  const { machine, lines, own, lan, happened, look } = await alone(context)
  assert.equal(lan.whyAlone(), 'no LAN found: working alone')
  await look()
  assert.deepEqual([lan.place, lan.filePort, own], [undefined, undefined, []])
  machine.push(HERE)
  await look()
  assert.deepEqual(happened, ['entered at 127.0.9.1'])
  assert.deepEqual(own, [{ address: '127.0.9.1', port: lan.filePort }])
  assert.equal(lan.isOnLink('127.0.9.77'), true)
  await look()
  assert.equal(happened.length, 1)
  assert.deepEqual(lines, ['a LAN is there: peers are looked for at 127.0.9.1'])
})

test('a place that has given way to another one is left at once where it is in the way', async (context) => {
  const { machine, lan, happened, look } = await alone(context)
  machine.push(HERE)
  await look()
  lan.lookNow()
  machine.splice(0, 1, { ...HERE, netmask: '255.255.0.0' })
  lan.lookNow()
  lan.lookNow()
  while (happened.length < 3) await new Promise(setImmediate)
  assert.deepEqual(happened, ['entered at 127.0.9.1', 'lost 127.0.9.1', 'entered at 127.0.9.1'])
  assert.equal(lan.place?.netmask, '255.255.0.0')
  await look()
  assert.equal(happened.length, 3)
})

test('what keeps the node from its place is told once, and tried again', async (context) => {
  const inTheWay = createServer().listen(0, HERE.address)
  await once(inTheWay, 'listening')
  const { port } = inTheWay.address() as AddressInfo
  const { machine, lines, own, lan, happened, look } = await alone(context, port)
  machine.push(HERE)
  await look()
  await look()
  assert.equal(lan.whyAlone(), 'the LAN cannot be used (see the log): working alone')
  assert.deepEqual([lan.place, own, happened], [undefined, [], []])
  assert.equal(lines.length, 1)
  assert.match(lines[0] ?? '', /peering\.filePort: cannot listen on 127\.0\.9\.1/)
  await new Promise((closed) => inTheWay.close(closed))
  await look()
  assert.deepEqual([lan.place?.address, lan.filePort, happened.length], [HERE.address, port, 1])
})
