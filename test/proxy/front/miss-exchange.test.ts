import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import { Fault } from '../../../core/fault.ts'
import type { Fields } from '../../../core/fields.ts'
import type { MissTaker, PlainMiss } from '../../../retrieval/plain-miss.ts'
import type { Trace } from '../../../retrieval/resource.ts'
import { rawClient } from '../edge-server.ts'
import { plain, startFront, stored, type Front, type FrontOptions } from './front-fixtures.ts'

/** A plain miss that the test plays. */
interface Missed {
  readonly target: string
  readonly taker: MissTaker
  hasLeft: boolean
}

const TRACE: Trace = {
  how: 'internet',
  cacheStatus: { kind: 'forward', reason: 'uri-miss', status: 200, isStored: true },
}
const DATED: Fields = [['Date', 'Sat, 28 Nov 2026 01:00:00 GMT']]

/** Every request is a plain miss, but for those of `/path`. */
async function start(t: TestContext, options: FrontOptions = {}): Promise<[Front, Missed[]]> {
  const misses: Missed[] = []
  const front = await startFront(t, {
    miss({ target }, taker) {
      if (target.endsWith('/path')) return undefined
      const asked: Missed = { target, taker, hasLeft: false }
      misses.push(asked)
      return { rule: 'rule', leave: () => (asked.hasLeft = true) } as unknown as PlainMiss
    },
    ...options,
  })
  return [front, misses]
}

function answer({ taker }: Missed, size: number, fields: Fields = []): void {
  const all = [...DATED, ...fields, ['Content-Length', String(size)]] as const
  taker.onAnswer({ status: 200, fields: all }, TRACE)
}

function send({ taker }: Missed, text: string): void {
  taker.onData(Buffer.from(text, 'latin1'))
}

async function missed(t: TestContext, bytes = plain('x')) {
  const [front, misses] = await start(t)
  const client = await rawClient(t, front.port, bytes)
  await front.until(() => misses.length > 0)
  return { front, misses, client, first: misses[0] ?? assert.fail() }
}

