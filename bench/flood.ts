/** What a flood of datagrams does to the applications of a node (V§4), and what one packet costs on its whole way in. */
import { request, Agent } from 'node:http'
import { join as path } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { seededRandom } from '../core/random.ts'
import { systemClock } from '../core/clock.ts'
import type { Address, Datagram, Transport } from '../core/transport.ts'
import { encode, padded } from '../peering/codec.ts'
import type { NodeId, RequestId } from '../peering/packets.ts'
import { Peering } from '../peering/peering.ts'
import { signing } from './codec.ts'
import type { Benchmark, Case, Figures } from './measure.ts'
import { freePacketPort, startNode, type Node } from './parts/nodes.ts'
import { startOrigin } from './parts/origin.ts'
import { startUntil } from './parts/processes.ts'
import { mkdirSync, writeFileSync } from 'node:fs'

const DATAGRAMS_PER_SECOND = 20_000
const SECONDS = 10
/** An application asks for a hit so often, in ms. */
const EVERY_MS = 2
const PACKETS = 20_000
const FLOODER = '127.0.0.99'
const NODE = '127.0.0.2'

export const flood: Benchmark = {
  name: 'flood',
  about: `Hits of 1 KiB, one every ${EVERY_MS} ms for ${SECONDS} s, on a quiet node and under ${DATAGRAMS_PER_SECOND} datagrams a second of one source: garbage, questions cut short, and sound ones beyond its share. Loopback knows no addresses beyond the subnet; what comes from there is dropped before all of this. And packets from the socket to what they set off, in microseconds of one core: 125 are 8,000 a second, 500 are 2,000.`,
  needs: [],
  async *groups({ directory, atEnd }) {
    yield {
      name: 'one packet, all the way in',
      baseline: 'a question',
      units: { time: 'µs' },
      cases: [
        hearing('a question', () => question()),
        hearing('a signed presence', (at) => signing(presence(at), FLOODER as Address)),
        hearing('garbage', () => new Uint8Array(420).fill(0x2e)),
      ],
      bounds: [
        {
          promise: '8,000 unsigned packets a second',
          case: 'a question',
          figure: 'time',
          of: 'median',
          atMost: 125,
        },
        {
          promise: '2,000 signed packets a second',
          case: 'a signed presence',
          figure: 'time',
          of: 'median',
          atMost: 500,
        },
      ],
    }
    const root = path(directory, 'files')
    mkdirSync(path(root, 'pool'), { recursive: true })
    writeFileSync(path(root, 'pool/small_1.0_all.deb'), new Uint8Array(1024).fill(7))
    const origin = await startOrigin({ root, bytesPerSecond: 0 })
    atEnd(() => origin.stop())
    const packetPort = await freePacketPort()
    const node = await startNode({ directory: path(directory, 'node'), address: NODE, packetPort })
    atEnd(() => node.stop())
    const uri = `${origin.uri}/one/pool/small_1.0_all.deb`
    yield {
      name: `hits under ${DATAGRAMS_PER_SECOND} datagrams a second`,
      baseline: 'quiet',
      units: { p50: 'ms', p99: 'ms', 'datagrams read': '/s', 'peers more': 'peers' },
      mostRounds: 3,
      cases: [
        { name: 'quiet', run: () => measured(node, uri) },
        { name: 'flooded', run: () => flooded(node, uri, packetPort) },
      ],
      bounds: [
        { promise: 'a hit within 3 × its quiet p99', case: 'flooded', figure: 'p99', of: 'ratio', atMost: 3 },
        {
          promise: 'nothing but counters changes',
          case: 'flooded',
          figure: 'peers more',
          of: 'median',
          atMost: 1,
        },
      ],
    }
  },
}

async function flooded(node: Node, uri: string, packetPort: number): Promise<Figures> {
  const program = path(import.meta.dirname, 'parts/flood-process.ts')
  const args = [program, FLOODER, NODE, String(packetPort), String(DATAGRAMS_PER_SECOND)]
  const flooder = await startUntil(process.execPath, args, /flooding/)
  try {
    return await measured(node, uri)
  } finally {
    await flooder.stop()
  }
}

