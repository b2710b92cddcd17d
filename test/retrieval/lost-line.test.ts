/** A machine that loses its line, or its origin server, while its application is being given a file (R4.4). */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Fault } from '../../core/fault.ts'
import { fieldValue, type Fields } from '../../core/fields.ts'
import { MOST_WAITS } from '../../retrieval/lost-line.ts'
import { distinctBytes, RangedOrigin } from './ranged-origin.ts'
import { Flow, type Reply } from './upstreams.ts'
import { A, digestOf, download, sha256, world, type World } from './world.ts'

const BYTES = distinctBytes(4_000_000)
const HELD = 2_000_000

/** What an application gets whose peer breaks off, and whose machine reaches nobody `times` times after it. */
async function given(times: number) {
  const origin = new RangedOrigin({ body: BYTES, fields: [['ETag', '"1"']] })
  const body = new Flow().push(BYTES.subarray(0, HELD))
  const node = world({
    expectation: digestOf(BYTES),
    downloads: [download(BYTES.length)],
    peers: (_request, n) => {
      if (n > 1) throw new Fault('UNREACHABLE', 'no route')
      return { status: 200, fields: [['Content-Length', `${BYTES.length}`]], body }
    },
    origin: (request, n) => {
      if (n <= times) throw new Fault('UNREACHABLE', 'no route')
      return origin.answer(request, n)
    },
  })
  const application = node.ask()
  await node.within(application.resource)
  const reading = node.read(application)
  await node.settle()
  body.breakOff()
  const got = await node.within(reading, 30_000)
  return { got, isWhole: got.text === BYTES.toString('latin1'), origin, node }
}

for (const times of [1, MOST_WAITS])
  test(`its application is given the rest when it is back (${times} in vain)`, async () => {
    const { got, isWhole, origin, node } = await given(times)
    assert.deepEqual([got.status, got.error, isWhole], [200, undefined, true])
    assert.equal(origin.sent, BYTES.length - HELD, 'more than the rest was fetched')
    assert.deepEqual(node.retrievals.all(), [])
  })

test('its application is told in the end when it does not come back', async () => {
  const { got, isWhole, node } = await given(Infinity)
  assert.ok(got.error !== undefined && !isWhole)
  assert.equal(node.origin.requests.length, 1 + MOST_WAITS)
  await node.settle()
  assert.deepEqual(node.retrievals.all(), [])
})

/** What an application gets whose origin server breaks off, and gives these answers after it; the last one again and again. */
async function continued(
  answers: readonly ((origin: RangedOrigin, request: Parameters<RangedOrigin['reply']>[0]) => Reply)[],
  { known = false, tag = '"1"', share = false } = {},
) {
  const origin = new RangedOrigin({ body: BYTES, fields: [['ETag', tag]] })
  const body = new Flow().push(BYTES.subarray(0, HELD)).breakOff()
  const node: World = world({
    rule: { share, immutable: true },
    isAlone: true,
    ...(known ? { known: new Map([[A, { algorithm: 'sha-256', hex: sha256(BYTES) } as const]]) } : {}),
    ...(known ? { expectation: digestOf(BYTES) } : {}),
    origin: (request, n) => {
      const answer = answers[Math.min(n - 2, answers.length - 1)]
      return n === 1 || answer === undefined ? { ...origin.reply(request), body } : answer(origin, request)
    },
  })
  const got = await node.within(node.read(node.ask()), 30_000)
  await node.settle()
  assert.deepEqual(node.retrievals.all(), [])
  return { got, isWhole: got.text === BYTES.toString('latin1'), origin, node }
}

const right: Parameters<typeof continued>[0][number] = (origin, request) => origin.reply(request)

