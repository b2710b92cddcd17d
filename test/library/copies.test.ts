import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { contentName } from '../../core/content-name.ts'
import { deferred } from '../../core/deferred.ts'
import type { Sha256 } from '../../core/digest.ts'
import type { Session } from '../../library/session.ts'
import type { FindOutcome, Holder } from '../../service/applications/finding.ts'
import { freePacketPort, Scene, until } from '../clients/harness.ts'
import { Origin, sha256, uniqueBody } from '../clients/origin.ts'
import { acquaintedSessions, fault, sessionWith, settledSession, WAYS } from './sessions.ts'

const WAIT = { waitMs: 200 }

async function found(finding: AsyncGenerator<Holder, FindOutcome>): Promise<[Holder[], FindOutcome]> {
  const holders: Holder[] = []
  for (;;) {
    const step = await finding.next()
    if (step.done === true) return [holders, step.value]
    holders.push(step.value)
  }
}

for (const way of WAYS)
  describe(way, () => {
    const scene = new Scene()
    let origin: Origin
    let first: Session
    let second: Session
    let third: Session

    before(async () => {
      const packetPort = await freePacketPort()
      const session = (address: string) => sessionWith(scene, way, { peering: { address, packetPort } })
      origin = await Origin.start(scene)
      first = await session('127.0.0.2')
      second = await session('127.0.0.3')
      third = await session('127.0.0.4')
      await acquaintedSessions(first, second, third)
    })
    after(() => scene.close())

    const digestOf = (body: Uint8Array) => `sha-256:${sha256(body)}`
    const nameOf = (body: Uint8Array) => contentName(sha256(body) as Sha256)

    describe('a copy that an application announces', () => {
      test('an announcement ends at once with what its source throws', async () => {
        async function* broken() {
          yield Buffer.from('some')
          throw new Error('the disk is gone')
        }
        const uri = origin.put('/broken', { body: Buffer.from('some') })
        await assert.rejects(first.announce(broken(), { uri }), /the disk is gone/)
        await assert.rejects(first.announce(scene.directory(), { uri }), /expected a file/)
      })

      test('is had by peers under the name of its content, and under the URI that it was given', async () => {
        const body = uniqueBody(400_000)
        const path = join(scene.directory(), 'file')
        writeFileSync(path, body)
        const digest = digestOf(body)
        const copy = await first.announce(path, { uri: 'urn:example:thing', digest, type: 'text/plain' })
        assert.deepEqual(copy, { name: nameOf(body), digest, size: 400_000 })
        const file = await second.get(copy.name)
        assert.deepEqual([file.source, file.type], ['peer', 'text/plain'])
        assert.deepEqual(Buffer.from(await file.bytes()), body)
        const again = await third.get('urn:example:thing', { digest })
        assert.deepEqual(Buffer.from(await again.bytes()), body)
        const [holders, outcome] = await found(third.find('urn:example:thing', WAIT))
        assert.deepEqual(outcome, { asked: true })
        assert.deepEqual(
          holders.map(({ where, address, size, digest: told }) => [where, address, size, told]),
          [['peer', '127.0.0.2', 400_000, digest]],
        )
      })

      test('is not sent again when it is here, by whatever name', async () => {
        const body = uniqueBody(50_000)
        await (await first.get(origin.putByHash(body))).bytes()
        await settledSession(first)
        const unread: AsyncIterable<Uint8Array> = {
          [Symbol.asyncIterator]() {
            throw new Error('nobody should read this')
          },
        }
        const copy = await first.announce(unread, { uri: 'http://elsewhere.test/x', digest: digestOf(body) })
        assert.equal(copy.size, 50_000)
      })

      test('comes from bytes, too, and from what gives them', async () => {
        const pieces = [uniqueBody(70_000), uniqueBody(70_000)]
        async function* given() {
          yield* pieces
        }
        assert.equal((await first.announce(given())).digest, digestOf(Buffer.concat(pieces)))
        assert.equal((await first.announce(new Uint8Array())).size, 0)
      })

      test('is refused when it has another digest, and leaves nothing', async () => {
        const body = uniqueBody(100_000)
        const digest = digestOf(uniqueBody(1))
        await assert.rejects(
          first.announce(body, { digest }),
          fault('VERIFICATION_FAILED', /expected sha-256/, 'user-agent'),
        )
        await assert.rejects(first.get(nameOf(body), { from: 'cache' }), fault('NOT_FOUND', /not here/))
      })

      test('that breaks off is forgotten', async () => {
        const used = (await first.status()).cache.bytes
        async function* broken() {
          yield uniqueBody(1000)
          throw new Error('the disk is gone')
        }
        await assert.rejects(first.announce(broken()), /the disk is gone|broke|ABORTED|aborted/)
        await until('the space', async () => (await first.status()).cache.bytes === used)
      })

      test('ends with its signal', async () => {
        const gone = new AbortController()
        const begun = deferred<void>()
        async function* slow() {
          yield uniqueBody(1000)
          begun.resolve()
          await new Promise(() => {})
        }
        const announcing = first.announce(slow(), { signal: gone.signal })
        await begun.promise
        gone.abort()
        await assert.rejects(announcing, fault('ABORTED', /given up/))
      })

      test('for which there is no room is refused', async () => {
        const session = await sessionWith(scene, way, {
          peering: { enabled: false },
          cache: {
            directory: join(scene.directory(), 'c'),
            maxSize: '1 MB',
            maxObjectSize: '1 MB',
            reserve: '0 B',
          },
        })
        await assert.rejects(session.announce(uniqueBody(2_000_000)), fault('STORE_FULL', /./))
      })

      test('under a URL does not answer for that URL’s server here', async () => {
        const body = Buffer.from('not from the server')
        const url = origin.put('/real', { body: Buffer.from('from the server') })
        await first.announce(body, { uri: url })
        assert.equal(await (await first.get(url)).text(), 'from the server')
      })

      test('is taken back by its name, and then altogether', async () => {
        const body = uniqueBody(20_000)
        const digest = digestOf(body)
        await first.announce(body, { uri: 'urn:example:gone' })
        await first.withdraw(digest, 'urn:example:gone')
        assert.deepEqual((await found(second.find('urn:example:gone', WAIT)))[0], [])
        assert.equal((await found(second.find(nameOf(body), WAIT)))[0].length, 1)
        await first.withdraw(digest)
        assert.deepEqual((await found(second.find(nameOf(body), WAIT)))[0], [])
        await assert.rejects(first.withdraw(digest), fault('NOT_FOUND', /no such copy/))
      })

      for (const [what, options] of [
        ['a URI that is none', { uri: 'no uri' }],
        ['a digest that is none', { digest: 'x' }],
        ['a type that is none', { type: 'text\r\nX: y' }],
      ] as readonly (readonly [string, object])[])
        test(`cannot have ${what}`, async () => {
          await assert.rejects(first.announce(Buffer.from('x'), options), fault('BAD_REQUEST', /expected/))
        })
    })

    describe('who has a resource', () => {
      test('is this machine and all peers that say so, and nothing is fetched', async () => {
        const body = uniqueBody(60_000)
        const url = origin.putByHash(body, { fields: { ETag: '"1"' } })
        await (await first.get(url)).bytes()
        await settledSession(first)
        await (await second.get(url)).bytes()
        await settledSession(second)
        const [holders, outcome] = await found(third.find(url, WAIT))
        assert.deepEqual(outcome, { asked: true })
        assert.deepEqual(holders.map(({ address, state }) => `${address} ${state}`).toSorted(), [
          '127.0.0.2 complete',
          '127.0.0.3 complete',
        ])
        assert.ok(holders.every(({ digest, size }) => digest === digestOf(body) && size === 60_000))
        const own = (await found(first.find(url, WAIT)))[0]
        assert.deepEqual(own.map(({ where, etag }) => [where, etag]).at(0), ['here', '"1"'])
        assert.equal(origin.count(url), 1)
        await assert.rejects(third.get(url, { from: 'cache' }), fault('NOT_FOUND', /not here/))
      })

      test('is also who downloads it, with how far that is', async () => {
        const gate = deferred<void>()
        const body = uniqueBody(3_000_000)
        const url = origin.putByHash(body, { gate: { atByte: 1_000_000, opened: gate.promise } })
        const file = await first.get(url)
        const [holders] = await found(second.find(url, WAIT))
        assert.deepEqual(
          holders.map(({ state, address }) => [state, address]),
          [['downloading', '127.0.0.2']],
        )
        gate.resolve()
        await file.bytes()
      })

      test('is not asked for URLs that no rule shares, unless the application says that it may', async () => {
        const url = origin.put('/unshared', { body: uniqueBody(10) })
        const told = async () => (await second.status()).packets['heard: request'] ?? 0
        const earlier = await told()
        assert.deepEqual((await found(first.find(url, WAIT)))[1], {
          asked: false,
          reason: 'the rule does not share',
        })
        assert.equal(await told(), earlier)
        assert.deepEqual((await found(first.find(url, { ...WAIT, share: true })))[1], { asked: true })
        await until('the question', async () => (await told()) > earlier)
        const secret = (await found(first.find(`${url}?token=abcdefghijklmnop`, { ...WAIT, share: true })))[1]
        assert.equal(secret.asked, false)
        assert.equal(
          (await found(first.find('urn:x:y', { ...WAIT, share: false })))[1].reason,
          'share is false',
        )
      })

      test('ends with its signal', async () => {
        const gone = new AbortController()
        const finding = found(first.find('urn:x:y', { waitMs: 10_000, signal: gone.signal }))
        setImmediate(() => gone.abort())
        await assert.rejects(finding, fault('ABORTED', /given up/))
      })

      for (const [what, uri, options] of [
        ['what is no URI', 'nonsense', {}],
        ['a name too long for a packet', `urn:${'x'.repeat(1001)}`, {}],
        ['a wait beyond all patience', 'urn:x:y', { waitMs: 10_001 }],
      ] as const)
        test(`cannot be asked of ${what}`, async () => {
          await assert.rejects(found(first.find(uri, options)), fault('BAD_REQUEST', /expected/))
        })
    })
  })
