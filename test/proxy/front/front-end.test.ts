import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setImmediate, setTimeout as pause } from 'node:timers/promises'
import * as fc from 'fast-check'
import { Fault } from '../../../core/fault.ts'
import type { ResourceRequest } from '../../../retrieval/resource.ts'
import { rawClient } from '../edge-server.ts'
import { plain, startFront, stored, streamed, type Front } from './front-fixtures.ts'

/** Answers with the path, and a semicolon behind it. */
const echo = ({ target }: Pick<ResourceRequest, 'target'>) =>
  stored(`${target.slice('http://a.test/'.length)};`)

const POST = 'POST http://a.test/p HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\nabc'

/** The bodies in the order in which they came. */
function bodies(text: string): string[] {
  return [...text.matchAll(/\r\n\r\n([^;]*;)/g)].map(([, body]) => body ?? '')
}

function clientOf(t: TestContext, { port }: Front, bytes = '') {
  return rawClient(t, port, bytes)
}

describe('a plain request', () => {
  test('is answered without node:http, and logged', async (t) => {
    const front = await startFront(t, { get: echo })
    const client = await clientOf(t, front, plain('x', 'User-Agent: apt\r\n'))
    const text = await client.until(/x;$/)
    assert.equal(
      text,
      'HTTP/1.1 200 OK\r\nDate: Sat, 28 Nov 2026 01:00:00 GMT\r\nContent-Length: 2\r\nVia: 1.1 front-under-test (ihave)\r\nCache-Status: ihave; hit; ttl=1\r\nConnection: keep-alive\r\nKeep-Alive: timeout=60\r\n\r\nx;',
    )
    assert.deepEqual(front.byNode, [])
    const { method, target, uri, client: who, received } = front.asked[0]?.request ?? assert.fail()
    assert.deepEqual(
      [method, target, uri, who],
      ['GET', 'http://a.test/x', 'http://a.test/x', '127.0.0.1|apt'],
    )
    assert.deepEqual(received, [
      ['Host', 'a.test'],
      ['User-Agent', 'apt'],
    ])
    const { ms, firstByteMs, ...line } = front.lines[0] ?? assert.fail()
    assert.deepEqual(line, {
      method: 'GET',
      url: 'http://a.test/x',
      client: '127.0.0.1',
      way: 'resource',
      status: 200,
      bytes: 2,
      rule: 'rule',
      trace: { how: 'hit', cacheStatus: { kind: 'hit', ttlMs: 1000 } },
      outcome: 'complete',
      error: undefined,
      code: undefined,
    })
    assert.deepEqual([ms, firstByteMs], [0, 0])
  })

  test('that ends its connection is the last one', async (t) => {
    const front = await startFront(t, { get: echo })
    const client = await clientOf(t, front, plain('x', 'Connection: close\r\n') + plain('y'))
    const text = await client.closed()
    assert.match(text, /\r\nConnection: close\r\n\r\nx;$/)
    assert.equal(front.asked.length, 1)
  })

  test('that fails gets a page, and the next one its answer', async (t) => {
    const front = await startFront(t)
    const client = await clientOf(t, front, plain('x?secret') + plain('y'))
    await front.until(() => front.asked.length === 2)
    front.asked[0]?.fail(new Fault('UNREACHABLE', 'no way'))
    front.asked[1]?.answer(stored('y;'))
    const text = await client.until(/y;$/)
    assert.match(
      text,
      /^HTTP\/1\.1 502 Bad Gateway\r\nContent-Type: text\/plain; charset=utf-8\r\nContent-Length: \d+\r\n/,
    )
    assert.doesNotMatch(text, /secret/)
    assert.deepEqual(
      front.lines.map(({ status, outcome, code }) => [status, outcome, code]),
      [
        [502, 'fault', 'UNREACHABLE'],
        [200, 'complete', undefined],
      ],
    )
  })

  for (const [name, target] of [
    ['for this node itself', (port: number) => `http://localhost:${port}/x`],
    ['to a host that is none', () => 'http://[::zz]/'],
  ] as const)
    test(`${name} is node:http’s`, async (t) => {
      const front = await startFront(t)
      const client = await clientOf(t, front, `GET ${target(front.port)} HTTP/1.1\r\nHost: a\r\n\r\n`)
      await client.until(/node GET/)
      assert.deepEqual(front.asked, [])
    })

  test('that was here before is node:http’s', async (t) => {
    const front = await startFront(t)
    await (await clientOf(t, front, plain('x', 'Via: 1.1 front-under-test\r\n'))).until(/node GET/)
    assert.deepEqual(front.asked, [])
  })
})

