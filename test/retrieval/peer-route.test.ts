import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Fault, type FaultCode } from '../../core/fault.ts'
import { fieldValue, type Fields } from '../../core/fields.ts'
import type { Address } from '../../core/transport.ts'
import type { UpstreamRequest, UpstreamResponse } from '../../core/upstream.ts'
import type { NodeId } from '../../peering/packets.ts'
import { DETOUR_MS, MAX_ASKED, MAX_DETOURS, PeerRoute } from '../../retrieval/peer-route.ts'
import { manualClock } from '../manual-clock.ts'

const ALIAS = 'a'.repeat(64)
const SELF = '5'.repeat(32) as NodeId
const OTHER = '7'.repeat(32) as NodeId
const TOP = '10.0.0.1' as Address
const BODY = '0123456789'
const PACE = { periodMs: 500, leastBytes: 1, code: 'PEER_STALLED' } as const

type Reply = (from: number, times: number) => Partial<UpstreamResponse> & { readonly status: number }

/** Peers by the last part of their address, and what each answers. */
function lan(
  replies: Record<number, Reply>,
  servesFiles: (address: Address, port: number) => boolean = () => true,
  excuse: () => boolean = () => false,
) {
  const clock = manualClock()
  const asked: string[] = []
  const fields: Fields[] = []
  const detours: number[] = []
  const met: Address[] = []
  const request = async (question: UpstreamRequest): Promise<UpstreamResponse> => {
    const host = new URL(question.uri).hostname
    const from = Number(/\d+/.exec(fieldValue(question.fields, 'range') ?? '0')?.[0])
    asked.push(`${host.slice(7)} from ${from}`)
    fields.push(question.fields)
    const times = asked.filter((each) => each.startsWith(`${host.slice(7)} `)).length
    const reply = replies[Number(host.slice(7))]
    if (reply === undefined) throw new Fault('CONNECT_REFUSED', `${host}: nobody listens`)
    return { reason: '', fields: [], body: bytes(''), ...reply(from, times) }
  }
  const route = new PeerRoute(
    {
      peer: TOP,
      location: `http://${TOP}:6515/${ALIAS}`,
      node: SELF,
      relay: [['Ihave-Relay', `6515/${ALIAS}`]],
      pace: PACE,
      relayPace: { ...PACE, excuse },
    },
    {
      clock,
      peers: { request },
      servesFiles,
      meet: (address) => void met.push(address),
      onDetour: () => void detours.push(asked.length),
    },
  )
  return { clock, asked, fields, detours, met, route }
}

async function* bytes(text: string, end?: Error): AsyncIterable<Uint8Array> {
  if (text !== '') yield Buffer.from(text)
  if (end !== undefined) throw end
}

const busy =
  (...relays: number[]): Reply =>
  () => ({ status: 503, fields: [['Ihave-Relays', relays.map(relay).join(', ')]] })
const relay = (number: number) => `10.0.0.${number}:6515/${ALIAS}`
const BROKEN = new Fault('RESPONSE_INCOMPLETE', 'the connection was reset')

/** Serves the body from where it is asked for; `until` it breaks off. */
function serving(path: readonly NodeId[] = [OTHER], until = BODY.length): Reply {
  return (from) => {
    const head: Fields = path.length === 0 ? [] : [['Ihave-Path', path.join(', ')]]
    const text = BODY.slice(from, until)
    const body = bytes(text, until < BODY.length ? BROKEN : undefined)
    if (from === 0) return { status: 200, fields: [...head, ['Content-Length', '10']], body }
    return { status: 206, fields: [...head, ['Content-Range', `bytes ${from}-9/10`]], body }
  }
}

async function read({ route, clock }: ReturnType<typeof lan>, from = 0): Promise<string> {
  const reading = (async () => {
    const chunks: Uint8Array[] = []
    const opened = await route.open(from, new AbortController().signal)
    for await (const chunk of opened.body) chunks.push(chunk)
    return Buffer.concat(chunks).toString()
  })()
  reading.catch(() => {})
  const isOver = reading.then(
    () => true,
    () => true,
  )
  for (let step = 0; step < 2000; step++) {
    const pause = new Promise<false>((resolve) => setImmediate(() => resolve(false)))
    if (await Promise.race([isOver, pause])) break
    clock.advance(1)
  }
  return reading
}