describe('an origin server that goes in the middle, and comes back', () => {
  for (const [name, answer] of [
    [
      'takes no connections',
      () => {
        throw new Fault('CONNECT_REFUSED', 'nobody listens')
      },
    ],
    ['has no answer for now', (): Reply => ({ status: 503, fields: [], body: '' })],
    [
      'breaks off before the first byte',
      (origin, request) => ({ ...origin.reply(request), body: new Flow().breakOff() }),
    ],
  ] as const satisfies [string, Parameters<typeof continued>[0][number]][])
    test(`is asked for the rest: it ${name}`, async () => {
      const { got, isWhole, node } = await continued([
        ...Array.from({ length: MOST_WAITS }, () => answer),
        right,
      ])
      assert.deepEqual([got.status, got.error, isWhole], [200, undefined, true])
      assert.equal(node.store.lookup(A)[0]?.digest, sha256(BYTES))
      const forever = await continued([answer])
      assert.ok(forever.got.error !== undefined && !forever.isWhole)
    })

  test('is asked again and again, as long as it brings something', async () => {
    const some: typeof right = (origin, request) => {
      const from = Number(/=(\d+)-/.exec(fieldValue(request.fields, 'range') ?? '')?.[1])
      const body = new Flow().push(BYTES.subarray(from, from + 50_000)).breakOff()
      return { ...origin.reply(request), body }
    }
    const { got, isWhole, node } = await continued([some])
    assert.deepEqual([got.status, got.error, isWhole], [200, undefined, true])
    assert.equal(node.origin.requests.length, 1 + (BYTES.length - HELD) / 50_000)
  })
})

describe('an origin server that goes in the middle', () => {
  test('is not asked without end where it sends the whole each time, and breaks off a little later', async () => {
    let sent = 0
    const whole: typeof right = (origin, request) => {
      const reply = origin.reply({ ...request, fields: [] })
      const to = HELD + node.origin.requests.length * 20_000
      sent += to
      return { ...reply, body: new Flow().push(BYTES.subarray(0, to)).breakOff() }
    }
    const node: World = world({
      rule: { share: false, immutable: true },
      isAlone: true,
      origin: (request) => whole(new RangedOrigin({ body: BYTES, fields: [['ETag', '"1"']] }), request),
    })
    const got = await node.within(node.read(node.ask()), 60_000)
    assert.ok(got.error !== undefined)
    assert.ok(sent < 10 * BYTES.length, `${sent} bytes were sent`)
  })

  describe('says that the file is longer than it is, and knows no ranges', () => {
    const tooLong = (): Reply => ({
      status: 200,
      fields: [
        ['Content-Length', `${BYTES.length}`],
        ['ETag', '"1"'],
      ],
      body: new Flow().push(BYTES.subarray(0, HELD)).breakOff(),
    })

    test('is asked for it twice, not without end', async () => {
      const node: World = world({
        rule: { share: false, immutable: true },
        isAlone: true,
        origin: tooLong,
      })
      const got = await node.within(node.read(node.ask()), 30_000)
      assert.deepEqual([got.error !== undefined, node.origin.requests.length], [true, 2])
    })

    test('is asked once by who had as much of it from others', async () => {
      const node: World = world({
        expectation: digestOf(BYTES),
        downloads: [download(BYTES.length)],
        peers: () => ({ ...tooLong(), body: new Flow().push(BYTES.subarray(0, HELD)).breakOff() }),
        origin: tooLong,
      })
      const got = await node.within(node.read(node.ask()), 30_000)
      const asked = node.origin.requests.filter(({ method }) => method === 'GET')
      assert.deepEqual([got.error !== undefined, asked.length], [true, 1])
    })

    test('is asked again where it breaks off at another byte', async () => {
      const node: World = world({
        rule: { share: false, immutable: true },
        isAlone: true,
        origin: (_, n) => {
          const body = new Flow().push(BYTES.subarray(0, n < 3 ? HELD - n : BYTES.length))
          return { ...tooLong(), body: n < 3 ? body.breakOff() : body.end() }
        },
      })
      const got = await node.within(node.read(node.ask()), 30_000)
      assert.deepEqual([got.error, got.text === BYTES.toString('latin1')], [undefined, true])
    })
  })

  test('ends at once what nothing could go on with', async () => {
    const body = new Flow().push(BYTES.subarray(0, HELD)).breakOff()
    const fields: Fields = [
      ['Content-Length', `${BYTES.length}`],
      ['Cache-Control', 'max-age=60'],
    ]
    const node: World = world({
      rule: { share: false },
      isAlone: true,
      origin: () => ({ status: 200, fields, body }),
    })
    const before = node.clock.monotonic()
    assert.ok((await node.get()).error !== undefined)
    assert.ok(node.clock.monotonic() - before < 500)
    assert.equal(node.origin.requests.length, 1)
  })
})