describe('the framing of an answer', () => {
  const NO_LENGTH = { fields: [['Date', 'x']], trace: { how: 'hit', cacheStatus: { kind: 'hit' } } } as const

  async function answered(t: TestContext, answer: object, method = 'GET') {
    const { trace, fields } = NO_LENGTH
    const front = await startFront(t, { get: () => ({ answer: { fields, ...answer } as never, trace }) })
    const client = await clientOf(
      t,
      front,
      plain('x', '', method) + plain('y', 'Connection: close\r\n', 'HEAD'),
    )
    const text = await client.closed()
    return text.slice(0, text.indexOf('HTTP/1.1', 10))
  }

  async function* pieces(...texts: string[]) {
    for (const text of texts) yield Buffer.from(text)
  }

  test('is chunks where nobody knows the length', async (t) => {
    const text = await answered(t, { status: 200, body: pieces('hello', '', 'x'.repeat(300)) })
    assert.match(text, /\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n12c\r\nx{300}\r\n0\r\n\r\n$/)
  })

  test('is an empty content where there is none', async (t) => {
    assert.match(await answered(t, { status: 200 }), /\r\nContent-Length: 0\r\n\r\n$/)
  })

  for (const status of [204, 304])
    test(`is nothing for ${status}, whatever comes`, async (t) => {
      const text = await answered(t, { status, body: pieces('x') })
      assert.match(text, /\r\nKeep-Alive: timeout=60\r\n\r\n$/)
      assert.doesNotMatch(text, /length|chunked/i)
    })

  test('is nothing for HEAD', async (t) => {
    const text = await answered(
      t,
      { status: 200, fields: [['Content-Length', '7']], body: pieces('x') },
      'HEAD',
    )
    assert.match(text, /\r\nContent-Length: 7\r\n[^]*\r\n\r\n$/)
  })

  test('has a Date where the origin server gave none', async (t) => {
    assert.match(
      await answered(t, { status: 200, fields: [] }),
      /\r\nDate: Tue, 14 Nov 2023 22:13:20 GMT\r\n/,
    )
  })

  for (const [name, value] of [
    ['a line break', 'a\r\nSet-Cookie: x'],
    ['a character beyond an octet', '\u010a'],
  ] as const)
    test(`is not given to a field with ${name}: the connection is cut`, async (t) => {
      const text = await answered(t, { status: 200, fields: [['X', value]] })
      assert.equal(text, '')
    })

  for (const [name, texts] of [
    ['more', ['abc', 'd']],
    ['less', ['ab']],
  ] as const)
    test(`that announced ${name === 'more' ? 'less' : 'more'} than comes cuts the connection`, async (t) => {
      const front = await startFront(t, {
        get: ({ target }) =>
          target.endsWith('x') ? streamed(pieces(...texts), [['Content-Length', '3']]) : undefined,
      })
      const client = await clientOf(t, front, plain('x') + plain('y'))
      const text = await client.closed()
      assert.doesNotMatch(text, /abcd|HTTP[^]*HTTP/)
      assert.equal(front.lines[0]?.outcome, 'broken')
    })
})