const isFault = (code: FaultCode) => (error: unknown) => error instanceof Fault && error.code === code

test('a peer that has a place is read, and told who asks and where that passes it on', async () => {
  const scene = lan({ 1: serving([]) })
  assert.equal(await read(scene), BODY)
  assert.deepEqual(scene.asked, ['1 from 0'])
  assert.deepEqual(scene.fields[0], [
    ['Ihave-Node', SELF],
    ['Ihave-Relay', `6515/${ALIAS}`],
  ])
  assert.deepEqual([scene.route.servers.map(({ server }) => server), scene.route.path], [[TOP], []])
})

test('one that has no place sends on to its readers, and they to theirs: the first branch first', async () => {
  const scene = lan({
    1: busy(2, 3),
    2: busy(4),
    3: serving(),
    4: serving([OTHER, 'c'.repeat(32) as NodeId]),
  })
  assert.equal(await read(scene), BODY)
  assert.deepEqual(scene.asked, ['1 from 0', '2 from 0', '4 from 0'])
  assert.deepEqual(
    scene.route.servers.map(({ server }) => server),
    ['10.0.0.4', TOP],
    'whoever made the bytes',
  )
  assert.equal(scene.route.path.length, 2)
})

test('one that was sent on to and has the whole has verified it: the bytes are its own', async () => {
  const scene = lan({ 1: busy(2), 2: serving([]) })
  assert.equal(await read(scene), BODY)
  assert.deepEqual(
    scene.route.servers.map(({ server }) => server),
    ['10.0.0.2'],
  )
})

test('a relay that has not been heard of is asked who it is, and read when it has said so', async () => {
  const known = new Set<Address>()
  const scene = lan({ 1: busy(2), 2: serving() }, (address) => known.has(address))
  const reading = read(scene)
  assert.deepEqual(scene.met, [])
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(scene.met[0], '10.0.0.2')
  assert.ok(
    !scene.asked.includes('2 from 0'),
    'on the word of another one alone nobody is asked for anything',
  )
  known.add('10.0.0.2' as Address)
  assert.equal(await reading, BODY)
  assert.equal(scene.asked.at(-1), '2 from 0')
})

test('a relay that is dead, or has another length to offer, is passed over', async () => {
  const scene = lan({ 1: busy(2, 3), 3: serving() })
  assert.equal(await read(scene), BODY)
  assert.deepEqual(scene.asked, ['1 from 0', '2 from 0', '3 from 0'])
})

test('nobody is asked on the word of another but nodes, where they have said that they serve files', async () => {
  const isThere = (peer: Address, port: number) => peer === '10.0.0.3' && port === 6515
  const scene = lan({ 1: busy(2, 3), 2: serving(), 3: serving() }, isThere)
  assert.equal(await read(scene), BODY)
  assert.deepEqual(scene.asked, ['1 from 0', '3 from 0'])
})

test('a copy that comes over this very node is not read', async () => {
  const scene = lan({ 1: busy(2, 3), 2: serving([OTHER, SELF]), 3: serving() })
  assert.equal(await read(scene), BODY)
  assert.deepEqual(scene.asked, ['1 from 0', '2 from 0', '3 from 0'])
})

test('where nobody has a place, all are asked again after a while', async () => {
  const scene = lan({
    1: (from, times) => (times < 3 ? busy(2)(from, times) : serving()(from, times)),
    2: busy(),
  })
  assert.equal(await read(scene), BODY)
  assert.deepEqual(scene.asked, ['1 from 0', '2 from 0', '1 from 0', '2 from 0', '1 from 0'])
})

test('but not for ever', async () => {
  const scene = lan({ 1: busy(1, 2), 2: busy(1, 2) })
  await assert.rejects(read(scene), isFault('PEER_BUSY'))
  assert.ok(scene.clock.monotonic() < 600, `${scene.clock.monotonic()} ms`)
})

