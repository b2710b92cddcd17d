import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { deferred } from '../../core/deferred.ts'
import type { Fault } from '../../core/fault.ts'
import type { Session } from '../../library/session.ts'
import type { EventsQuestion, NodeEvent } from '../../service/applications/events.ts'
import { PACKETS } from '../../service/applications/packets.ts'
import { freePacketPort, Scene, until } from '../clients/harness.ts'
import { uniqueBody } from '../clients/origin.ts'
import { acquaintedSessions, fault, sessionWith, WAYS } from './sessions.ts'

for (const way of WAYS)
  describe(`applications on a LAN, ${way}`, () => {
    const scene = new Scene()
    let packetPort = 0
    let first: Session
    let second: Session

    const session = (address: string) =>
      sessionWith(scene, way, {
        peering: { address, packetPort },
        functions: { maxDelayMs: 20 },
      })

    before(async () => {
      packetPort = await freePacketPort()
      first = await session('127.0.0.2')
      second = await session('127.0.0.3')
      await acquaintedSessions(first, second)
    })
    after(() => scene.close())

    /** Listens from now on. @returns what has come, and what ends it. */
    async function listen(to: Session, question: EventsQuestion = {}) {
      const listening = deferred<void>()
      const over = new AbortController()
      const heard: NodeEvent[] = []
      const reading = (async () => {
        const options = { ...question, signal: over.signal, onListening: () => listening.resolve() }
        for await (const event of to.events(options)) heard.push(event)
      })()
      reading.catch((error: unknown) => listening.reject(error))
      await listening.promise
      return { heard, end: () => over.abort(), reading }
    }

    /** @returns where the first machine answers with `text`. */
    async function serving(text: string): Promise<string> {
      const server = createServer((_, response) => response.end(text))
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.2', resolve))
      scene.ending(() => server.close())
      return `http://127.0.0.2:${(server.address() as AddressInfo).port}/`
    }

    test('say packets of their own type to everybody, and to one', async () => {
      const { heard, end, reading } = await listen(second, { types: ['chat.example.org'] })
      await first.say('chat.example.org', { text: 'Hello & <all>', n: '1' })
      await first.say('other.example.org', { text: 'not for you' })
      const hears = (count: number) => heard.filter(({ kind }) => kind === 'packet').length >= count
      // What is for everybody and what is for one come by two sockets, and in any order.
      await until('one packet', () => hears(1))
      await first.say('chat.example.org', { text: 'you' }, '127.0.0.3')
      await until('two packets', () => hears(2))
      const { node } = await first.status()
      const packets = heard.filter((event) => event.kind === 'packet')
      assert.deepEqual(packets, [
        {
          kind: 'packet',
          type: 'chat.example.org',
          attributes: { text: 'Hello & <all>', n: '1' },
          address: '127.0.0.2',
          node,
        },
        { kind: 'packet', type: 'chat.example.org', attributes: { text: 'you' }, address: '127.0.0.2', node },
      ])
      end()
      await assert.rejects(reading, fault('ABORTED', /given up/))
    })

    for (const [what, type, attributes, to, code] of [
      ['the product’s own types', 'election', {}, undefined, 'BAD_REQUEST'],
      ['a type of the site', 'site-join', {}, undefined, 'BAD_REQUEST'],
      ['what the packet says itself', 'chat.example.org', { node: 'x' }, undefined, 'BAD_REQUEST'],
      ['more than a packet holds', 'chat.example.org', { text: 'x'.repeat(1200) }, undefined, 'BAD_REQUEST'],
      ['control characters', 'chat.example.org', { text: '\u0007' }, undefined, 'BAD_REQUEST'],
      [
        'more attributes than anybody needs',
        'chat.example.org',
        Object.fromEntries(Array.from({ length: 33 }, (_, n) => [`n${n}`, ''])),
        undefined,
        'BAD_REQUEST',
      ],
      ['a type without an end', `chat.${'x'.repeat(64)}`, {}, undefined, 'BAD_REQUEST'],
      ['a stranger', 'chat.example.org', {}, '192.0.2.1', 'NOT_FOUND'],
    ] as readonly (readonly [string, string, Record<string, string>, string | undefined, Fault['code']])[])
      test(`cannot say ${what}`, async () => {
        await assert.rejects(first.say(type, attributes, to), fault(code, /expected/))
      })

    test('hear what is stored and removed', async () => {
      const { heard, end } = await listen(first, { kinds: ['stored', 'removed'] })
      const copy = await first.announce(uniqueBody(1000))
      await first.withdraw(copy.digest)
      await until('both events', () => heard.length >= 2)
      assert.deepEqual(heard, [
        { kind: 'stored', uri: copy.name, size: 1000, digest: copy.digest },
        { kind: 'removed', uri: copy.name, size: 1000, digest: copy.digest },
      ])
      end()
    })

    test('hear who comes and who leaves', async () => {
      const { heard, end } = await listen(first, { kinds: ['peer-came', 'peer-left'] })
      const third = await session('127.0.0.4')
      await until('its coming', () => heard.some(({ kind }) => kind === 'peer-came'))
      await third.close()
      if (way === 'embedded') await until('its leave', () => heard.some(({ kind }) => kind === 'peer-left'))
      end()
    })

    test('cannot listen to what does not exist', async () => {
      const kinds = ['nonsense'] as unknown as readonly 'packet'[]
      await assert.rejects(listen(first, { kinds }), fault('BAD_REQUEST', /kinds: expected some of/))
      const types = Array.from({ length: 101 }, (_, n) => `x.${n}`)
      await assert.rejects(listen(first, { types }), fault('BAD_REQUEST', /types: expected at most 100/))
    })

    test('perform functions for each other, and find who does', async () => {
      const location = await serving('done by one')
      const changes: boolean[] = []
      const terms = { location, value: 500_000, onChange: (is: boolean) => void changes.push(is) }
      const offer = await first.offer('spelling.example.org', terms)
      const provider = await second.provider('spelling.example.org')
      assert.deepEqual([provider?.location, provider?.function], [location, 'spelling.example.org'])
      await until('its own knowledge', () => offer.isProvider)
      const said = await second.request('spelling.example.org', async (each) =>
        (await fetch(each.location)).text(),
      )
      assert.equal(said, 'done by one')
      await offer.withdraw()
      await offer.withdraw()
      assert.deepEqual(changes[0], true)
    })

    test('try no more than three providers, and say what the last one did', async () => {
      const location = await serving('useless')
      await using _ = await first.offer('broken.example.org', { location })
      let tries = 0
      const using = second.request('broken.example.org', async () => {
        tries += 1
        throw new Error(`try ${tries}`)
      })
      await assert.rejects(using, /try [123]|nobody performs/)
      assert.ok(tries >= 1 && tries <= 3, `${tries} tries`)
    })

    test('are told when nobody performs a function', async () => {
      assert.equal(await first.provider('nobody.example.org'), undefined)
      const using = first.request('nobody.example.org', async () => 'never')
      await assert.rejects(using, fault('NOT_FOUND', /nobody performs/))
    })

    for (const [what, name, terms] of [
      ['without a name', 'no name', { location: 'http://127.0.0.2:8080/' }],
      ['nowhere', 'x.example.org', { location: 'file:///etc' }],
      ['at a name', 'x.example.org', { location: 'http://localhost:8080/' }],
      ['on another machine', 'x.example.org', { location: 'http://127.0.0.77:8080/' }],
      ['at a mail server’s port', 'x.example.org', { location: 'http://127.0.0.2:25/' }],
      ['with a password', 'x.example.org', { location: 'http://me:secret@127.0.0.2:8080/' }],
      ['beyond all value', 'x.example.org', { location: 'http://127.0.0.2:8080/', value: 1_000_001 }],
    ] as const)
      test(`cannot offer a function ${what}`, async () => {
        await assert.rejects(first.offer(name, terms), fault('BAD_REQUEST', /expected/))
      })

    test('cannot flood the LAN', async () => {
      const say = () => first.say('flood.example.org', {})
      const flooding = async () => {
        for (let n = 0; n < 2 * PACKETS.burst; n += 1) await say()
      }
      await assert.rejects(flooding(), fault('OVERLOADED', /at most 20 packets a second/))
    })
  })