describe('requests one behind the other', () => {
  test('are asked about at once, and answered in order', async (t) => {
    const front = await startFront(t)
    const names = Array.from({ length: 10 }, (_, number) => `n${number}`)
    const client = await clientOf(t, front, names.map((name) => plain(name)).join(''))
    await front.until(() => front.asked.length === 10)
    for (const { request, answer } of front.asked.toReversed()) answer(echo(request))
    assert.deepEqual(
      bodies(await client.until(/n9;$/)),
      names.map((name) => `${name};`),
    )
  })

  test('are asked about up to a bound', async (t) => {
    const front = await startFront(t)
    const client = await clientOf(t, front, plain('x').repeat(100))
    await front.until(() => front.asked.length === 32)
    for (let turn = 0; turn < 20; turn++) await setImmediate()
    assert.equal(front.asked.length, 32)
    front.asked[0]?.answer(stored('x;'))
    await front.until(() => front.asked.length === 33)
    for (let at = 1; at < 100; at++) {
      await front.until(() => front.asked.length > at)
      front.asked[at]?.answer(stored('x;'))
    }
    await front.until(() => bodies(client.text()).length === 100)
  })

  test('of a client that reads nothing are not all asked about', { timeout: 30_000 }, async (t) => {
    const large = 'x'.repeat(50_000)
    for (const isHot of [true, false]) {
      let hits = 0
      const front = await startFront(t, {
        get: () => stored(large),
        hot: () => {
          hits += isHot ? 1 : 0
          return isHot ? { ...HOT, bytes: Buffer.from(large) } : undefined
        },
      })
      const client = await clientOf(t, front)
      client.socket.pause()
      client.send(plain('x').repeat(4000))
      for (let turn = 0; turn < 500; turn++) await setImmediate()
      assert.ok(hits + front.asked.length < 2000, 'answers heap up')
      let bytes = 0
      client.socket.on('data', (chunk) => (bytes += chunk.length)).resume()
      await front.until(() => front.lines.length === 4000)
      await front.until(() => bytes > 4000 * 50_000)
      client.socket.destroy()
    }
  })

  test('go to node:http from the first unusual one on, when the answers before it are out', async (t) => {
    const front = await startFront(t)
    const client = await clientOf(t, front, plain('a') + POST + plain('b'))
    await front.until(() => front.asked.length === 1)
    for (let turn = 0; turn < 20; turn++) await setImmediate()
    assert.deepEqual(front.byNode, [])
    front.asked[0]?.answer(stored('a;'))
    assert.deepEqual(bodies(await client.until(/node GET ;/)), ['a;', 'node POST abc;', 'node GET ;'])
    client.send(plain('c'))
    await front.until(() => bodies(client.text()).length === 4)
    assert.deepEqual(front.byNode, ['POST http://a.test/p', 'GET http://a.test/b', 'GET http://a.test/c'])
    assert.equal(front.asked.length, 1)
  })

  test('are answered the same however they are cut into pieces', async (t) => {
    const kinds = {
      get: [plain('g'), 'g;', 'node GET ;'],
      hot: [plain('hot'), 'hot;', 'node GET ;'],
      conditional: [plain('c', 'If-None-Match: "x"\r\n'), 'c;', 'node GET ;'],
      post: [POST, 'node POST abc;', 'node POST abc;'],
      chunks: [
        'PUT http://a.test/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nGET\r\n0\r\n\r\n',
        'node PUT GET;',
        'node PUT GET;',
      ],
    } as const
    const names = fc.constantFrom(...(Object.keys(kinds) as (keyof typeof kinds)[]))
    const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 20 })
    const front = await startFront(t, {
      get: echo,
      hot: ({ uri }) => (uri.endsWith('hot') ? HOT : undefined),
    })
    const answered = async (requests: readonly (keyof typeof kinds)[], pieces: readonly string[]) => {
      const client = await clientOf(t, front)
      for (const piece of pieces) {
        client.send(piece)
        await setImmediate()
        await setImmediate()
      }
      const firstUnusual = requests.findIndex((name) => name === 'post' || name === 'chunks')
      const expected = requests.map((name, at) => kinds[name][firstUnusual < 0 || at < firstUnusual ? 1 : 2])
      await front.until(() => bodies(client.text()).length === requests.length)
      assert.deepEqual(bodies(client.text()), expected)
      client.socket.destroy()
    }
    await fc.assert(
      fc.asyncProperty(fc.array(names, { minLength: 1, maxLength: 6 }), cuts, async (requests, where) => {
        const text = requests.map((name) => kinds[name][0]).join('')
        const ends = [...where.map((at) => Math.floor(at * text.length)), text.length].toSorted(
          (a, b) => a - b,
        )
        await answered(
          requests,
          ends.map((end, at) => text.slice(ends[at - 1] ?? 0, end)).filter((piece) => piece !== ''),
        )
      }),
      { numRuns: 150 },
    )
    const all = Object.keys(kinds) as (keyof typeof kinds)[]
    await answered(
      all,
      all
        .map((name) => kinds[name][0])
        .join('')
        .split(''),
    )
  })
})

const HOT = {
  hot: {
    status: 200,
    fields: [
      ['Date', 'Sat, 28 Nov 2026 01:00:00 GMT'],
      ['Age', '0'],
      ['Content-Length', '4'],
    ],
    cacheStatus: { kind: 'hit', ttlMs: 0 },
    rule: 'hot rule',
  },
  ageMs: 12_345,
  ttlMs: 67_890,
  bytes: Buffer.from('hot;'),
} as const

