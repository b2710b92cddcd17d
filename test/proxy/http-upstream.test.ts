import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { describe, it, type TestContext } from 'node:test'
import type { Clock, EpochMs } from '../../core/clock.ts'
import { Fault } from '../../core/fault.ts'
import type { Fields } from '../../core/fields.ts'
import type { UpstreamRequest, UpstreamResponse } from '../../core/upstream.ts'
import { originUpstream, peerUpstream, type HttpUpstream } from '../../proxy/http-upstream.ts'
import { PATIENCE_MS } from '../../proxy/upstream/server-connections.ts'
import { manualClock } from '../manual-clock.ts'

const GUARD = { loopbackOnly: true, allowPorts: 'auto', own: [] } as const
const HELLO = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello'

interface Scene {
  readonly uri: string
  /** Connections that were opened, in order. */
  readonly connections: Socket[]
  /** Request targets, in the order they came. */
  readonly targets: string[]
  readonly get: (path: string, more?: Partial<UpstreamRequest>) => Promise<UpstreamResponse>
  readonly prepare: () => void
  readonly upstream: HttpUpstream
}

/** An origin server that is told of each request's target and of its connection. */
async function scene(
  test: TestContext,
  onRequest: (target: string, connection: Socket, number: number) => void,
  clock?: Clock,
): Promise<Scene> {
  const connections: Socket[] = []
  const targets: string[] = []
  const server = createServer((socket) => {
    connections.push(socket)
    socket.on('error', () => {})
    socket.on('data', (data) => {
      for (const [, target = ''] of data.toString('latin1').matchAll(/^GET (\S+)/gm)) {
        targets.push(target)
        onRequest(target, socket, connections.indexOf(socket))
      }
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const upstream = originUpstream(GUARD, clock)
  test.after(async () => {
    await upstream.stop()
    for (const socket of connections) socket.destroy()
    server.close()
  })
  const uri = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const get: Scene['get'] = (path, more) =>
    upstream.request({ method: 'GET', uri: uri + path, fields: [], signal: never(), ...more })
  return { uri, connections, targets, get, prepare: () => upstream.prepare?.(`${uri}/any`), upstream }
}

function never(): AbortSignal {
  return new AbortController().signal
}

/** What is on its way through loopback is there. */
async function rest(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await new Promise(setImmediate)
}

async function textOf({ body }: UpstreamResponse): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

describe('the connections to an origin server', () => {
  it('serve one request after the other', async (test) => {
    const { get, connections } = await scene(test, (_, socket) => socket.write(HELLO))
    for (let time = 0; time < 5; time += 1) assert.equal(await textOf(await get('/')), 'hello')
    assert.equal(connections.length, 1)
  })

  it('are 16, and further ones where all of these are taken up for longer than a moment', async (test) => {
    const clock = manualClock()
    const asked: Socket[] = []
    const { get, connections } = await scene(test, (_, socket) => asked.push(socket), clock)
    const all = Array.from({ length: 20 }, (_, number) => get(`/${number}`))
    while (asked.length < 16) await new Promise(setImmediate)
    clock.advance(PATIENCE_MS - 1)
    await rest()
    assert.equal(connections.length, 16)
    clock.advance(1)
    while (asked.length < 20) await new Promise(setImmediate)
    assert.equal(connections.length, 20)
    for (const socket of asked) socket.write(HELLO)
    for (const each of all) assert.equal(await textOf(await each), 'hello')
    while (connections.filter(({ destroyed }) => destroyed).length < 4) await new Promise(setImmediate)
    assert.equal(connections.filter(({ destroyed }) => destroyed).length, 4, 'as many as usual are kept')
  })

  it('stay 16 for a server that answers quickly, whatever waits', async (test) => {
    const clock = manualClock()
    const asked: Socket[] = []
    const { get, connections } = await scene(test, (_, socket) => asked.push(socket), clock)
    const all = Array.from({ length: 200 }, (_, number) => get(`/${number}`))
    for (let answered = 0; answered < 200; answered += 1) {
      while (asked.length === 0) await new Promise(setImmediate)
      asked.shift()?.write(HELLO)
      if (answered % 50 === 49) clock.advance(PATIENCE_MS / 5)
    }
    await Promise.all(all)
    assert.equal(connections.length, 16)
  })

  it('are at most 256, and what waits longer than for an answer is told so', async (test) => {
    const clock = manualClock()
    const asked: Socket[] = []
    const { get, connections } = await scene(test, (_, socket) => asked.push(socket), clock)
    const ends = Array.from({ length: 260 }, async (_, number) => get(`/${number}`).catch((error) => error))
    while (asked.length < 16) await new Promise(setImmediate)
    clock.advance(PATIENCE_MS)
    while (asked.length < 256) await new Promise(setImmediate)
    clock.advance(PATIENCE_MS * 2)
    await rest()
    assert.equal(connections.length, 256)
    clock.advance(119_000)
    for (const socket of connections.slice(0, 2)) socket.write(HELLO)
    while (asked.length < 258) await new Promise(setImmediate)
    clock.advance(2_000)
    const [late] = await Promise.all(ends.slice(259))
    assert.ok(late instanceof Fault && late.code === 'RESPONSE_TIMEOUT', String(late))
    assert.match(late.message, /connections to .* stayed busy/)
  })

  it('take a waiting request as soon as one is free, whatever the others do', async (test) => {
    // The first connection answers at once; every other one never says a word.
    const { get, targets } = await scene(test, (_, socket, number) => {
      if (number === 0) socket.write(HELLO)
    })
    await textOf(await get('/first'))
    const held = get('/held').then(textOf)
    const late = ['/a', '/b'].map((path) => get(path))
    assert.equal(await held, 'hello')
    // Both have connections of their own by now, which are silent; the free one is taken by who comes next.
    while (targets.length < 4) await new Promise(setImmediate)
    assert.equal(await textOf(await get('/next')), 'hello')
    for (const each of late) each.catch(() => {})
  })

  it('are asked once more when an idle one closes just as it is used', async (test) => {
    const { get, connections } = await scene(test, (target, socket, number) => {
      if (target === '/second' && number === 0) socket.destroy()
      else socket.write(HELLO)
    })
    await textOf(await get('/first'))
    await new Promise(setImmediate)
    assert.equal(await textOf(await get('/second')), 'hello')
    assert.equal(connections.length, 2)
  })

  it('are looked after when they were opened for a request that is made once more', async (test) => {
    const clock = manualClock()
    const { get, connections, targets } = await scene(
      test,
      (target, socket, number) => {
        if (target === '/second' && number === 0) socket.destroy()
        else if (target !== '/silent') socket.write(HELLO)
      },
      clock,
    )
    await textOf(await get('/first'))
    await new Promise(setImmediate)
    assert.equal(await textOf(await get('/second')), 'hello')
    let ended: unknown
    const asked = get('/silent').catch((error: unknown) => (ended = error))
    while (targets.at(-1) !== '/silent') await new Promise(setImmediate)
    assert.equal(connections.length, 2)
    clock.advance(121_000)
    await rest()
    assert.ok(ended instanceof Fault && ended.code === 'RESPONSE_TIMEOUT', String(ended))
    await asked
  })

  it('are closed when they are idle, those of a request that was made once more too', async (test) => {
    const clock = manualClock()
    const { get, connections } = await scene(
      test,
      (target, socket, number) =>
        target === '/second' && number === 0 ? socket.destroy() : socket.write(HELLO),
      clock,
    )
    await textOf(await get('/first'))
    await new Promise(setImmediate)
    assert.equal(await textOf(await get('/second')), 'hello')
    clock.advance(11_000)
    await rest()
    assert.deepEqual(
      connections.map(({ destroyed }) => destroyed),
      [true, true],
    )
  })

  it('are not asked again when a new one closes, nor when an answer had begun', async (test) => {
    const { get, targets } = await scene(test, (target, socket) => {
      if (target === '/good') return socket.write(HELLO)
      if (target === '/half') socket.write('HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello')
      socket.end()
      return undefined
    })
    await assert.rejects(get('/bad'), faultWith('RESPONSE_INCOMPLETE'))
    await textOf(await get('/good'))
    await new Promise(setImmediate)
    await assert.rejects(get('/half').then(textOf), faultWith('RESPONSE_INCOMPLETE'))
    assert.deepEqual(targets, ['/bad', '/good', '/half'])
  })

  it('are opened before the request where one is expected, and then used', async (test) => {
    const { get, prepare, connections } = await scene(test, (_, socket) => socket.write(HELLO))
    prepare()
    prepare()
    while (connections.length === 0) await new Promise(setImmediate)
    assert.equal(await textOf(await get('/')), 'hello')
    prepare()
    assert.equal(await textOf(await get('/')), 'hello')
    assert.equal(connections.length, 1)
  })

  it('that were opened before are done without when the server closes them just as they are used', async (test) => {
    const { get, prepare, connections } = await scene(test, (_, socket, number) => {
      if (number === 0) socket.destroy()
      else socket.write(HELLO)
    })
    prepare()
    while (connections.length === 0) await new Promise(setImmediate)
    await new Promise(setImmediate)
    assert.equal(await textOf(await get('/')), 'hello')
    assert.equal(connections.length, 2)
  })

  it('are not prepared to where none may go, and nobody hears that nothing listens', async (test) => {
    const { uri } = await scene(test, () => assert.fail('asked'))
    const upstream = originUpstream(GUARD)
    upstream.prepare?.('http://127.0.0.1:25/x')
    upstream.prepare?.(uri.replace(/\d+$/, '1'))
    await upstream.stop()
  })

  it('are not used again after Connection: close', async (test) => {
    const { get, connections } = await scene(test, (_, socket) =>
      socket.end('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok'),
    )
    assert.equal(await textOf(await get('/')), 'ok')
    assert.equal(await textOf(await get('/')), 'ok')
    assert.equal(connections.length, 2)
  })

  it('refused fails every request that waits for one', async (test) => {
    const { uri } = await scene(test, () => {})
    const upstream = originUpstream(GUARD)
    test.after(() => upstream.stop())
    const closed = await scene(test, () => {})
    const port = await freedPort()
    const ask = () =>
      upstream.request({ method: 'GET', uri: `http://127.0.0.1:${port}/`, fields: [], signal: never() })
    const all = await Promise.allSettled([ask(), ask(), ask()])
    for (const each of all) assert.ok(each.status === 'rejected' && each.reason.code === 'CONNECT_REFUSED')
    assert.notEqual(uri, closed.uri)
  })
})

describe('a request to an origin server', () => {
  it('that is given up before its response ends its connection', async (test) => {
    const asked = Promise.withResolvers<Socket>()
    const { get } = await scene(test, (_, socket) => asked.resolve(socket))
    const giving = new AbortController()
    const response = get('/', { signal: giving.signal })
    const socket = await asked.promise
    const closed = once(socket, 'close')
    giving.abort()
    await assert.rejects(response, faultWith('ABORTED'))
    await closed
  })

  it('that is given up while it waits never goes out', async (test) => {
    const asked: Socket[] = []
    const { get, targets } = await scene(test, (_, socket) => asked.push(socket))
    const all = Array.from({ length: 16 }, () => get('/busy'))
    while (asked.length < 16) await new Promise(setImmediate)
    const giving = new AbortController()
    const waiting = get('/given-up', { signal: giving.signal })
    giving.abort()
    await assert.rejects(waiting, faultWith('ABORTED'))
    asked[0]?.write(HELLO)
    assert.equal(await textOf(await (all[0] as Promise<UpstreamResponse>)), 'hello')
    await new Promise(setImmediate)
    assert.ok(!targets.includes('/given-up'))
    for (const each of all) each.catch(() => {})
  })

  it('whose body nobody reads makes the server wait', async (test) => {
    let sent = 0
    const { get } = await scene(test, (_, socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n')
      const fill = () => {
        while (sent < 100_000_000) {
          const chunk = Buffer.alloc(Math.min(65_536, 100_000_000 - sent))
          sent += chunk.length
          if (!socket.write(chunk)) return void socket.once('drain', fill)
        }
      }
      fill()
    })
    const { body } = await get('/')
    for (let last = -1; last !== sent;) {
      last = sent
      for (let turn = 0; turn < 200; turn += 1) await new Promise(setImmediate)
    }
    assert.ok(sent < 50_000_000, `${sent} bytes were sent`)
    let received = 0
    for await (const chunk of body) received += chunk.length
    assert.equal(received, 100_000_000)
  })

  it('hears interim responses before the response', async (test) => {
    const early = 'HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n'
    const { get } = await scene(test, (_, socket) => socket.write(early + HELLO))
    const heard: [number, Fields][] = []
    const response = await get('/', { onInformation: (status, fields) => heard.push([status, fields]) })
    assert.equal(await textOf(response), 'hello')
    assert.deepEqual(heard, [[103, [['Link', '</a>; rel=preload']]]])
  })

  it('that is answered with nothing but interim responses fails', async (test) => {
    const { get } = await scene(test, (_, socket) =>
      socket.write('HTTP/1.1 102 Processing\r\n\r\n'.repeat(65) + HELLO),
    )
    await assert.rejects(get('/'), faultWith('RESPONSE_INVALID'))
  })

  it('keeps the octets of field values, and a body without a length', async (test) => {
    const { get } = await scene(test, (_, socket) =>
      socket.end(
        Buffer.from('HTTP/1.1 200 OK\r\nX-Name: caf\xe9\r\nConnection: close\r\n\r\nto the end', 'latin1'),
      ),
    )
    const response = await get('/')
    assert.deepEqual(response.fields[0], ['X-Name', 'café'])
    assert.equal(await textOf(response), 'to the end')
  })
})

/** Of nobody (RFC 5737): no socket is bound to it. */
const FORMER_ADDRESS = '192.0.2.77'

function faultWith(code: Fault['code']) {
  return (error: unknown) => error instanceof Fault && error.code === code
}

/** A port of 127.0.0.1 on which nobody listens any more. */
async function freedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

describe('a node that has another address', () => {
  it('breaks off what comes from peers, for no fault of theirs, and connects from there', async (test) => {
    const from: (string | undefined)[] = []
    const answering = await scene(test, (target, socket) => {
      from.push(socket.remoteAddress)
      socket.write(target === '/slow' ? 'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nbegun' : HELLO)
    })
    let address = '127.0.0.7'
    const upstream = peerUpstream(() => address)
    test.after(() => upstream.stop())
    const get = (path: string) =>
      upstream.request({ method: 'GET', uri: answering.uri + path, fields: [], signal: never() })
    const slow = await get('/slow')
    address = '127.0.0.8'
    upstream.renew()
    await assert.rejects(
      textOf(slow),
      (error: unknown) => error instanceof Fault && error.code === 'PEER_LOST',
    )
    assert.equal(await textOf(await get('/quick')), 'hello')
    assert.deepEqual(from, ['127.0.0.7', '127.0.0.8'])
  })
})

describe('connections from an address that the machine has no longer', () => {
  it('are not made to peers: that is no fault of theirs, and the node is told to look at its place', async (test) => {
    const { uri, connections } = await scene(test, (_, socket) => socket.write(HELLO))
    let looks = 0
    const upstream = peerUpstream(
      () => FORMER_ADDRESS,
      () => void (looks += 1),
    )
    test.after(() => upstream.stop())
    const asked = upstream.request({ method: 'GET', uri: `${uri}/`, fields: [], signal: never() })
    await assert.rejects(asked, faultWith('PEER_LOST'))
    assert.deepEqual([looks, connections.length], [1, 0])
  })

  it('end: requests that were made on used ones are made once more, and what comes breaks off', async (test) => {
    const answers = [HELLO, '', HELLO, 'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nbegun']
    const { get, targets, upstream } = await scene(test, (_, socket) => socket.write(answers.shift() ?? ''))
    assert.equal(await textOf(await get('/used')), 'hello')
    const again = get('/again')
    while (targets.length < 2) await rest()
    upstream.endFrom('127.0.0.9')
    upstream.endFrom('127.0.0.1')
    assert.equal(await textOf(await again), 'hello')
    const begun = await get('/begun')
    upstream.endFrom('127.0.0.1')
    await assert.rejects(
      textOf(begun),
      (error: unknown) => error instanceof Fault && error.code === 'RESPONSE_INCOMPLETE',
    )
    assert.deepEqual(targets, ['/used', '/again', '/again', '/begun'])
  })
})

describe('connections that were kept while the machine slept', () => {
  it('take no request: a timer of that time did not run, and whoever forgot them says nothing', async (test) => {
    const clock = manualClock()
    let sleptMs = 0
    const sleeping = { ...clock, wall: () => (clock.wall() + sleptMs) as EpochMs }
    const { get, connections } = await scene(test, (_, socket) => socket.write(HELLO), sleeping)
    await Promise.all([get('/1').then(textOf), get('/2').then(textOf)])
    assert.equal(connections.length, 2)
    sleptMs += 9_999
    assert.equal(await textOf(await get('/a-moment-later')), 'hello')
    assert.equal(connections.length, 2)
    for (const each of connections) each.removeAllListeners('data')
    sleptMs += 10_000
    assert.equal(await textOf(await get('/awake')), 'hello')
    assert.equal(connections.length, 3)
    for (const each of connections.slice(0, 2)) if (!each.destroyed) await once(each, 'close')
  })
})