test('longer where the one that fetches it has itself not more to give yet, and no longer than that', async () => {
  let excuses = 3
  const late =
    (at: number): Reply =>
    (from, times) =>
      times < at ? busy()(from, times) : serving([])(from, times)
  const slowly = lan({ 1: late(36) }, undefined, () => excuses-- > 0)
  assert.equal(await read(slowly), BODY)
  excuses = 3
  const never = lan({ 1: busy() }, undefined, () => excuses-- > 0)
  await assert.rejects(read(never), isFault('PEER_BUSY'))
  assert.ok(never.clock.monotonic() < 500 + 3 * 100 + 50, `${never.clock.monotonic()} ms`)
})

test(`of a tree that never ends, ${MAX_ASKED} nodes are asked in one search`, async () => {
  const replies = Object.fromEntries(
    Array.from({ length: 100 }, (_, at) => [at + 1, at + 1 < 100 ? busy(at + 2) : serving()] as const),
  )
  const scene = lan(replies)
  await assert.rejects(read(scene), isFault('PEER_BUSY'))
  const rounds = scene.asked.filter((each) => each === '1 from 0').length
  assert.equal(scene.asked.length, rounds * MAX_ASKED)
})

test('a relay that breaks off is left for another place, at the byte where it stopped', async () => {
  const scene = lan({ 1: busy(2, 3), 2: serving([OTHER], 4), 3: serving() })
  assert.equal(await read(scene), BODY)
  assert.deepEqual(scene.asked, ['1 from 0', '2 from 0', '1 from 4', '3 from 4'])
  assert.equal(scene.detours.length, 1)
})

test('a relay that falls silent too', async () => {
  const silent: Reply = () => ({
    status: 200,
    fields: [['Content-Length', '10']],
    body: (async function* () {
      yield Buffer.from('0123')
      await new Promise(() => {})
    })(),
  })
  const scene = lan({ 1: busy(2, 3), 2: silent, 3: serving() })
  assert.equal(await read(scene), BODY)
  assert.deepEqual(scene.asked, ['1 from 0', '2 from 0', '1 from 4', '3 from 4'])
})

test('when the top has gone with it, the way is lost: nobody is to blame', async () => {
  const gone: Reply = () => {
    throw new Fault('CONNECT_REFUSED', 'nobody listens')
  }
  const scene = lan({
    1: (from, times) => (times === 1 ? busy(2)(from, times) : gone(from, times)),
    2: serving([OTHER], 4),
  })
  await assert.rejects(read(scene), isFault('PEER_LOST'))
})

test(`a top that does not answer is given ${DETOUR_MS} ms then: there has been silence enough`, async () => {
  const clocks: number[] = []
  const scene = lan({ 1: busy(2), 2: serving([OTHER], 4) })
  await assert.rejects(read(scene), isFault('PEER_LOST'))
  clocks.push(scene.clock.monotonic())
  assert.ok((clocks[0] ?? 0) <= DETOUR_MS + 50, `${clocks[0]} ms`)
})

test('the offering peer that breaks off has failed', async () => {
  const scene = lan({ 1: serving([OTHER], 4) })
  await assert.rejects(read(scene), isFault('RESPONSE_INCOMPLETE'))
})

test(`not more than ${MAX_DETOURS} relays are tried one after the other`, async () => {
  const relays = Array.from({ length: MAX_DETOURS + 2 }, (_, at) => at + 2)
  const replies = Object.fromEntries(
    relays.map((each, at) => [each, serving([OTHER], at + 1 > 9 ? BODY.length : at + 1)] as const),
  )
  // Each serves one more byte than the one before it, and breaks off.
  const scene = lan({ ...replies, 1: (from, times) => busy(relays[times - 1] ?? 2)(from, times) })
  await assert.rejects(read(scene), isFault('PEER_LOST'))
  assert.equal(scene.detours.length, MAX_DETOURS)
})

test('another place with a file of another length is none', async () => {
  const other: Reply = () => ({
    status: 206,
    fields: [['Content-Range', 'bytes 4-10/11']],
    body: bytes('4567890'),
  })
  const scene = lan({
    1: (from, times) => busy(times === 1 ? 2 : 3)(from, times),
    2: serving([OTHER], 4),
    3: other,
  })
  await assert.rejects(read(scene), isFault('PEER_FAILED'))
})