async function measured(node: Node, uri: string): Promise<Figures> {
  const before = await node.status()
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const waits: number[] = []
  const until = performance.now() + SECONDS * 1000
  await hit(agent, node.proxyPort, uri)
  while (performance.now() < until) {
    const began = performance.now()
    await hit(agent, node.proxyPort, uri)
    waits.push(performance.now() - began)
    await pause(EVERY_MS)
  }
  agent.destroy()
  const after = await node.status()
  const read = counted(after.packets) - counted(before.packets)
  const sorted = waits.toSorted((one, other) => one - other)
  const at = (share: number) => sorted[Math.floor(share * sorted.length)] ?? NaN
  const peers = (after.peering?.peers.length ?? 0) - (before.peering?.peers.length ?? 0)
  return { p50: at(0.5), p99: at(0.99), 'datagrams read': read / SECONDS, 'peers more': peers }
}

/** Every datagram that the node's sockets gave it. */
function counted(packets: Readonly<Record<string, number>>): number {
  const heard = Object.entries(packets).filter(([what]) => /^(dropped|heard): /.test(what))
  return heard.reduce((sum, [, count]) => sum + count, 0)
}

function hit(agent: Agent, port: number, uri: string): Promise<void> {
  const { host } = new URL(uri)
  return new Promise((resolve, reject) => {
    const asking = request(
      { agent, host: '127.0.0.1', port, path: uri, headers: { Host: host } },
      (response) => response.resume().once('end', resolve),
    )
    asking.once('error', reject).end()
  })
}

const hex = (value: number) => value.toString(16).padStart(32, '0')

let number = 0
function question(): Uint8Array {
  const id = (number += 1) as RequestId
  const asked = { method: 'get', acceptProtocol: 'http', cachedOnly: true, maxDelayMs: 15 } as const
  const href = `http://updates.test/pool/main/a/absent/absent_${id % 1000}_all.deb`
  const common = { id, node: hex(id % 50) as NodeId, nonce: hex(id), extras: [] }
  return encode(padded({ type: 'request', more: [], href, ...common, ...asked })) ?? new Uint8Array()
}

function presence(at: number): Uint8Array {
  const said = { reply: false, leaving: false, summary: undefined, extras: [], nonce: undefined }
  const packet = {
    type: 'presence',
    id: at as RequestId,
    node: hex(at % 50) as NodeId,
    filePort: 6515,
    ...said,
  } as const
  return encode(packet) ?? new Uint8Array()
}

/** Datagrams made before, given to a node's peering one by one. */
function hearing(name: string, make: (at: number) => Uint8Array): Case {
  const run = async (): Promise<Figures> => {
    const datagrams = Array.from({ length: PACKETS }, (_, at) => make(at))
    let receive: ((datagram: Datagram) => void) | undefined
    const transport: Transport = {
      address: NODE as Address,
      start: async (to) => void (receive = to),
      stop: async () => {},
      send: () => {},
      broadcast: () => {},
    }
    const peering = peeringOn(transport)
    await peering.start()
    const { user, system } = process.cpuUsage()
    for (const [at, bytes] of datagrams.entries()) {
      receive?.({ from: FLOODER as Address, bytes, at: systemClock.monotonic() })
      // As the event loop does between two readings of the socket: what packets set off happens too.
      if (at % 64 === 0) await pause(0)
    }
    const spent = process.cpuUsage({ user, system })
    await peering.stop()
    return { time: (spent.user + spent.system) / PACKETS }
  }
  return { name, run }
}

function peeringOn(transport: Transport): Peering {
  const limits = { perSource: Infinity, overall: Infinity, burstPerSource: Infinity, burstOverall: Infinity }
  const timing = { maxDelayMs: 'auto', transmissionMs: 200, silenceMs: 3000 } as const
  return new Peering(
    {
      self: { node: hex(1_000_000) as NodeId, filePort: 6515 },
      serve: true,
      ask: true,
      intake: limits,
      ...timing,
    },
    {
      clock: systemClock,
      random: seededRandom(1),
      transport,
      copies: { locate: () => ({ kind: 'absent' }) },
      isShunned: () => false,
      seal: signing.seal(),
    },
  )
}