describe('a hot hit', () => {
  test('is answered with its age and freshness of the moment', async (t) => {
    const front = await startFront(t, { hot: () => HOT })
    const client = await clientOf(t, front, plain('hot'))
    assert.equal(
      await client.until(/hot;$/),
      'HTTP/1.1 200 OK\r\nDate: Sat, 28 Nov 2026 01:00:00 GMT\r\nAge: 12\r\nContent-Length: 4\r\nVia: 1.1 front-under-test (ihave)\r\nCache-Status: ihave; hit; ttl=67\r\nConnection: keep-alive\r\nKeep-Alive: timeout=60\r\n\r\nhot;',
    )
    const { way, status, bytes, rule, outcome, trace } = front.lines[0] ?? assert.fail()
    assert.deepEqual(
      [way, status, bytes, rule, outcome, trace?.how],
      ['resource', 200, 4, 'hot rule', 'complete', 'hit'],
    )
    assert.deepEqual(front.asked, [])
  })

  test('is told of its age again as soon as it is another, and of its method and connection always', async (t) => {
    const ages = [12_000, 12_999, 13_000, 13_000, 13_000]
    let count = 0
    const front = await startFront(t, {
      hot: () => {
        const ageMs = ages[count++] ?? 0
        return { ...HOT, ageMs, ttlMs: count === 4 ? 1_000 : HOT.ttlMs }
      },
    })
    const gets = [0, 1, 2, 3].map(() => plain('hot')).join('')
    const client = await clientOf(t, front, gets + plain('hot', 'Connection: close\r\n', 'HEAD'))
    const answers = (await client.closed()).split(/(?=HTTP\/1)/)
    const told = answers.map((text) =>
      [/\nAge: (\d+)/, /ttl=(\d+)/, /\nConnection: (.*)\r/].map((each) => each.exec(text)?.[1]),
    )
    assert.deepEqual(told, [
      ['12', '67', 'keep-alive'],
      ['12', '67', 'keep-alive'],
      ['13', '67', 'keep-alive'],
      ['13', '1', 'keep-alive'],
      ['13', '67', 'close'],
    ])
    assert.deepEqual(
      answers.map((text) => text.endsWith('hot;')),
      [true, true, true, true, false],
    )
  })

  test('waits for the answers before it', async (t) => {
    const front = await startFront(t, { hot: ({ uri }) => (uri.endsWith('hot') ? HOT : undefined) })
    const client = await clientOf(t, front, plain('a') + plain('hot'))
    await front.until(() => front.asked.length === 2)
    front.asked[1]?.answer(stored('hot;'))
    front.asked[0]?.answer(stored('a;'))
    assert.deepEqual(bodies(await client.until(/hot;$/)), ['a;', 'hot;'])
  })

  test('for HEAD has no content, and ends its connection when asked to', async (t) => {
    const front = await startFront(t, { hot: () => HOT })
    const client = await clientOf(t, front, plain('hot', 'Connection: close\r\n', 'HEAD'))
    assert.match(await client.closed(), /\r\nContent-Length: 4\r\n[^]*\r\nConnection: close\r\n\r\n$/)
    assert.equal(front.lines[0]?.bytes, 0)
  })

  for (const size of [14 * 1024, 14 * 1024 + 1, 1_000_000])
    test(`of ${size} bytes comes whole`, async (t) => {
      const bytes = Buffer.alloc(size, 'x')
      const front = await startFront(t, { hot: () => ({ ...HOT, bytes }) })
      const client = await clientOf(t, front, plain('hot', 'Connection: close\r\n'))
      assert.equal((await client.closed()).split('\r\n\r\n')[1]?.length, size)
    })

  test('that comes again byte for byte is a hit with its own age, and leads to the same path when it is none', async (t) => {
    const ages = [1_000, 2_000, 3_000]
    const uris: string[] = []
    const front = await startFront(t, {
      get: echo,
      hot: ({ uri }) => {
        uris.push(uri)
        const ageMs = ages.shift()
        return ageMs === undefined ? undefined : { ...HOT, ageMs }
      },
    })
    const text = plain('hot', 'User-Agent: apt\r\n')
    const client = await clientOf(t, front, text)
    for (const age of [1, 2]) {
      await client.until(new RegExp(`\nAge: ${age}\r[^]*hot;$`))
      client.socket.write(text)
    }
    await client.until(/\nAge: 3\r[^]*hot;$/)
    client.socket.write(text)
    await front.until(() => front.asked.length === 1)
    const { method, target, uri, client: who, received } = front.asked[0]?.request ?? assert.fail()
    const url = 'http://a.test/hot'
    assert.deepEqual([method, target, uri, who], ['GET', url, url, '127.0.0.1|apt'])
    assert.deepEqual(received[1], ['User-Agent', 'apt'])
    assert.deepEqual(uris, [url, url, url, url])
  })

  test('that comes again from another address is asked for and logged as from there', async (t) => {
    const clients: (string | undefined)[] = []
    const front = await startFront(t, {
      hot: ({ client }) => {
        clients.push(client)
        return HOT
      },
    })
    const addresses = ['127.0.0.1', '127.0.0.3', '127.0.0.1']
    for (const localAddress of addresses) {
      const socket = connect({ port: front.port, host: '127.0.0.1', localAddress })
      t.after(() => socket.destroy())
      socket.write(plain('hot'))
      await once(socket, 'data')
    }
    assert.deepEqual(
      clients,
      addresses.map((address) => `${address}|`),
    )
    assert.deepEqual(
      front.lines.map(({ client }) => client),
      addresses,
    )
  })

  test('that comes again in two parts, or with another behind it, is read as what it is', async (t) => {
    const front = await startFront(t, {
      get: echo,
      hot: ({ uri }) => (uri.endsWith('hot') ? HOT : undefined),
    })
    const text = plain('hot')
    const client = await clientOf(t, front, text)
    await client.until(/hot;$/)
    client.socket.write(text.slice(0, 20))
    await front.until(() => client.socket.writableLength === 0)
    client.socket.write(text.slice(20))
    await client.until(/hot;[^]*hot;$/)
    client.socket.write(text + plain('b'))
    assert.deepEqual(bodies(await client.until(/b;$/)), ['hot;', 'hot;', 'hot;', 'b;'])
    client.socket.write(text)
    assert.deepEqual(bodies(await client.until(/b;[^]*hot;$/)), ['hot;', 'hot;', 'hot;', 'b;', 'hot;'])
  })

  test('that cannot be written as a head takes the other path', async (t) => {
    for (const fields of [[['Age', '0']], [...HOT.hot.fields, ['X', 'a\nb']], [HOT.hot.fields[0]]] as const) {
      const front = await startFront(t, {
        get: echo,
        hot: () => ({ ...HOT, hot: { ...HOT.hot, fields } }),
      })
      await (await clientOf(t, front, plain('x'))).until(/x;$/)
    }
  })
})

