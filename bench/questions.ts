/** What a question to the LAN costs: 20 nodes' peering on real sockets, in one process. */
import { createHash } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { systemClock } from '../core/clock.ts'
import { seededRandom, systemRandom } from '../core/random.ts'
import type { Address } from '../core/transport.ts'
import type { InquiryOwner } from '../peering/inquiry.ts'
import type { LocalAlias, NodeId } from '../peering/packets.ts'
import { Peering } from '../peering/peering.ts'
import { UdpTransport } from '../peering/udp-transport.ts'
import { median, type Benchmark, type Case, type Figures } from './measure.ts'
import { freePacketPort, SETTLED_MS } from './parts/nodes.ts'

const NODES = 20
const HOLDERS = [0, 1, 5, 19]
/** For one figure. Far fewer a second than the nodes take from one another (V§4: 20 a second from each). */
const QUESTIONS = 20
/**
 * Nodes measure the way to each other when they meet. Were all to meet at once, in one process, each would measure how
 * long it takes to read the others' packets.
 */
const START_APART_MS = 150

export const questions: Benchmark = {
  name: 'questions',
  about: `The time from "I need" to the first "I have", or to the turn to the Internet when nobody has it, on a LAN of ${NODES} (their figures adapted: maxDelayMs auto), and the packets that a question costs the whole LAN, each broadcast counted once. All nodes share one process, so every wait includes the work of all of them. Medians and the slowest of ${QUESTIONS} questions, asked by the nodes in turn.`,
  needs: [],
  async *groups({ atEnd }) {
    const lan = await startLan()
    atEnd(() => Promise.all(lan.map((node) => node.stop())))
    const bound = (promise: string, holders: number) =>
      ({ promise, case: caseName(holders), figure: 'median', of: 'median', atMost: 50 }) as const
    yield {
      name: `one question on a LAN of ${NODES}`,
      baseline: caseName(1),
      units: { median: 'ms', slowest: 'ms', packets: 'packets' },
      cases: HOLDERS.map((holders) => asking(lan, holders)),
      bounds: [
        ...HOLDERS.slice(1).map((holders) => bound('a holder’s answer within 50 ms', holders)),
        bound('an unanswered question costs at most 50 ms', 0),
      ],
    }
  },
}

function caseName(holders: number): string {
  return holders === 0 ? 'nobody has it' : `${holders} ${holders === 1 ? 'node has' : 'nodes have'} it`
}

async function startLan(): Promise<readonly Peering[]> {
  const port = await freePacketPort()
  const lan = Array.from({ length: NODES }, (_, at) => peering(at, port))
  for (const node of lan) {
    await node.start()
    await pause(START_APART_MS)
  }
  await pause(SETTLED_MS)
  const known = Math.min(...lan.map((node) => node.livePeers().length))
  if (known < NODES - 1) throw new Error(`expected ${NODES - 1} live peers, one node knows ${known}`)
  return lan
}

function peering(at: number, port: number): Peering {
  const address = `127.0.0.${at + 2}` as Address
  const settings = { address, broadcast: '127.255.255.255', port, isOnLink: () => true }
  const random = seededRandom(at + 1)
  return new Peering(
    {
      self: { node: random.hex(16) as NodeId, filePort: 6515 },
      serve: true,
      ask: true,
      silenceMs: 3000,
      maxDelayMs: 'auto',
      transmissionMs: 200,
    },
    {
      clock: systemClock,
      random: systemRandom,
      transport: new UdpTransport(settings, { clock: systemClock, count: () => {} }),
      copies: { locate: (resource) => (holdersOf(resource).includes(at) ? HERE : ABSENT) },
      isShunned: () => false,
    },
  )
}

/** A resource's name says which nodes have it. */
function holdersOf(resource: string): readonly number[] {
  return (new URL(resource).searchParams.get('on') ?? '')
    .split('.')
    .filter((each) => each !== '')
    .map(Number)
}

const ABSENT = { kind: 'absent' } as const
const HERE = {
  kind: 'complete',
  offer: {
    alias: createHash('sha256').update('a copy').digest('hex') as LocalAlias,
    size: 1_000_000,
    digest: undefined,
    sentCopies: 0,
    etag: undefined,
    lastModified: undefined,
    ageSeconds: 0,
  },
} as const

function asking(lan: readonly Peering[], holders: number): Case {
  const run = async (round: number): Promise<Figures> => {
    const before = packetsSent(lan)
    const waits: number[] = []
    for (let question = 0; question < QUESTIONS; question += 1) {
      const number = round * QUESTIONS + question
      waits.push(await askedBy(lan, number % NODES, holders, number))
      await pause(20) // answers that crossed "I found" belong to this question, not to the next
    }
    const packets = (packetsSent(lan) - before) / QUESTIONS
    return { median: median(waits), slowest: Math.max(...waits), packets }
  }
  return { name: caseName(holders), run }
}

/** @returns how long the asker waited for the first "I have", or for nobody. */
function askedBy(lan: readonly Peering[], asker: number, holders: number, number: number): Promise<number> {
  const on = Array.from({ length: holders }, (_, at) => (asker + 1 + at) % NODES).join('.')
  const resource = `http://updates.example/${number}.deb?on=${on}`
  const began = performance.now()
  return new Promise((resolve) => {
    const answered = () => {
      resolve(performance.now() - began)
      setImmediate(() => inquiry?.retrieved())
    }
    const owner: InquiryOwner = {
      retrieve: answered,
      retrieveFromInternet: answered,
      follow: none,
      lateOffer: none,
      secondFetcher: none,
      isFurther: () => false,
      heardProgress: none,
      waitsForPlain: none,
      patientMs: () => Infinity,
      failed: none,
    }
    const inquiry = lan[asker]?.inquire(resource, true, owner)
  })
}

const none = () => {}

function packetsSent(lan: readonly Peering[]): number {
  const counters = lan.flatMap((node) => [...node.counters])
  return counters
    .filter(([what]) => /^sent: (request|end-request|response)$/.test(what))
    .reduce((sum, [, count]) => sum + count, 0)
}