describe('an origin server that answers something else when it is asked for the rest', () => {
  const others = [
    [
      'a redirect',
      (): Reply => ({ status: 302, fields: [['Location', 'http://elsewhere.test/']], body: '' }),
    ],
    ['nothing', (): Reply => ({ status: 404, fields: [], body: 'gone' })],
    [
      'other bytes',
      (origin, request) => origin.reply({ ...request, fields: [['Range', `bytes=0-${HELD}`]] }),
    ],
  ] as const satisfies [string, Parameters<typeof continued>[0][number]][]

  for (const [name, answer] of others)
    describe(`(${name})`, () => {
      test('is asked again, where a name or an index says what the bytes are', async () => {
        const { got, isWhole, node } = await continued([answer, answer, answer, right], {
          known: true,
          share: true,
        })
        assert.deepEqual([got.status, got.error, isWhole], [200, undefined, true])
        assert.equal(node.store.lookup(A)[0]?.digest, sha256(BYTES))
      })

      test('is not asked without end', async () => {
        const { got, node } = await continued([answer], { known: true, share: true })
        assert.ok(got.error !== undefined)
        assert.ok(node.origin.requests.length <= 3 + MOST_WAITS, `${node.origin.requests.length} requests`)
      })

      test('leaves it to whoever goes on meanwhile', async () => {
        const node: World = world({
          isAlone: true,
          known: new Map([[A, { algorithm: 'sha-256', hex: sha256(BYTES) }]]),
          expectation: digestOf(BYTES),
          peers: (request, n) => new RangedOrigin({ body: BYTES, fields: [] }).answer(request, n),
          origin: (request, n) => {
            const origin = new RangedOrigin({ body: BYTES, fields: [['ETag', '"1"']] })
            const body = new Flow().push(BYTES.subarray(0, HELD)).breakOff()
            const heard = { ...download(BYTES.length), receivedBytes: 3_000_000 }
            if (n === 3) node.clock.after(100, () => node.inquiries.at(-1)?.heardDownloading(heard))
            return n === 1 ? { ...origin.reply(request), body } : answer(origin, request)
          },
        })
        const got = await node.get()
        assert.deepEqual([got.error, got.text === BYTES.toString('latin1')], [undefined, true])
      })

      test('has changed it, where nothing says what the bytes are', async () => {
        const { got, node } = await continued([answer, right], { share: true })
        assert.ok(got.error !== undefined)
        assert.equal(node.origin.requests.length, 2)
      })
    })
})

describe('an origin server whose neighbour calls the same file another version', () => {
  const other: Fields = [['ETag', '"2"']]
  const neighbour = (bytes: Buffer) => {
    const server = new RangedOrigin({ body: bytes, fields: other })
    const answer: typeof right = (_, request) => server.reply(request)
    return { server, answer }
  }

  test('is believed where a name or an index says what the bytes are', async () => {
    const { server, answer } = neighbour(BYTES)
    const { got, isWhole, node } = await continued([answer], { known: true })
    assert.deepEqual([got.status, got.error, isWhole], [200, undefined, true])
    assert.deepEqual(server.asked.at(-1), `bytes=${HELD}-`)
    assert.equal(node.store.lookup(A)[0]?.digest, sha256(BYTES))
  })

  test('is not, where nothing does', async () => {
    const { got, isWhole, node } = await continued([neighbour(BYTES).answer])
    assert.ok(got.error !== undefined && !isWhole)
    assert.deepEqual(node.store.lookup(A), [])
  })

  test('cannot end a file that is another one', async () => {
    const { answer } = neighbour(distinctBytes(BYTES.length, 1))
    const { got, node } = await continued([answer], { known: true })
    assert.ok(got.error !== undefined && got.text.length < BYTES.length, 'it was ended')
    assert.deepEqual(node.store.lookup(A), [])
  })
})