describe('a user agent that leaves', () => {
  test('is no longer asked for', async (t) => {
    const front = await startFront(t)
    const client = await clientOf(t, front, plain('a') + plain('b'))
    await front.until(() => front.asked.length === 2)
    client.socket.destroy()
    await front.until(() => front.asked.every(({ request }) => request.signal.aborted))
    for (const { fail } of front.asked) fail(new Fault('ABORTED', 'gone'))
    await front.until(() => front.lines.length === 2)
  })

  test('in the middle of a body ends the body', async (t) => {
    let isClosed = false
    async function* endless() {
      try {
        for (;;) yield Buffer.alloc(100_000)
      } finally {
        isClosed = true
      }
    }
    const front = await startFront(t, { get: () => streamed(endless()) })
    const client = await clientOf(t, front, plain('a'))
    await client.until(/chunked/)
    client.socket.destroy()
    await front.until(() => isClosed)
    await front.until(() => front.lines.length === 1)
    assert.equal(front.lines[0]?.outcome, 'aborted')
  })

  test('ends the body, which is none of its faults', async (t) => {
    async function* endless() {
      for (let isLast = false; ; isLast = gone.signal.aborted) {
        if (isLast) throw new Error('every application has gone')
        yield Buffer.alloc(100_000)
      }
    }
    const gone = new AbortController()
    const front = await startFront(t, { get: () => streamed(endless()) })
    front.server.once('connection', (socket: Socket) => socket.once('close', () => gone.abort()))
    const client = await clientOf(t, front, plain('a'))
    await client.until(/chunked/)
    client.socket.destroy()
    await front.until(() => front.lines.length === 1)
    assert.deepEqual([front.lines[0]?.outcome, front.lines[0]?.error], ['aborted', undefined])
  })

  test('by closing its side still gets what was on its way', async (t) => {
    const front = await startFront(t, { hot: () => ({ ...HOT, bytes: Buffer.alloc(3_000_000) }) })
    const client = await clientOf(t, front)
    client.socket.end(plain('a'))
    assert.ok((await client.closed()).length > 3_000_000)
  })

  test('is told by a cut connection of a body that breaks off', async (t) => {
    async function* broken() {
      yield Buffer.from('hello')
      throw new Error('lost')
    }
    const front = await startFront(t, { get: () => streamed(broken()) })
    const client = await clientOf(t, front, plain('a') + plain('b'))
    const text = await client.closed()
    assert.ok(text.endsWith('5\r\nhello\r\n'), text)
    assert.deepEqual([front.lines[0]?.outcome, front.lines[0]?.error], ['broken', 'lost'])
  })
})

