/** Fuzzed: what applications, origin servers and peers write into field lines, and packets. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasDirective, parseDirectives } from '../../cache/semantics/cache-control.ts'
import { maySharePeerwise } from '../../cache/semantics/sharing-gate.ts'
import { contentRange, MAX_RANGES, parseContentRange, parseRange } from '../../core/ranges.ts'
import { decode, DECODE_FAILURES, encode } from '../../peering/codec.ts'
import { corpusOf, fuzz } from './corpora.ts'

const SIZE = 1000

const text = (bytes: Buffer) => bytes.toString('latin1')

const ranges = corpusOf('ranges', (bytes) => {
  const spans = parseRange(text(bytes), SIZE)
  return spans === undefined
    ? 'ignored'
    : spans.map(({ start, end }) => `${start}-${end}`).join(' ') || 'none'
})

test('whatever a Range field says, no byte is asked for that is not there, and not too many pieces', () => {
  fuzz(ranges.mutants, (bytes) => {
    const spans = parseRange(text(bytes), SIZE)
    for (const { start, end } of spans ?? []) assert.ok(0 <= start && start < end && end <= SIZE)
    assert.ok((spans ?? []).length <= MAX_RANGES)
    assert.deepEqual(parseRange(text(bytes), 0) ?? [], [])
    const part = parseContentRange(text(bytes))
    if (part === undefined) return
    assert.ok(part.start < part.end && part.end <= (part.size ?? Infinity))
    assert.deepEqual(parseContentRange(contentRange(part, part.size)), part)
  })
})

const controls = corpusOf('cache-control', (bytes) => {
  const { list, syntaxError, conflict } = parseDirectives(text(bytes).split('\n'))
  const said = list.map(({ name, argument }) =>
    argument === undefined ? name : `${name}=${JSON.stringify(argument)}`,
  )
  return [...said, ...(syntaxError ? ['(syntax error)'] : []), ...(conflict ? ['(conflict)'] : [])].join(', ')
})

const shares = (control: string) =>
  maySharePeerwise(
    { method: 'GET', uri: 'http://a.test/x', fields: [] },
    { status: 200, fields: control.split('\n').map((line) => ['Cache-Control', line]) },
    { share: true },
    'none',
  ).kind === 'share'

test('whatever stands in Cache-Control, what says private on a line of its own stays here', () => {
  fuzz(controls.mutants, (bytes) => {
    const control = text(bytes)
    for (const restriction of ['private', 'No-Store', 'no-cache="a"', 'private=""']) {
      assert.equal(shares(`${control}\n${restriction}`), false)
      assert.equal(shares(`${restriction}\n${control}`), false)
      assert.equal(shares(`${restriction}, ${control}`), false)
    }
    const directives = parseDirectives(control.split('\n'))
    if (['private', 'no-store', 'no-cache'].some((name) => hasDirective(directives, name)))
      assert.equal(shares(control), false)
  })
})

const packets = corpusOf('packets', (bytes) => {
  const decoded = decode(bytes)
  return decoded.kind === 'malformed' ? decoded.reason : JSON.stringify(decoded.packet)
})

test('whatever a datagram is, it is a packet that can be told on, or a reason', () => {
  fuzz(packets.mutants, (bytes) => {
    const decoded = decode(bytes)
    if (decoded.kind === 'malformed') return assert.ok(DECODE_FAILURES.includes(decoded.reason))
    const again = encode(decoded.packet)
    if (again !== undefined) assert.deepEqual(decode(again), decoded)
  })
})
