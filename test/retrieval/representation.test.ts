import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Fields } from '../../core/fields.ts'
import { fieldValue } from '../../core/fields.ts'
import { seededRandom } from '../../core/random.ts'
import { answerWith, type Representation } from '../../retrieval/representation.ts'

const BODY = Buffer.from('0123456789abcdefghij')
const stored = (changes: Partial<Representation> = {}): Representation => ({
  status: 200,
  fields: [
    ['Content-Type', 'application/x-thing'],
    ['ETag', '"one"'],
    ['Last-Modified', 'Mon, 05 Jan 2026 10:00:00 GMT'],
    ['Date', 'Mon, 05 Jan 2026 12:00:00 GMT'],
  ],
  size: BODY.length,
  read: async function* ({ start, end }) {
    yield BODY.subarray(start, end)
  },
  ...changes,
})

async function answered(fields: Fields, method = 'GET', changes: Partial<Representation> = {}) {
  const answer = answerWith(stored(changes), { method, fields }, seededRandom(1))
  const chunks: Uint8Array[] = []
  for await (const chunk of answer.body ?? []) chunks.push(chunk)
  const body = answer.body && Buffer.concat(chunks).toString()
  return { status: answer.status, body, field: (name: string) => fieldValue(answer.fields, name) }
}

describe('a stored response made into an answer', () => {
  test('whole, with its length and the word that ranges work', async () => {
    const { status, body, field } = await answered([])
    assert.deepEqual(
      [status, body, field('content-length'), field('accept-ranges')],
      [200, BODY.toString(), '20', 'bytes'],
    )
  })

  test('HEAD has the fields of GET and no body', async () => {
    const { status, body, field } = await answered([], 'HEAD')
    assert.deepEqual([status, body, field('content-length')], [200, undefined, '20'])
  })

  test('one range', async () => {
    const { status, body, field } = await answered([['Range', 'bytes=5-9']])
    assert.deepEqual(
      [status, body, field('content-range'), field('content-length')],
      [206, '56789', 'bytes 5-9/20', '5'],
    )
  })

  test('the last bytes', async () => assert.equal((await answered([['Range', 'bytes=-3']])).body, 'hij'))

  test('several ranges are multipart, and as long as Content-Length says', async () => {
    const { status, body = '', field } = await answered([['Range', 'bytes=0-1,18-']])
    assert.equal(status, 206)
    assert.match(field('content-type') ?? '', /^multipart\/byteranges; boundary=/)
    assert.match(body, /Content-Range: bytes 0-1\/20\r\n\r\n01\r\n--/)
    assert.match(
      body,
      /Content-Type: application\/x-thing\r\nContent-Range: bytes 18-19\/20\r\n\r\nij\r\n--.*--\r\n$/s,
    )
    assert.equal(Buffer.byteLength(body), Number(field('content-length')))
  })

  test('no byte of the range is there: 416 with the size', async () => {
    const { status, body, field } = await answered([['Range', 'bytes=20-']])
    assert.deepEqual([status, body, field('content-range')], [416, undefined, 'bytes */20'])
  })

  test('a range that cannot be read is ignored', async () =>
    assert.equal((await answered([['Range', 'bytes=x']])).status, 200))

  test('If-Range with the same entity tag continues, with another one starts again', async () => {
    assert.equal(
      (
        await answered([
          ['Range', 'bytes=5-'],
          ['If-Range', '"one"'],
        ])
      ).status,
      206,
    )
    assert.equal(
      (
        await answered([
          ['Range', 'bytes=5-'],
          ['If-Range', '"two"'],
        ])
      ).status,
      200,
    )
    assert.equal(
      (
        await answered([
          ['Range', 'bytes=5-'],
          ['If-Range', 'Mon, 05 Jan 2026 10:00:00 GMT'],
        ])
      ).status,
      206,
    )
  })

  test('a condition that holds is 304 without a body, one that fails 412', async () => {
    const unchanged = await answered([['If-None-Match', '"zero", "one"']])
    assert.deepEqual([unchanged.status, unchanged.body, unchanged.field('etag')], [304, undefined, '"one"'])
    assert.equal((await answered([['If-Match', '"two"']])).status, 412)
  })

  test('ranges of a copy whose size is not known yet are answered with the whole', async () => {
    const { status, field } = await answered([['Range', 'bytes=5-9']], 'GET', { size: undefined })
    assert.deepEqual([status, field('content-length')], [200, undefined])
  })

  test('an empty body has no range', async () => {
    const { status } = await answered([['Range', 'bytes=0-']], 'GET', { size: 0 })
    assert.equal(status, 416)
  })
})
