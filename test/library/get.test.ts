import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { deferred } from '../../core/deferred.ts'
import { Fault } from '../../core/fault.ts'
import { connect } from '../../library/connect.ts'
import type { Session } from '../../library/session.ts'
import type { Progress } from '../../service/applications/retrieval-words.ts'
import { freePacketPort, Scene, until } from '../clients/harness.ts'
import { Origin, uniqueBody } from '../clients/origin.ts'
import { acquaintedSessions, fault, sessionWith, settledSession, WAYS } from './sessions.ts'

const MEGABYTE = 1024 * 1024

for (const way of WAYS)
  describe(`a file for an application, ${way}`, () => {
    const scene = new Scene()
    let origin: Origin
    let first: Session
    let second: Session

    before(async () => {
      const packetPort = await freePacketPort()
      const session = (address: string) => sessionWith(scene, way, { peering: { address, packetPort } })
      origin = await Origin.start(scene)
      first = await session('127.0.0.2')
      second = await session('127.0.0.3')
      await acquaintedSessions(first, second)
    })
    after(() => scene.close())

    test('is read once: nobody takes what another reader left for the whole', async () => {
      const url = origin.put('/once', {
        body: uniqueBody(100_000),
        fields: { 'Cache-Control': 'max-age=60' },
      })
      const file = await first.get(url)
      for await (const _ of file.body) break
      await assert.rejects(file.bytes(), fault('BAD_REQUEST', /read once/))
      await assert.rejects(file.text(), fault('BAD_REQUEST', /read once/))
    })

    test('comes from the origin server, and is here from then on', async () => {
      const body = uniqueBody(100_000)
      const url = origin.put('/plain', {
        body,
        fields: { 'Cache-Control': 'max-age=60', 'Content-Type': 'text/x' },
      })
      const file = await first.get(url)
      assert.deepEqual([file.uri, file.size, file.source, file.type], [url, 100_000, 'internet', 'text/x'])
      assert.deepEqual(Buffer.from(await file.bytes()), body)
      const outcome = await file.outcome
      assert.deepEqual(outcome, {
        deliveredBytes: 100_000,
        receivedBytes: { peer: 0, 'in-progress': 0, internet: 100_000 },
        source: 'internet',
        verified: 'origin',
      })
      await settledSession(first)
      const again = await first.get(url, { from: 'cache' })
      assert.deepEqual(Buffer.from(await again.bytes()), body)
      assert.equal((await again.outcome).source, 'cache')
      assert.equal(origin.count(url), 1)
    })

    test('comes from a peer where the rules share it, and is said to be proved', async () => {
      const body = uniqueBody(300_000)
      const url = origin.putByHash(body)
      await (await first.get(url)).bytes()
      await settledSession(first)
      const file = await second.get(url)
      assert.deepEqual(Buffer.from(await file.bytes()), body)
      const { source, verified, receivedBytes } = await file.outcome
      assert.deepEqual([source, verified, receivedBytes.peer], ['peer', 'proof', 300_000])
      assert.equal(origin.count(url), 1)
    })

    test('counts in the node’s own figures', async () => {
      const url = origin.put('/counted', { body: uniqueBody(5000) })
      const delivered = (await first.status()).totals.deliveredBytes
      await (await first.get(url)).bytes()
      assert.equal((await first.status()).totals.deliveredBytes, delivered + 5000)
    })

    test('is asked for with the application’s own fields, and is found behind redirects', async () => {
      const target = origin.put('/target', { body: Buffer.from('here') })
      const url = origin.put('/moved', {
        status: 302,
        body: Buffer.alloc(0),
        fields: { Location: '/target' },
      })
      const file = await first.get(url, { fields: [['X-Mine', 'yes']] })
      assert.equal(await file.text(), 'here')
      assert.equal(file.uri, target)
      const asked = origin.requests.filter(({ path }) => path === '/target' || path === '/moved')
      assert.deepEqual(
        asked.map(({ fields }) => fields['x-mine']),
        ['yes', 'yes'],
      )
      assert.match(asked[0]?.fields['user-agent'] ?? '', /^ihave\//)
    })

    test('credentials stay with the server that they are for', async () => {
      const other = await Origin.start(scene, '127.0.0.4')
      const target = other.put('/other', { body: Buffer.from('there') })
      const url = origin.put('/away', { status: 307, body: Buffer.alloc(0), fields: { Location: target } })
      await (await first.get(url, { fields: [['Authorization', 'Basic eDp5']] })).bytes()
      assert.equal(other.requests[0]?.fields.authorization, undefined)
      assert.equal(origin.requests.at(-1)?.fields.authorization, 'Basic eDp5')
    })

    test('more redirects than browsers follow are an error', async () => {
      const url = origin.put('/circle', {
        status: 302,
        body: Buffer.alloc(0),
        fields: { Location: '/circle' },
      })
      await assert.rejects(first.get(url), fault('RESPONSE_INVALID', /more than 20 redirects/))
      assert.equal(origin.count(url), 21)
    })

    for (const [what, question, code, message] of [
      ['a page that is not there', '/nothing', 'RESPONSE_REFUSED', /status 404/],
      ['what is not in the cache', '/uncached', 'NOT_FOUND', /is not here/],
    ] as const)
      test(`${what} is an error that says so`, async () => {
        const from = question === '/uncached' ? 'cache' : 'anywhere'
        await assert.rejects(
          first.get(`http://${origin.authority}${question}`, { from }),
          fault(code, message),
        )
      })

    for (const [what, uri, options] of [
      ['no URL', 'nonsense', {}],
      ['userinfo', 'http://me:secret@example.test/', {}],
      ['an unknown place', 'http://example.test/', { from: 'elsewhere' }],
      ['a range', 'http://example.test/', { fields: [['Range', 'bytes=0-1']] }],
      ['fields in which lines end', 'http://example.test/', { fields: [['X', 'a\r\nY: b']] }],
      [
        'more fields than anybody needs',
        'http://example.test/',
        { fields: Array.from({ length: 65 }, () => ['X', 'y']) },
      ],
    ] as readonly (readonly [string, string, object])[])
      test(`refuses ${what}`, async () => {
        await assert.rejects(first.get(uri, options), fault('BAD_REQUEST', /expected/))
      })

    test('tells how far it is, while it comes', async () => {
      const gate = deferred<void>()
      const body = uniqueBody(2 * MEGABYTE)
      const url = origin.put('/slow', { body, gate: { atByte: MEGABYTE, opened: gate.promise } })
      const told: Progress[] = []
      const file = await first.get(url, {
        onProgress: (progress) => {
          told.push(progress)
          if (progress.deliveredBytes === MEGABYTE) gate.resolve()
        },
      })
      assert.equal((await file.bytes()).length, 2 * MEGABYTE)
      const half = told.find(({ deliveredBytes }) => deliveredBytes === MEGABYTE)
      assert.deepEqual(
        [half?.phase, half?.source, half?.totalBytes],
        ['delivering', 'internet', 2 * MEGABYTE],
      )
    })

    test('is given up by its signal before it has begun, and nothing goes on', async () => {
      const gone = new AbortController()
      const asked = deferred<void>()
      let isClosed = false
      const url = origin.put('/never', (request) => {
        request.socket.once('close', () => (isClosed = true))
        asked.resolve()
      })
      const getting = first.get(url, { signal: gone.signal })
      await asked.promise
      gone.abort()
      await assert.rejects(getting, fault('ABORTED', /given up/))
      await until('the request’s end', () => isClosed)
      await settledSession(first)
    })

    test('is given up in the middle by who stops reading, unless somebody else waits', async () => {
      const gate = deferred<void>()
      const body = uniqueBody(8 * MEGABYTE)
      const url = origin.put('/shared', { body, gate: { atByte: MEGABYTE, opened: gate.promise } })
      const [one, other] = await Promise.all([first.get(url), first.get(url)])
      for await (const chunk of one.body) if (chunk.length > 0) break
      await assert.rejects(one.outcome, fault('ABORTED', /./))
      gate.resolve()
      assert.deepEqual(Buffer.from(await other.bytes()), body)
      assert.equal(origin.count(url), 1)
    })

    test('ends for the origin server when its only reader leaves', async () => {
      let isClosed = false
      const url = origin.put('/left', (request, response) => {
        request.socket.once('close', () => (isClosed = true))
        response.writeHead(200, { 'Content-Length': 100 * MEGABYTE }).write(Buffer.alloc(MEGABYTE))
      })
      const gone = new AbortController()
      const file = await first.get(url, { signal: gone.signal })
      const reading = file.bytes()
      gone.abort()
      await assert.rejects(reading, fault('ABORTED', /given up/))
      await until('the connection’s end', () => isClosed)
    })

    test('that breaks off is an error and not a shorter file', async () => {
      const url = origin.put('/broken', (_, response) => {
        response.writeHead(200, { 'Content-Length': 1000 }).write(Buffer.alloc(10))
        setImmediate(() => response.destroy())
      })
      const file = await first.get(url)
      await assert.rejects(file.bytes(), (error) => error instanceof Fault && error.blame === 'origin-server')
    })

    test('that is cut, and cannot be gone on with, says who cut it and why it ends there', async () => {
      const url = origin.put('/cut', (_, response) => {
        response.writeHead(200, { 'Content-Length': 100_000 }).write(Buffer.alloc(50_000))
        setTimeout(() => response.destroy(), 50)
      })
      const reading = first.get(url).then((file) => file.bytes())
      await assert.rejects(
        reading,
        fault('RESPONSE_INCOMPLETE', /closed the connection, and nothing .* \(a strong ETag\)/),
      )
    })

    test('does not run ahead of a slow reader by more than the cache', async () => {
      const body = uniqueBody(16 * MEGABYTE)
      const url = origin.put('/large', { body })
      const file = await first.get(url)
      let read = 0
      for await (const chunk of file.body) {
        if (read === 0) await settledSession(first)
        read += chunk.length
      }
      assert.equal(read, body.length)
    })

    test('lies under its name whole or not at all', async () => {
      const directory = scene.directory()
      const body = uniqueBody(50_000)
      const path = join(directory, 'file')
      await first.download(origin.put('/saved', { body }), path)
      assert.deepEqual(readFileSync(path), body)
      const lost = join(directory, 'lost')
      await assert.rejects(first.download(`http://${origin.authority}/nothing`, lost))
      assert.equal(existsSync(lost), false)
      assert.deepEqual(readdirSync(directory), ['file'])
    })

    test('has nowhere to lie: that is said before anything is got', async () => {
      const directory = scene.directory()
      const url = origin.put('/nowhere', { body: uniqueBody(1000) })
      const missing = join(directory, 'missing', 'file')
      await assert.rejects(
        first.download(url, missing),
        fault(
          'BAD_REQUEST',
          new RegExp(`no folder ${join(directory, 'missing')} for ${missing}`),
          'user-agent',
        ),
      )
      await assert.rejects(
        first.download(url, directory),
        fault('BAD_REQUEST', new RegExp(`${directory} is a folder`), 'user-agent'),
      )
      await assert.rejects(
        first.download(url, join(directory, 'x'.repeat(250))),
        fault('BAD_REQUEST', /cannot write .*x: ENAMETOOLONG/),
      )
      assert.deepEqual([origin.count(url), readdirSync(directory)], [0, []])
    })

    test('is not to be had of a closed session, nor is anything else', async () => {
      const session = await sessionWith(scene, way, { peering: { enabled: false } })
      await session.close()
      const url = origin.put('/closed', { body: uniqueBody(10) })
      const provider = { function: 'x', node: '0', location: 'http://x/', value: 1, term: 1 } as const
      const calls: (() => Promise<unknown>)[] = [
        () => session.get(url),
        () => session.download(url, join(scene.directory(), 'file')),
        () => session.find(url).next(),
        () => session.announce(Buffer.from('x')),
        () => session.withdraw(`sha-256:${'0'.repeat(64)}`),
        () => session.say('chat.example.org', {}),
        () => session.events().next(),
        () => session.offer('x', { location: 'http://127.0.0.1:1/' }),
        () => session.provider('x'),
        () => session.report({ ...provider, source: 'election' }, 'why'),
        () => session.request('x', async () => 1),
        () => session.status(),
      ]
      for (const call of calls)
        await assert.rejects(call, fault('ABORTED', /the session is closed/, 'user-agent'), String(call))
      await session.close()
      assert.equal(origin.count(url), 0)
    })

    test('is given up with its session', async () => {
      const session = await sessionWith(scene, way, { peering: { enabled: false } })
      const asked = deferred<void>()
      const url = origin.put('/waits', () => asked.resolve())
      const getting = session.get(url)
      await asked.promise
      const refused = assert.rejects(getting, fault('ABORTED', /given up/))
      await session.close()
      await refused
    })
  })

test('where no node runs, that is said', async () => {
  await assert.rejects(
    connect({ socket: '/nowhere/control.sock' }),
    fault('NODE_UNREACHABLE', /no node answers/, 'daemon'),
  )
  const url = 'http://127.0.0.1:9'
  await assert.rejects(
    connect({ url, tokenFile: '/nowhere/control.token' }),
    fault('NODE_UNREACHABLE', /no node has left its token at \/nowhere\/control\.token/, 'daemon'),
  )
  await assert.rejects(connect({ url }), fault('BAD_REQUEST', /a token/, 'configuration'))
})

test('an offer whose node is killed is no provider any more, and says so once', async () => {
  const scene = new Scene()
  try {
    const directory = scene.directory()
    const peering = { address: '127.0.0.9', packetPort: await freePacketPort() }
    const node = scene.ihave(scene.configFile({ peering, functions: { maxDelayMs: 50 } }, directory))
    await node.ready()
    const session = await connect({ socket: join(directory, 'cache', 'control.sock') })
    const changes: boolean[] = []
    const offer = await session.offer('spelling.example.org', {
      location: 'http://127.0.0.9:8080/',
      onChange: (isProvider) => void changes.push(isProvider),
    })
    assert.ok(await session.provider('spelling.example.org'))
    await until('its election', () => offer.isProvider)
    const ended = assert.rejects(offer.ended, fault('NODE_UNREACHABLE', /broke off/, 'daemon'))
    await node.kill('SIGKILL')
    await ended
    assert.deepEqual([offer.isProvider, changes], [false, [true, false]])
    await offer.withdraw()
    await session.close()
  } finally {
    await scene.close()
  }
})

test('a node that is killed meanwhile is to blame, and not the origin server', async () => {
  const scene = new Scene()
  try {
    const directory = scene.directory()
    const node = scene.ihave(scene.configFile({ peering: { enabled: false } }, directory))
    await node.ready()
    const session = await connect({ socket: join(directory, 'cache', 'control.sock') })
    const origin = await Origin.start(scene)
    const asked = deferred<void>()
    const getting = session.get(origin.put('/waits', () => asked.resolve()))
    const listening = deferred<void>()
    const events = session.events({ onListening: () => listening.resolve() }).next()
    await Promise.all([asked.promise, listening.promise])
    const refused = [getting, events].map((each) =>
      assert.rejects(each, fault('NODE_UNREACHABLE', /broke off|no node answers/, 'daemon')),
    )
    await node.kill('SIGKILL')
    await Promise.all(refused)
    await assert.rejects(session.status(), fault('NODE_UNREACHABLE', /no node answers/, 'daemon'))
  } finally {
    await scene.close()
  }
})