describe('patience', () => {
  test('ends for a connection on which nothing is asked', async (t) => {
    const front = await startFront(t, { get: echo })
    const client = await clientOf(t, front, plain('x'))
    await client.until(/x;$/)
    front.clock.advance(59_000)
    client.send(plain('y'))
    await client.until(/y;$/)
    front.clock.advance(55_000)
    await setImmediate()
    assert.equal(client.socket.closed, false)
    front.clock.advance(10_000)
    await client.closed()
    assert.deepEqual(front.late, [])
  })

  test('ends for a request that never comes, and for one that never ends', async (t) => {
    const front = await startFront(t, { get: echo })
    const silent = await clientOf(t, front)
    const slow = await clientOf(t, front, plain('x'))
    await slow.until(/x;$/)
    slow.send('GET http://a.test/')
    for (let turn = 0; turn < 20; turn++) await setImmediate()
    for (let second = 0; second < 25; second++) {
      front.clock.advance(1000)
      slow.send('y')
      await setImmediate()
    }
    assert.deepEqual(front.late, [])
    front.clock.advance(10_000)
    await Promise.all([silent.closed(), slow.closed()])
    // Only the one that has begun is told so.
    assert.equal(front.late.length, 1)
  })

  test('does not end while an answer is waited for', async (t) => {
    const front = await startFront(t)
    const client = await clientOf(t, front, plain('x'))
    await front.until(() => front.asked.length === 1)
    front.clock.advance(600_000)
    front.asked[0]?.answer(stored('x;'))
    await client.until(/x;$/)
  })

  /** More than a connection takes without being read; its line comes when it is over. */
  const large = () => {
    let isGiven = false
    const hot = () => {
      isGiven = true
      return { ...HOT, bytes: Buffer.alloc(30_000_000) }
    }
    return { hot, isGiven: () => isGiven }
  }

  test('of who does not take what is sent makes room for another, and ends in the end', async (t) => {
    const { hot, isGiven } = large()
    const front = await startFront(t, { hot, patience: { stallMs: 50, pauseMs: 600_000 } })
    const client = await clientOf(t, front)
    client.socket.pause()
    client.send(plain('x'))
    await front.until(isGiven)
    assert.equal(front.front.makeRoom('127.0.0.1'), false)
    front.clock.advance(5_000)
    await front.until(() => front.front.makeRoom('127.0.0.1'))
    client.socket.resume()
    assert.ok((await client.closed()).length < 30_000_000)
    assert.equal(front.lines[0]?.outcome, 'aborted')
  })

  test('of who does not take what is sent makes room after the limit, and not after twice that', async (t) => {
    const { hot, isGiven } = large()
    const front = await startFront(t, { hot, patience: { stallMs: 1500, pauseMs: 600_000 } })
    const client = await clientOf(t, front)
    client.socket.pause()
    client.send(plain('x'))
    await front.until(isGiven)
    front.clock.advance(5_000)
    await pause(2700)
    assert.equal(front.front.makeRoom('127.0.0.1'), true)
  })

  test('of who pauses and goes on is kept', async (t) => {
    const { hot, isGiven } = large()
    const front = await startFront(t, { hot, patience: { stallMs: 20, pauseMs: 600_000 } })
    const stalled = new Promise((resolve) =>
      front.server.once('connection', (socket: Socket) => socket.once('timeout', resolve)),
    )
    const client = await clientOf(t, front)
    client.socket.pause()
    client.send(plain('x', 'Connection: close\r\n'))
    await front.until(isGiven)
    front.clock.advance(5_000)
    await stalled
    client.socket.resume()
    assert.ok((await client.closed()).length > 30_000_000)
    assert.equal(front.lines[0]?.outcome, 'complete')
  })

  test('ends for who does not take what is sent for as long as a pause may last', async (t) => {
    const { hot, isGiven } = large()
    const front = await startFront(t, { hot, patience: { stallMs: 50, pauseMs: 100 } })
    const closed = new Promise((resolve) =>
      front.server.once('connection', (socket: Socket) => socket.once('close', resolve)),
    )
    const client = await clientOf(t, front)
    client.socket.pause()
    client.send(plain('x'))
    await front.until(isGiven)
    front.clock.advance(5_000)
    await closed
    client.socket.resume()
    assert.ok((await client.closed()).length < 30_000_000)
    assert.equal(front.lines[0]?.outcome, 'aborted')
  })

  test('has one timer for all, and none where there is no connection', async (t) => {
    const front = await startFront(t, { get: echo })
    assert.equal(front.clock.pending(), 0)
    const clients = await Promise.all(Array.from({ length: 50 }, () => clientOf(t, front, plain('x'))))
    await Promise.all(clients.map((client) => client.until(/x;$/)))
    assert.equal(front.clock.pending(), 1)
    for (const { socket } of clients) socket.destroy()
    await front.until(() => {
      front.clock.advance(5_000)
      return front.clock.pending() === 0
    })
  })
})

