import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { readHead, type ReadLine } from '../../../proxy/upstream/response-head.ts'

const line = fc.constantFrom(
  'Content-Length: 10',
  'Content-Length: 11',
  'content-length:10',
  'Transfer-Encoding: chunked',
  'Connection: close',
  'Connection: keep-alive, x',
  'Keep-Alive: timeout=5',
  'ETag: "a"',
  'ETag: "ab"',
  'ETag: "ab" ',
  'no field line',
)
const head = fc.array(line, { maxLength: 5 }).map((lines) => lines.map((each) => `${each}\r\n`).join(''))

/** The lines of a head that was read before. */
function linesOf(text: string): readonly ReadLine[] {
  const read = readHead(text, 'GET')
  return 'flaw' in read ? [] : read.lines
}

test('property: a head is read as the same, whatever head came before it', () => {
  fc.assert(
    fc.property(head, head, (before, after) => {
      const text = `HTTP/1.1 200 OK\r\n${after}`
      const likely = linesOf(`HTTP/1.1 200 OK\r\n${before}`)
      assert.deepEqual(readHead(text, 'GET', likely), readHead(text, 'GET'))
    }),
    { numRuns: 1000 },
  )
})

test('lines that are repeated are the very same', () => {
  const text = 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\nETag: "a"\r\n'
  const likely = linesOf(text)
  const read = readHead(text.replace('"a"', '"b"'), 'GET', likely)
  assert.ok(!('flaw' in read))
  assert.equal(read.lines[0], likely[0])
  assert.deepEqual(read.fields[1], ['ETag', '"b"'])
})