describe('a plain miss', () => {
  test('is answered as its bytes come, and logged', async (t) => {
    const { front, client, first } = await missed(t)
    answer(first, 4)
    const head =
      'HTTP/1.1 200 OK\r\nDate: Sat, 28 Nov 2026 01:00:00 GMT\r\nContent-Length: 4\r\nVia: 1.1 front-under-test (ihave)\r\nCache-Status: ihave; fwd=uri-miss; fwd-status=200; stored\r\nConnection: keep-alive\r\nKeep-Alive: timeout=60\r\n\r\n'
    assert.equal(await client.until(/\r\n\r\n$/), head)
    send(first, 'ab')
    await client.until(/ab$/)
    send(first, 'cd')
    first.taker.onEnd()
    assert.equal(await client.until(/cd$/), `${head}abcd`)
    await front.until(() => front.lines.length === 1)
    const { ms, firstByteMs, ...line } = front.lines[0] ?? assert.fail()
    assert.deepEqual(line, {
      method: 'GET',
      url: 'http://a.test/x',
      client: '127.0.0.1',
      way: 'resource',
      status: 200,
      bytes: 4,
      rule: 'rule',
      trace: TRACE,
      outcome: 'complete',
      error: undefined,
      code: undefined,
    })
    assert.deepEqual([ms, firstByteMs, front.asked.length], [0, 0, 0])
  })

  test('sends head and bytes that come together in one piece, whatever their size', async (t) => {
    for (const size of [0, 1, 20_000, 200_000]) {
      const { client, first } = await missed(t)
      answer(first, size)
      if (size > 0) send(first, 'x'.repeat(size))
      first.taker.onEnd()
      const text = await client.until(size === 0 ? /\r\n\r\n$/ : new RegExp(`\\r\\n\\r\\nx{${size}}$`))
      assert.ok(text.startsWith('HTTP/1.1 200 OK\r\n'))
    }
  })

  test('keeps what is slow to go out as it was', async (t) => {
    const { front, client, first } = await missed(t)
    const pieces = Array.from({ length: 100 }, (_, at) => String.fromCharCode(97 + (at % 26)).repeat(60_000))
    client.socket.pause()
    answer(first, 6_000_000)
    for (const piece of pieces) send(first, piece)
    first.taker.onEnd()
    client.socket.resume()
    await front.until(() => client.text().length > 6_000_000)
    const text = client.text()
    assert.ok(text.slice(text.indexOf('\r\n\r\n') + 4) === pieces.join(''))
  })

  test('is answered with its own bytes, however much goes out at the end of the same turn', async (t) => {
    const [front, misses] = await start(t)
    const clients = []
    for (let at = 0; at < 12; at += 1) {
      clients.push(await rawClient(t, front.port, plain(String(at))))
      await front.until(() => misses.length > at)
    }
    const content = (at: number) => String.fromCharCode(97 + at).repeat(40_000)
    for (const [at, miss] of misses.entries()) {
      answer(miss, 40_000)
      send(miss, content(at))
      miss.taker.onEnd()
    }
    for (const [at, client] of clients.entries()) {
      const text = await client.until(/\r\n\r\n[^]{40000}$/)
      assert.ok(text.endsWith(`\r\n\r\n${content(at)}`))
    }
  })

  test('makes the requests behind it wait for its end', async (t) => {
    const { front, client, misses, first } = await missed(t, plain('x') + plain('path') + plain('y'))
    assert.equal(misses.length, 1)
    await front.until(() => front.asked.length === 2)
    front.asked[0]?.answer(stored('path;'))
    front.asked[1]?.answer(stored('y;'))
    answer(first, 2)
    send(first, 'x;')
    first.taker.onEnd()
    const text = await client.until(/y;$/)
    assert.deepEqual(text.match(/\r\n\r\n[a-z]+;/g), ['\r\n\r\nx;', '\r\n\r\npath;', '\r\n\r\ny;'])
  })

  test('may be followed by another on the same connection, and by node:http', async (t) => {
    const { front, client, misses, first } = await missed(t)
    answer(first, 2)
    send(first, 'x;')
    first.taker.onEnd()
    await client.until(/x;$/)
    client.send(`${plain('y')}POST http://a.test/p HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\nabc`)
    await front.until(() => misses.length === 2)
    const second = misses[1] ?? assert.fail()
    answer(second, 2)
    send(second, 'y;')
    second.taker.onEnd()
    await client.until(/node POST abc;$|node POST abc;\r\n/)
    assert.deepEqual(front.byNode, ['POST http://a.test/p'])
  })

  test('ends its connection where the user agent wants that', async (t) => {
    const { client, first } = await missed(t, plain('x', 'Connection: close\r\n'))
    answer(first, 2)
    send(first, 'x;')
    first.taker.onEnd()
    assert.match(await client.closed(), /Connection: close\r\n\r\nx;$/)
  })

  test('without an answer gets a page', async (t) => {
    const { front, client, first } = await missed(t)
    first.taker.onFailure(new Fault('CONNECT_REFUSED', 'a.test: nobody listens'))
    const text = await client.until(/CONNECT_REFUSED[^]*nobody listens[^]*$/)
    assert.match(text, /^HTTP\/1\.1 502 /)
    await front.until(() => front.lines.length === 1)
    assert.deepEqual([front.lines[0]?.code, front.lines[0]?.status], ['CONNECT_REFUSED', 502])
  })

  test('that must not be asked gets a page', async (t) => {
    const front = await startFront(t, {
      miss() {
        throw new Fault('FORBIDDEN_TARGET', 'not there')
      },
    })
    const client = await rawClient(t, front.port, plain('x'))
    await client.until(/^HTTP\/1\.1 403 [^]*not there/)
    client.send(plain('y'))
    await client.until(/not there[^]*HTTP\/1\.1 403 [^]*not there/)
  })

  test('that breaks off cuts the connection', async (t) => {
    const { front, client, first } = await missed(t)
    answer(first, 4)
    send(first, 'ab')
    first.taker.onFailure(new Fault('RESPONSE_INCOMPLETE', 'broke off'))
    assert.match(await client.closed(), /\r\n\r\nab$/)
    await front.until(() => front.lines.length === 1)
    assert.deepEqual([front.lines[0]?.outcome, front.lines[0]?.error], ['broken', 'broke off'])
  })

  test('hears interim responses in their place', async (t) => {
    const { client, first } = await missed(t)
    first.taker.onInformation(103, [['Link', '</a>']])
    await client.until(/^HTTP\/1\.1 103 Early Hints\r\nLink: <\/a>\r\n\r\n$/)
    answer(first, 0)
    first.taker.onEnd()
    await client.until(/\r\n\r\nHTTP\/1\.1 200 OK\r\n/)
  })

  test('is told when the user agent has gone, and logged', async (t) => {
    const { front, client, first } = await missed(t)
    client.socket.destroy()
    await front.until(() => first.hasLeft)
    assert.deepEqual([front.lines[0]?.code, front.lines[0]?.status], ['ABORTED', 499])
    const again = await missed(t)
    answer(again.first, 4)
    send(again.first, 'ab')
    await again.client.until(/ab$/)
    again.client.socket.destroy()
    await again.front.until(() => again.first.hasLeft)
    assert.deepEqual([again.front.lines[0]?.outcome, again.front.lines[0]?.bytes], ['aborted', 2])
  })

  test('that takes the path of a resource is answered by that, once', async (t) => {
    const { front, client, first } = await missed(t)
    first.taker.onInformation(103, [])
    first.taker.onPath({ isTaken: false } as never)
    await front.until(() => front.asked.length === 1)
    assert.ok(front.asked[0]?.request.begun)
    front.asked[0].answer(stored('path;'))
    assert.match(await client.until(/path;$/), /^HTTP\/1\.1 103 [^]*HTTP\/1\.1 200 OK/)
    await front.until(() => front.lines.length === 1)
    client.send(plain('path'))
    await front.until(() => front.asked.length === 2)
  })

  test('under way keeps its connection through the time limits and a stop', async (t) => {
    const { front, client, first } = await missed(t)
    front.clock.advance(100_000)
    front.front.closeIdle()
    answer(first, 2)
    send(first, 'x;')
    first.taker.onEnd()
    assert.match(await client.closed(), /x;$/)
  })

  test('under way does not make room for another connection', async (t) => {
    const { front, client, first } = await missed(t)
    assert.equal(front.front.makeRoom('127.0.0.1'), false)
    answer(first, 2)
    send(first, 'x;')
    first.taker.onEnd()
    await client.until(/x;$/)
    await front.until(() => {
      assert.equal(front.front.makeRoom('127.0.0.2'), false, 'the place of another address')
      return front.front.makeRoom('127.0.0.1')
    })
    await client.closed()
  })
})