describe('many idle connections', () => {
  test('are kept, served and ended', async (t) => {
    const front = await startFront(t, { get: echo })
    const clients = await Promise.all(Array.from({ length: 400 }, () => clientOf(t, front, plain('x'))))
    await Promise.all(clients.map((client) => client.until(/x;$/)))
    for (const client of clients) client.send(plain('y'))
    await Promise.all(clients.map((client) => client.until(/y;$/)))
    front.clock.advance(70_000)
    await Promise.all(clients.map((client) => client.closed()))
  })
})

describe('connections that node:http was given', () => {
  const INCOMPLETE = 'POST http://a.test/ HTTP/1.1\r\nHost: a\r\n'

  test('have its time limits', async (t) => {
    const front = await startFront(t, {
      get: echo,
      server: {
        headersTimeout: 100,
        requestTimeout: 100,
        connectionsCheckingInterval: 20,
        keepAliveTimeout: 50,
      },
    })
    const late = await clientOf(t, front, plain('x') + INCOMPLETE)
    assert.match(await late.closed(), /x;HTTP\/1\.1 408 /)
    const idle = await clientOf(t, front, POST)
    assert.match(await idle.closed(), /node POST abc;$/)
  })

  test('are counted and closed with the others of the server', async (t) => {
    const front = await startFront(t, { get: echo })
    const idle = await clientOf(t, front, POST)
    await idle.until(/abc;$/)
    const busy = await clientOf(t, front, plain('x') + INCOMPLETE)
    await busy.until(/x;$/)
    front.server.closeIdleConnections()
    await idle.closed()
    assert.equal(busy.socket.closed, false)
    front.server.closeAllConnections()
    await busy.closed()
  })
})

describe('a front end that stops', () => {
  test('closes what is idle, and the others when their answers are out', async (t) => {
    const front = await startFront(t)
    const idle = await clientOf(t, front, plain('x'))
    await front.until(() => front.asked.length === 1)
    front.asked[0]?.answer(stored('x;'))
    await idle.until(/x;$/)
    const busy = await clientOf(t, front, plain('y') + plain('z'))
    await front.until(() => front.asked.length === 3)
    front.front.closeIdle()
    await idle.closed()
    front.asked[1]?.answer(stored('y;'))
    front.asked[2]?.answer(stored('z;'))
    assert.deepEqual(bodies(await busy.closed()), ['y;', 'z;'])
  })

  test('cuts what still runs in the end', async (t) => {
    const front = await startFront(t)
    const client = await clientOf(t, front, plain('y'))
    await front.until(() => front.asked.length === 1)
    front.front.closeIdle()
    front.front.closeAll()
    assert.equal(await client.closed(), '')
    await front.until(() => front.asked[0]?.request.signal.aborted === true)
  })
})
