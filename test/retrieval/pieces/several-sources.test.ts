import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import { fieldValue, type Fields } from '../../../core/fields.ts'
import { PIECE_BYTES } from '../../../core/pieces.ts'
import { parseRange } from '../../../core/ranges.ts'
import type { Address } from '../../../core/transport.ts'
import type { UpstreamRequest } from '../../../core/upstream.ts'
import { MAX_OTHERS, WORTHWHILE_BYTES } from '../../../retrieval/pieces/several-sources.ts'
import { Flow, type Answering, type Reply } from '../upstreams.ts'
import {
  A,
  digestOf,
  ended,
  LOCATION,
  offer,
  PEER,
  shunned,
  world,
  type Scene,
  type World,
} from '../world.ts'

const PIECES = 20
const SIZE = PIECES * PIECE_BYTES
const RIGHT = Buffer.alloc(SIZE, 'the right bytes. ')
const WRONG = Buffer.alloc(SIZE, 'the wrong bytes. ')

const OTHER = '127.0.0.7' as Address
const holder = (peer: Address) => ({
  peer,
  location: `http://${peer}:6515/${'a'.repeat(64)}`,
  heldBytes: Infinity,
})

function digestsOf(bytes: Uint8Array): Buffer {
  return Buffer.concat(
    Array.from({ length: Math.ceil(bytes.length / PIECE_BYTES) }, (_, at) =>
      createHash('sha256')
        .update(bytes.subarray(at * PIECE_BYTES, (at + 1) * PIECE_BYTES))
        .digest(),
    ),
  )
}

/** What a peer does with a request for a block. */
type Serving = (request: UpstreamRequest) => Reply | Promise<Reply>

function block(bytes: Uint8Array): Serving {
  return ({ fields }) => {
    const [span] = parseRange(fieldValue(fields, 'range') ?? '', SIZE) ?? []
    if (span === undefined) return { status: 400, fields: [] }
    const told: Fields = [
      ['Content-Range', `bytes ${span.start}-${span.end - 1}/${SIZE}`],
      ['Ihave-Pieces', fieldValue(fields, 'ihave-pieces') ?? ''],
    ]
    return { status: 206, fields: told, body: bytes.subarray(span.start, span.end) }
  }
}

interface Peers {
  readonly digests?: Uint8Array | undefined
  readonly first?: Serving
  readonly other?: Serving
}

/** A first source whose body the test pushes, and one that is found later. */
function scene(
  { digests = digestsOf(RIGHT), first = block(RIGHT), other = block(RIGHT) }: Peers,
  more: Partial<Scene> = {},
) {
  const flow = new Flow()
  const made = world({
    origin: () => ({ status: 200, fields: [['Content-Length', String(SIZE)]], body: RIGHT }),
    peers: (request) => {
      if (request.uri.endsWith('/pieces'))
        return {
          status: 200,
          fields: [['Content-Length', String(digests.length)]],
          body: Buffer.from(digests),
        }
      if (!request.uri.startsWith(LOCATION)) return other(request)
      if (fieldValue(request.fields, 'ihave-pieces') !== undefined) return first(request)
      const from = Number(/^bytes=(\d+)-$/.exec(fieldValue(request.fields, 'range') ?? '')?.[1] ?? 0)
      if (from > 0) return block(RIGHT)(request)
      return { status: 200, fields: [['Content-Length', String(SIZE)]], body: flow }
    },
    offers: [offer(SIZE)],
    holders: [holder(OTHER)],
    expectation: digestOf(RIGHT, SIZE),
    rule: { immutable: true },
    ...more,
  })
  return { made, flow }
}

/** The first source sends its first pieces, one in 200 ms. */
async function slowly(made: World, flow: Flow, pieces: number, bytes = RIGHT): Promise<void> {
  for (let at = 0; at < pieces; at++) {
    flow.push(bytes.subarray(at * PIECE_BYTES, (at + 1) * PIECE_BYTES))
    await made.pass(200)
  }
}

const blocksAsked = ({ peers }: World) =>
  peers.requests.filter(({ fields }) => fieldValue(fields, 'ihave-pieces') !== undefined)
const hosts = (requests: readonly UpstreamRequest[]) =>
  new Set(requests.map(({ uri }) => new URL(uri).hostname))

