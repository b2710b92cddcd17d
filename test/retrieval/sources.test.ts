import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Fault } from '../../core/fault.ts'
import { fieldValue, type FieldLine, type Fields } from '../../core/fields.ts'
import type { Upstream, UpstreamRequest } from '../../core/upstream.ts'
import { openRest } from '../../retrieval/origin-source.ts'
import { askPeer, type OpenedSource } from '../../retrieval/peer-source.ts'

const BODY = Buffer.from('0123456789')

function answering(
  status: number,
  fields: Fields,
  bytes = BODY,
): Upstream & { readonly asked: UpstreamRequest[] } {
  const asked: UpstreamRequest[] = []
  return {
    asked,
    request: async (request) => {
      asked.push(request)
      const body = (async function* () {
        for (let at = 0; at < bytes.length; at += 3) yield bytes.subarray(at, at + 3)
      })()
      return { status, reason: '', fields, body }
    },
  }
}

async function text(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

const never = new AbortController().signal
const LOCATION = `http://127.0.0.2:6515/${'a'.repeat(64)}`
const isPeerFault = (error: unknown) => error instanceof Fault && error.blame === 'peer'

async function openPeer(upstream: Upstream, from: number): Promise<OpenedSource> {
  const reply = await askPeer(upstream, { location: LOCATION, from, node: 'node1', more: [], signal: never })
  assert.equal(reply.kind, 'opened')
  return reply.source
}

describe('a copy from a peer', () => {
  test('is asked for by its alias, with the field that no page can send', async () => {
    const upstream = answering(200, [['Content-Length', '10']])
    const opened = await openPeer(upstream, 0)
    assert.deepEqual(upstream.asked[0]?.fields, [['Ihave-Node', 'node1']])
    assert.deepEqual([opened.size, opened.from, await text(opened.body)], [10, 0, '0123456789'])
  })

  test('goes on from the byte where another source stopped', async () => {
    const upstream = answering(206, [['Content-Range', 'bytes 4-9/10']], BODY.subarray(4))
    const opened = await openPeer(upstream, 4)
    assert.equal(fieldValue(upstream.asked[0]?.fields ?? [], 'range'), 'bytes=4-')
    assert.deepEqual([opened.size, opened.from, await text(opened.body)], [10, 4, '456789'])
  })

  for (const [name, status, fields, from] of [
    ['a redirect is not followed', 302, [['Location', 'http://127.0.0.1/']], 0],
    ['an error', 500, [], 0],
    ['a part where the whole was asked for', 206, [['Content-Range', 'bytes 0-9/10']], 0],
    ['another part', 206, [['Content-Range', 'bytes 5-9/10']], 4],
    ['a content coding', 200, [['Content-Encoding', 'gzip']], 0],
  ] as [string, number, Fields, number][])
    test(`is refused: ${name}`, () => assert.rejects(openPeer(answering(status, fields), from), isPeerFault))

  test('that comes whole where the rest was asked for is read from the missing byte on', async () => {
    const opened = await openPeer(answering(200, [['Content-Length', '10']]), 4)
    assert.deepEqual([opened.size, opened.from, await text(opened.body)], [10, 4, '456789'])
  })

  test('only fields that describe it are kept, and no type that a browser would run', async () => {
    const fields: Fields = [
      ['Content-Type', 'text/html'],
      ['ETag', '"x"'],
      ['Set-Cookie', 'a=b'],
      ['Location', 'http://elsewhere.test/'],
      ['Refresh', '0'],
    ]
    const opened = await openPeer(answering(200, fields), 0)
    assert.deepEqual(opened.fields, [
      ['Content-Type', 'application/octet-stream'],
      ['ETag', '"x"'],
    ])
  })

  for (const [type, kept] of [
    ['application/vnd.debian.binary-package', true],
    ['application/gzip', true],
    ['text/plain', true],
    ['application/xhtml+xml', false],
    ['image/svg+xml', false],
    ['application/javascript', false],
    ['text/plain; charset=x\u0000', false],
  ] as const)
    test(`type ${JSON.stringify(type)} is ${kept ? 'kept' : 'made inert'}`, async () => {
      const opened = await openPeer(answering(200, [['Content-Type', type]]), 0)
      assert.equal(fieldValue(opened.fields, 'content-type'), kept ? type : 'application/octet-stream')
    })
})

describe('the rest from the origin server', () => {
  const rest = { from: 4, size: 10, fields: [['ETag', '"one"']] as Fields }
  const open = (upstream: Upstream, over: object = {}) =>
    openRest(
      upstream,
      'http://o.test/x',
      [
        ['Accept', '*/*'],
        ['Range', 'bytes=0-1'],
        ['If-None-Match', '"z"'],
      ],
      { ...rest, ...over },
      never,
    )

  const SAME: FieldLine = ['ETag', '"one"']

  test('is asked for with Range and If-Range, without what the application asked for itself', async () => {
    const upstream = answering(206, [['Content-Range', 'bytes 4-9/10'], SAME], BODY.subarray(4))
    assert.equal(await text((await open(upstream)).body), '456789')
    assert.deepEqual(upstream.asked[0]?.fields, [
      ['Accept', '*/*'],
      ['Range', 'bytes=4-'],
      ['If-Range', '"one"'],
    ])
  })

  test('a weak entity tag is no validator for a range; without any the date is, where it is strong', async () => {
    const upstream = answering(206, [['Content-Range', 'bytes 4-9/10']], BODY.subarray(4))
    const modified: Fields = [['Last-Modified', 'Mon, 05 Jan 2026 10:00:00 GMT']]
    await open(upstream, { fields: [['ETag', 'W/"one"'], ...modified] })
    await open(upstream, { fields: [...modified, ['Date', 'Mon, 05 Jan 2026 10:00:00 GMT']] })
    await open(upstream, { fields: [...modified, ['Date', 'Mon, 05 Jan 2026 11:00:00 GMT']] })
    assert.deepEqual(
      upstream.asked.map(({ fields }) => fieldValue(fields, 'if-range')),
      [undefined, undefined, 'Mon, 05 Jan 2026 10:00:00 GMT'],
    )
  })

  test('a server that answers with the whole: what is here is passed over', async () => {
    const fields: Fields = [
      ['Content-Length', '10'],
      ['ETag', '"one"'],
    ]
    const opened = await open(answering(200, fields))
    assert.deepEqual([opened.from, await text(opened.body)], [4, '456789'])
  })

  for (const [name, upstream, code] of [
    ['the size has changed', answering(206, [['Content-Range', 'bytes 4-11/12']]), 'RESPONSE_CHANGED'],
    ['the whole has another size', answering(200, [['Content-Length', '12']]), 'RESPONSE_CHANGED'],
    ['another range', answering(206, [['Content-Range', 'bytes 0-9/10'], SAME]), 'RESPONSE_INVALID'],
    [
      'it does not say of which version',
      answering(206, [['Content-Range', 'bytes 4-9/10']]),
      'RESPONSE_CHANGED',
    ],
    ['no such range any more', answering(416, []), 'RESPONSE_CHANGED'],
    ['it is gone', answering(404, []), 'RESPONSE_CHANGED'],
  ] as const)
    test(`fails clearly: ${name}`, () =>
      assert.rejects(open(upstream), (error: unknown) => error instanceof Fault && error.code === code))
})
