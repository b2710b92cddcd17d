import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { contentName } from '../../core/content-name.ts'
import { deferred } from '../../core/deferred.ts'
import type { Sha256 } from '../../core/digest.ts'
import type { Session } from '../../library/session.ts'
import { freePacketPort, Scene, until } from '../clients/harness.ts'
import { Origin, sha256, uniqueBody } from '../clients/origin.ts'
import { acquaintedSessions, fault, sessionWith, settledSession, WAYS } from './sessions.ts'

const MEGABYTE = 1024 * 1024

for (const way of WAYS)
  describe(`content by its digest, ${way}`, () => {
    const scene = new Scene()
    let origin: Origin
    let first: Session
    let second: Session

    before(async () => {
      const packetPort = await freePacketPort()
      const verification = { aptConfig: 'off', verifyFirstUpTo: '1 MB' }
      const session = (address: string) =>
        sessionWith(scene, way, { peering: { address, packetPort }, verification })
      origin = await Origin.start(scene)
      first = await session('127.0.0.2')
      second = await session('127.0.0.3')
      await acquaintedSessions(first, second)
    })
    after(() => scene.close())

    const digestOf = (body: Uint8Array) => `sha-256:${sha256(body)}`

    test('comes from the URL that is given, proved; then from peers, whatever URL they are given', async () => {
      const body = uniqueBody(200_000)
      const digest = digestOf(body)
      const url = origin.put('/private/one', { body, fields: { 'Content-Type': 'text/x' } })
      const file = await first.get(url, { digest })
      assert.deepEqual(
        [file.uri, file.size, file.type],
        [contentName(sha256(body) as Sha256), 200_000, 'text/x'],
      )
      assert.deepEqual(Buffer.from(await file.bytes()), body)
      assert.deepEqual([(await file.outcome).source, (await file.outcome).verified], ['internet', 'proof'])
      await settledSession(first)
      const elsewhere = origin.put('/private/two', { body })
      const again = await second.get(elsewhere, { digest })
      assert.deepEqual(Buffer.from(await again.bytes()), body)
      assert.deepEqual([(await again.outcome).source, (await again.outcome).verified], ['peer', 'proof'])
      assert.deepEqual([origin.count(url), origin.count(elsewhere)], [1, 0])
    })

    test('is found by peers under the name of another URL, by its name alone', async () => {
      const body = uniqueBody(50_000)
      await (await first.get(origin.putByHash(body))).bytes()
      await settledSession(first)
      for (const uri of [
        `urn:sha256:${sha256(body).toUpperCase()}`,
        contentName(sha256(body) as Sha256),
        `magnet:?xt=urn:sha256:${sha256(body)}&dn=name`,
      ]) {
        const file = await second.get(uri)
        assert.deepEqual(Buffer.from(await file.bytes()), body)
      }
      await settledSession(second)
      assert.equal((await second.get(`hash://sha256/${sha256(body)}`, { from: 'cache' })).source, 'cache')
    })

    test('that nobody has is not found, and an Internet without it is not asked', async () => {
      const digest = digestOf(uniqueBody(10))
      await assert.rejects(first.get(`urn:sha256:${digest.slice(8)}`), fault('NOT_FOUND', /no peer has it/))
      const url = origin.put('/there', { body: Buffer.from('there') })
      await assert.rejects(first.get(url, { digest, from: 'lan' }), fault('NOT_FOUND', /no peer has it/))
      await assert.rejects(first.get(url, { digest, from: 'cache' }), fault('NOT_FOUND', /not here/))
      assert.equal(origin.count(url), 0)
    })

    test('is never given from a URL that has something else, nor kept', async () => {
      const digest = digestOf(uniqueBody(10))
      const url = origin.put('/wrong', {
        body: uniqueBody(100_000),
        fields: { 'Cache-Control': 'max-age=60' },
      })
      await assert.rejects(
        first.get(url, { digest }),
        fault('VERIFICATION_FAILED', /expected sha-256/, 'origin-server'),
      )
      await settledSession(first)
      await assert.rejects(first.get(url, { digest, from: 'cache' }), fault('NOT_FOUND', /not here/))
      assert.equal((await first.status()).shunned.length, 0)
    })

    test('that is large begins before it is proved, and does not end if it is wrong', async () => {
      const body = uniqueBody(4 * MEGABYTE)
      const right = await first.get(origin.put('/large', { body }), { digest: digestOf(body) })
      assert.deepEqual(Buffer.from(await right.bytes()), body)
      const url = origin.put('/large-wrong', { body: uniqueBody(4 * MEGABYTE) })
      const file = await first.get(url, { digest: digestOf(uniqueBody(10)) })
      let read = 0
      const reading = async () => {
        for await (const chunk of file.body) read += chunk.length
      }
      await assert.rejects(reading(), fault('VERIFICATION_FAILED', /expected sha-256/, 'origin-server'))
      assert.ok(read <= 4 * MEGABYTE - 256 * 1024, `${read} bytes were given`)
    })

    test('is looked for at one place after the other', async () => {
      const body = uniqueBody(20_000)
      const missing = `http://${origin.authority}/missing`
      const wrong = origin.put('/other-bytes', { body: uniqueBody(20_000) })
      const away = origin.put('/away', { status: 302, body: Buffer.alloc(0), fields: { Location: '/right' } })
      origin.put('/right', { body })
      const places = [missing, wrong, away].map((place) => `&xs=${encodeURIComponent(place)}`).join('')
      const file = await first.get(`magnet:?xt=urn:sha256:${sha256(body)}${places}`)
      assert.deepEqual(Buffer.from(await file.bytes()), body)
    })

    test('that two machines want at once comes over the Internet once', async () => {
      const body = uniqueBody(3 * MEGABYTE)
      const digest = digestOf(body)
      const gate = deferred<void>()
      const url = origin.put('/once', { body, gate: { atByte: MEGABYTE, opened: gate.promise } })
      const getting = [first.get(url, { digest }), second.get(url, { digest })]
      await until('a request', () => origin.count(url) > 0)
      const files = await Promise.all(getting)
      const reading = files.map((file) => file.bytes())
      gate.resolve()
      for (const bytes of await Promise.all(reading)) assert.deepEqual(Buffer.from(bytes), body)
      assert.equal(origin.sentBytes(url), body.length)
    })

    test('that is not to be shared is not asked for and not offered', async () => {
      const body = uniqueBody(30_000)
      const digest = digestOf(body)
      const url = origin.put('/secret', { body })
      const heard = async () => (await second.status()).packets['heard: request'] ?? 0
      const earlier = await heard()
      await (await first.get(url, { digest, share: false })).bytes()
      await settledSession(first)
      assert.equal(await heard(), earlier)
      assert.equal((await first.get(url, { digest })).source, 'cache')
      await assert.rejects(second.get(`urn:sha256:${sha256(body)}`), fault('NOT_FOUND', /no peer/))
      assert.equal((await first.get(url, { digest, share: false })).source, 'cache')
    })

    test('that somebody in particular asks for is neither', async () => {
      const body = uniqueBody(30_000)
      const url = origin.put('/personal', { body })
      const heard = async () => (await second.status()).packets['heard: request'] ?? 0
      const earlier = await heard()
      await (
        await first.get(url, { digest: digestOf(body), fields: [['Authorization', 'Basic eDp5']] })
      ).bytes()
      await settledSession(first)
      assert.equal(await heard(), earlier)
      await assert.rejects(second.get(`urn:sha256:${sha256(body)}`), fault('NOT_FOUND', /no peer/))
    })

    test('does not become what its URL means to others', async () => {
      const url = origin.put('/mutable', { body: Buffer.from('as the server has it now') })
      const digest = digestOf(Buffer.from('as the server has it now'))
      await (await first.get(url, { digest })).bytes()
      await settledSession(first)
      origin.put('/mutable', { body: Buffer.from('as the server has it later') })
      assert.equal(await (await first.get(url)).text(), 'as the server has it later')
    })

    test('is given up when nobody waits for it', async () => {
      const gone = new AbortController()
      const asked = deferred<void>()
      let isClosed = false
      const url = origin.put('/never', (request) => {
        request.socket.once('close', () => (isClosed = true))
        asked.resolve()
      })
      const getting = first.get(url, { digest: digestOf(uniqueBody(10)), signal: gone.signal })
      await asked.promise
      gone.abort()
      await assert.rejects(getting, fault('ABORTED', /given up/))
      await until('the request’s end', () => isClosed)
    })

    for (const [what, uri, options] of [
      ['a mere name', 'urn:example:thing', {}],
      ['a name without an end', `urn:example:${'x'.repeat(8000)}`, { digest: `sha-256:${'0'.repeat(64)}` }],
      ['a digest of another kind', 'urn:example:thing', { digest: 'md5:00' }],
      [
        'a digest that is not that of the name',
        `urn:sha256:${'0'.repeat(64)}`,
        { digest: `sha-256:${'1'.repeat(64)}` },
      ],
      ['peers alone for a URL without a digest', 'http://example.test/', { from: 'lan' }],
    ] as readonly (readonly [string, string, object])[])
      test(`refuses ${what}`, async () => {
        await assert.rejects(first.get(uri, options), fault('BAD_REQUEST', /expected/))
      })

    test('refuses a wish that is none', async () => {
      const options = { share: 'maybe' } as object
      const name = `urn:sha256:${'0'.repeat(64)}`
      await assert.rejects(first.get(name, options), {
        name: 'TypeError',
        message: /share: expected true or false/,
      })
    })
  })