describe('a large copy from a slow peer', () => {
  test('goes on from both, when another one has it', async () => {
    const { made, flow } = scene({})
    const application = made.ask()
    await slowly(made, flow, 5)
    const given = await made.read(application)
    assert.ok(given.text === RIGHT.toString('latin1'))
    assert.deepEqual(hosts(blocksAsked(made)), new Set([PEER, OTHER]))
    assert.equal(made.origin.requests.length, 0)
    assert.deepEqual(ended(made)[0]?.bytes, { peer: SIZE, 'in-progress': 0, internet: 0 })
    assert.equal(made.peers.openBodies, 0)
  })

  test('of which only the one that has a place elsewhere says so', async () => {
    const { made, flow } = scene({})
    const application = made.ask()
    await slowly(made, flow, 5)
    await made.read(application)
    const spare = blocksAsked(made).filter(({ fields }) => fieldValue(fields, 'ihave-spare') !== undefined)
    assert.deepEqual(hosts(spare), new Set([OTHER]))
  })

  test('stays with the first one when nobody else has it, or only one that is shunned', async () => {
    for (const holders of [[], [holder(PEER)]]) {
      const { made, flow } = scene({}, { holders })
      const application = made.ask()
      await slowly(made, flow, PIECES)
      flow.end()
      const given = await made.read(application)
      assert.ok(given.text === RIGHT.toString('latin1'))
      assert.equal(blocksAsked(made).length, 0)
    }
  })

  test('stays with the first one when its digests are of other bytes', async () => {
    const { made, flow } = scene({ digests: digestsOf(WRONG) })
    const application = made.ask()
    await slowly(made, flow, PIECES)
    flow.end()
    assert.ok((await made.read(application)).text === RIGHT.toString('latin1'))
    assert.deepEqual([blocksAsked(made).length, shunned(made)], [0, []])
  })

  test('is not asked of more than so many', async () => {
    const many = Array.from({ length: 20 }, (_, at) => holder(`127.0.1.${at + 1}` as Address))
    const { made, flow } = scene({}, { holders: many })
    const application = made.ask()
    await slowly(made, flow, 5)
    await made.read(application)
    assert.ok(hosts(blocksAsked(made)).size <= MAX_OTHERS + 1)
  })

  test('goes on without one that sends a wrong piece, which is shunned for it', async () => {
    const { made, flow } = scene({ other: block(WRONG) })
    const application = made.ask()
    await slowly(made, flow, 5)
    assert.ok((await made.read(application)).text === RIGHT.toString('latin1'))
    assert.deepEqual(shunned(made), [[OTHER, 'bad-bytes']])
    assert.equal(made.origin.requests.length, 0)
  })

  test('goes on from the others when the first one sends a wrong piece', async () => {
    const { made, flow } = scene({ first: block(WRONG) })
    const application = made.ask()
    await slowly(made, flow, 5)
    assert.ok((await made.read(application)).text === RIGHT.toString('latin1'))
    assert.deepEqual(shunned(made), [[PEER, 'bad-bytes']])
    assert.equal(made.origin.requests.length, 0)
  })

  test('goes on as it began where nobody has a place for blocks', async () => {
    const busy: Serving = () => ({ status: 503, fields: [] })
    const { made, flow } = scene({ first: busy, other: busy })
    const application = made.ask()
    await slowly(made, flow, 5)
    assert.ok((await made.read(application)).text === RIGHT.toString('latin1'))
    assert.deepEqual([made.origin.requests.length, shunned(made)], [0, []])
  })

  test('is refused in the end when all have told digests of wrong bytes, and all of them have lied', async () => {
    const { made, flow } = scene({ digests: digestsOf(WRONG), first: block(WRONG), other: block(WRONG) })
    const application = made.ask()
    await slowly(made, flow, 5, WRONG)
    const given = await made.read(application)
    assert.ok(given.text === RIGHT.toString('latin1'))
    assert.deepEqual(
      new Map(shunned(made)),
      new Map([
        [PEER, 'bad-bytes'],
        [OTHER, 'bad-bytes'],
      ]),
    )
  })
})

describe('the origin server', () => {
  const ranged: Answering = (request) => {
    const reply = block(RIGHT)(request)
    return fieldValue(request.fields, 'range') === undefined
      ? { status: 200, fields: [['Content-Length', String(SIZE)]], body: RIGHT }
      : reply
  }

  const given = async (more: Partial<Scene>, peers: Peers = {}) => {
    const { made, flow } = scene(peers, { origin: ranged, holders: [], ...more })
    const application = made.ask()
    await slowly(made, flow, 5)
    for (let at = 5; at < PIECES; at++) flow.push(RIGHT.subarray(at * PIECE_BYTES, (at + 1) * PIECE_BYTES))
    flow.end()
    assert.ok((await made.read(application)).text === RIGHT.toString('latin1'))
    return made
  }

  test('feeds it too where it is much faster than the only one that has it', async () => {
    const made = await given({ originBytesPerSecond: 100_000_000 })
    assert.ok(made.origin.requests.length > 0)
    const { bytes } = ended(made)[0] ?? assert.fail()
    assert.ok(bytes.internet > 0 && bytes.internet < SIZE)
    assert.equal(bytes.internet + bytes.peer, SIZE)
    assert.deepEqual(shunned(made), [])
  })

  test('is left alone where it is not, or where nothing is known of it', async () => {
    for (const more of [{ originBytesPerSecond: 10_000_000 }, {}])
      assert.equal((await given(more)).origin.requests.length, 0)
  })

  test('is of no use when it answers with anything but the range', async () => {
    const made = await given({
      originBytesPerSecond: 100_000_000,
      origin: () => ({ status: 200, fields: [], body: WRONG }),
    })
    assert.equal(made.origin.requests.length, 1)
    assert.equal(ended(made)[0]?.bytes.internet, 0)
  })

  test('is not believed when a piece of it does not fit', async () => {
    const made = await given({ originBytesPerSecond: 100_000_000, origin: block(WRONG) })
    assert.equal(made.origin.requests.length, 1)
    assert.deepEqual(shunned(made), [])
  })
})

