/** What an application expects of the representation, or else wants nothing (RFC 9110 13.1.1, 13.1.4), where something is stored. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Fault } from '../../core/fault.ts'
import { fieldValue, type Fields } from '../../core/fields.ts'
import type { Reply } from './upstreams.ts'
import { URL_A, world, type World } from './world.ts'

const MODIFIED = 'Sat, 28 Nov 2026 01:00:00 GMT'
const BEFORE = 'Sat, 28 Nov 2026 00:00:00 GMT'
const FIELDS: Fields = [
  ['Cache-Control', 'max-age=60'],
  ['Last-Modified', MODIFIED],
]

/** One that has version 1 stored, and whose origin server has version 2 by now. */
async function stored(reply: (fields: Fields) => Reply, more: Fields = []): Promise<World> {
  const node: World = world({
    rule: { share: false },
    origin: ({ fields }, n) => (n === 1 ? version(node, 1, more) : reply(fields)),
  })
  await node.get()
  await node.settle()
  return node
}

function version(node: World, n: number, more: Fields = []): Reply {
  return { status: 200, fields: node.dated([...FIELDS, ...more, ['ETag', `"${n}"`]]), body: `version ${n}` }
}

describe('a stored response that is not what is expected', () => {
  for (const condition of [
    ['If-Match', '"2"'],
    ['If-Unmodified-Since', BEFORE],
  ] as const)
    for (const isThere of [true, false])
      test(`does not stand in where the origin server ${isThere ? 'says 503' : 'is down'}: ${condition[0]}`, async () => {
        const down = () => {
          throw new Fault('UNREACHABLE', 'no way')
        }
        const busy: Reply = { status: 503, fields: [], body: 'busy' }
        const node: World = await stored(
          () => (isThere ? busy : down()),
          [['Cache-Control', 'stale-if-error=600']],
        )
        node.clock.advance(61_000)
        for (const range of [[], [['Range', 'bytes=0-3']]] as Fields[]) {
          const asked = node.ask([condition, ...range])
          if (isThere) assert.equal((await node.read(asked)).text, 'busy')
          else await assert.rejects(node.within(asked.resource), { code: 'UNREACHABLE' })
        }
        assert.equal((await node.get([['If-Match', '"1"']])).text, 'version 1', 'what is expected does')
      })

  for (const condition of [
    ['If-Match', '"2"'],
    ['If-Unmodified-Since', BEFORE],
  ] as const)
    test(`is not judged here: ${condition[0]}, and the origin server has it`, async () => {
      const node: World = await stored(() => version(node, 2))
      const given = await node.get([condition])
      assert.deepEqual([given.status, given.text, given.error], [200, 'version 2', undefined])
      assert.equal(fieldValue(node.origin.requests[1]?.fields ?? [], condition[0]), condition[1])
      await node.settle()
      const later = await node.get()
      assert.deepEqual([later.how, later.text], ['hit', 'version 2'], 'it is stored for the next one')
    })

  test('is refused by the origin server, in its own words', async () => {
    const node: World = await stored(() => ({
      status: 412,
      fields: node.dated([['X-Why', 'no']]),
      body: 'not it',
    }))
    const given = await node.get([['If-Match', '"3"']])
    assert.deepEqual([given.status, given.text, fieldValue(given.fields, 'x-why')], [412, 'not it', 'no'])
    assert.equal((await node.get()).how, 'hit', 'what is stored stays')
  })

  test('is asked about with HEAD as well', async () => {
    const node: World = await stored(() => ({ ...version(node, 2), body: '' }))
    const given = await node.get([['If-Match', '"2"']], { method: 'HEAD', url: URL_A })
    assert.deepEqual([given.status, fieldValue(given.fields, 'etag')], [200, '"2"'])
    assert.equal(node.origin.requests[1]?.method, 'HEAD')
  })

  test('is refused after it was validated: the origin server was asked for what it has, not for that', async () => {
    const node: World = await stored(() => version(node, 2))
    await node.pass(61_000)
    assert.equal((await node.get([['If-Match', '"1"']])).status, 412)
    assert.equal((await node.get([['If-Match', '"2"']])).text, 'version 2')
  })

  test('is refused here where nobody else may be asked', async () => {
    const node: World = await stored(() => version(node, 2))
    const given = await node.get([
      ['If-Match', '"2"'],
      ['Cache-Control', 'only-if-cached'],
    ])
    assert.deepEqual([given.status, node.origin.requests.length], [412, 1])
  })

  test('is sent by an origin server that does not know conditions', async () => {
    const node: World = await stored(() => version(node, 1))
    const given = await node.get([['If-Match', '"2"']])
    assert.deepEqual([given.status, given.text], [200, 'version 1'])
  })
})

describe('a stored response that is what is expected', () => {
  for (const condition of [
    ['If-Match', '"1"'],
    ['If-Unmodified-Since', MODIFIED],
  ] as const)
    test(`is the answer: ${condition[0]}, and a part of it`, async () => {
      const node = await stored(() => ({ status: 500, fields: [], body: '' }))
      const whole = await node.get([condition])
      assert.deepEqual([whole.status, whole.how, whole.text], [200, 'hit', 'version 1'])
      const part = await node.get([condition, ['Range', 'bytes=8-']])
      assert.deepEqual([part.status, part.how, part.text], [206, 'hit', '1'])
    })
})
