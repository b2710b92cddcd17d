/** What programs without types do wrong is told by the argument's name, and never as a stack of the product's own. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { connect, embed, type Session, type Settings } from '../../library/index.ts'

describe('a call with an argument of the wrong type is a TypeError that names it', () => {
  let session: Session
  before(async () => {
    session = await embed({ settings: { peering: { enabled: false }, cache: { directory: undefined } } })
  })
  after(() => session.close())

  /** As a program in JavaScript: the types are none of its business. */
  const loosely = () => session as unknown as Record<string, (...args: unknown[]) => unknown>

  for (const [call, args, message] of [
    ['get', [7], 'uri: expected a string, got a number'],
    ['get', ['http://x/', 'digest'], 'options: expected an object, got a string'],
    ['get', ['http://x/', { digest: 7 }], 'options.digest: expected a string, got a number'],
    ['get', ['http://x/', { signal: {} }], 'options.signal: expected an AbortSignal, got an object'],
    ['get', ['http://x/', { onProgress: [] }], 'options.onProgress: expected a function, got an array'],
    ['download', ['http://x/'], 'path: expected a string, got undefined'],
    ['announce', [null], 'source: expected a path, bytes, or what gives them, got null'],
    ['announce', ['x', { uri: 7 }], 'options.uri: expected a string, got a number'],
    ['withdraw', [], 'digest: expected a string, got undefined'],
    ['say', ['x.y', 'text'], 'attributes: expected an object, got a string'],
    ['say', ['x.y', { n: 1 }], 'attributes.n: expected a string, got a number'],
    ['offer', ['x.y'], 'terms: expected an object, got undefined'],
    ['offer', ['x.y', {}], 'terms.location: expected a string, got undefined'],
    ['offer', ['x.y', { location: 'x', value: '5' }], 'terms.value: expected a number, got a string'],
    ['provider', [{}], 'name: expected a string, got an object'],
    ['report', [undefined, 'why'], 'provider: expected an object, got undefined'],
    ['request', ['x.y'], 'use: expected a function, got undefined'],
  ] as const)
    test(`${call}: ${message}`, async () => {
      await assert.rejects(async () => loosely()[call]?.call(session, ...args), {
        name: 'TypeError',
        message,
      })
    })

  for (const [call, args, message] of [
    ['find', [], 'uri: expected a string, got undefined'],
    ['events', [{ kinds: 'packet' }], 'options.kinds: expected an array, got a string'],
  ] as const)
    test(`${call}: ${message}`, async () => {
      const lines = loosely()[call]?.call(session, ...args) as AsyncGenerator
      await assert.rejects(lines.next(), { name: 'TypeError', message })
    })

  test('connect and embed likewise', async () => {
    const wrong = (value: unknown) => value as never
    await assert.rejects(connect(wrong('/x.sock')), { message: 'options: expected an object, got a string' })
    await assert.rejects(connect({ url: wrong(6516) }), {
      message: 'options.url: expected a string, got a number',
    })
    await assert.rejects(embed({ settings: wrong([]) }), {
      message: 'options.settings: expected an object, got an array',
    })
  })
})

test('what is given as `undefined` is not given: the cache is a temporary one', async () => {
  const settings: Settings = {
    peering: { enabled: false },
    cache: { directory: undefined },
    site: { directory: undefined },
    log: { level: undefined },
    gateway: { offer: false },
    checks: { offer: false },
    updates: [],
  }
  const session = await embed({ settings })
  const { cache } = await session.status()
  assert.match(cache.directory, /ihave-/)
  await session.close()
})