describe('a copy that is still growing', () => {
  test('helps out with what it has, and has not lied when a piece is wrong', async () => {
    const growing = { ...holder(OTHER), heldBytes: 12 * PIECE_BYTES }
    const path: Serving = async (request) => {
      const { fields, ...reply } = await block(RIGHT)(request)
      return { ...reply, fields: [...fields.slice(0, 1), ['Ihave-Path', '1'.repeat(32)]] }
    }
    const { made, flow } = scene({ other: path }, { holders: [growing] })
    const application = made.ask()
    await slowly(made, flow, 5)
    assert.ok((await made.read(application)).text === RIGHT.toString('latin1'))
    const asked = blocksAsked(made).filter(({ uri }) => uri.includes(OTHER))
    assert.ok(asked.length > 0)
    for (const { fields } of asked)
      assert.ok(Number(/-(\d+)$/.exec(fieldValue(fields, 'range') ?? '')?.[1]) < 12 * PIECE_BYTES)
    const wrong: Serving = async (request) => ({
      ...(await path(request)),
      body: (await block(WRONG)(request)).body ?? '',
    })
    const liars = scene({ other: wrong }, { holders: [growing] })
    const other = liars.made.ask()
    await slowly(liars.made, liars.flow, 5)
    assert.ok((await liars.made.read(other)).text === RIGHT.toString('latin1'))
    assert.deepEqual(shunned(liars.made), [[OTHER, 'broke-off']])
  })
})

describe('nobody else is looked for', () => {
  const quick = async (made: World, flow: Flow, pieces: number) => {
    const application = made.ask()
    for (let at = 0; at < pieces; at++) {
      flow.push(RIGHT.subarray(at * PIECE_BYTES, (at + 1) * PIECE_BYTES))
      await made.pass(10)
    }
    flow.end()
    return made.read(application)
  }

  test('while the first one is quick', async () => {
    const { made, flow } = scene({})
    await quick(made, flow, PIECES)
    assert.equal(made.peers.requests.length, 1)
  })

  test('while peers read along: they would wait for whole pieces', async () => {
    const { made, flow } = scene({})
    const application = made.ask()
    await slowly(made, flow, 1)
    const file = made.lan.open(made.aliases.aliasOf(A)) ?? assert.fail('expected a growing copy')
    const gone = new AbortController()
    const reading = (async () => {
      let bytes = 0
      for await (const chunk of file.read({ start: 0, end: SIZE }, gone.signal)) bytes += chunk.length
      return bytes
    })()
    for (let at = 1; at < PIECES; at++) {
      flow.push(RIGHT.subarray(at * PIECE_BYTES, (at + 1) * PIECE_BYTES))
      await made.pass(200)
    }
    flow.end()
    assert.ok((await made.read(application)).text === RIGHT.toString('latin1'))
    assert.deepEqual([await reading, made.peers.requests.length], [SIZE, 1])
  })

  test('where nothing but the application proves the bytes', async () => {
    const { made, flow } = scene({}, { expectation: { kind: 'updater', rung: 'V5' } })
    const application = made.ask()
    await slowly(made, flow, PIECES)
    flow.end()
    assert.ok((await made.read(application)).text === RIGHT.toString('latin1'))
    assert.equal(made.peers.requests.length, 1)
  })

  test('for the last bytes of a file', async () => {
    const { made, flow } = scene({})
    const application = made.ask()
    const most = SIZE - WORTHWHILE_BYTES + 1
    flow.push(RIGHT.subarray(0, most))
    await made.pass(100)
    for (let at = most; at < SIZE; at += PIECE_BYTES) {
      flow.push(RIGHT.subarray(at, at + PIECE_BYTES))
      await made.pass(200)
    }
    flow.end()
    assert.ok((await made.read(application)).text === RIGHT.toString('latin1'))
    assert.equal(made.peers.requests.length, 1)
  })
})
