/** What holds for every packet and for whatever else arrives; fast-check prints the seed of a failure. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { FULL_ABILITY } from '../../peering/ability.ts'
import { decode, DECODE_FAILURES, encode } from '../../peering/codec.ts'
import type { Decoded } from '../../peering/codec.ts'
import { readElement } from '../../peering/service-element.ts'
import { MAX_FURTHER } from '../../peering/further.ts'
import { MAX_PACKET_BYTES } from '../../peering/packets.ts'
import type { LocalAlias, NodeId, RequestId, ServicePacket } from '../../peering/packets.ts'
import type { ResourceKey } from '../../peering/summary.ts'

const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined })
const hexDigit = fc.constantFrom(...'0123456789abcdef'.split(''))
const digits = (length: number) => fc.string({ unit: hexDigit, minLength: length, maxLength: length })
const visible = (maxLength: number) =>
  fc
    .array(fc.integer({ min: 0x21, max: 0x7e }), { minLength: 1, maxLength })
    .map((codes) => String.fromCharCode(...codes))
const count = fc.maxSafeNat()
const uri = fc
  .tuple(fc.constantFrom('http', 'https', 'urn', 'a+b.c-d'), visible(60))
  .map(([scheme, rest]) => `${scheme}:${rest}`)
const place = visible(40).map((path) => `http://10.0.0.1:6515/${path}`)
const digest = fc.oneof(
  fc.record({ algorithm: fc.constantFrom('sha-256' as const, 'blake2b-256' as const), hex: digits(64) }),
  fc.record({ algorithm: fc.constant('sha-512' as const), hex: digits(128) }),
)
const printable = fc
  .string({ unit: 'binary', maxLength: 10 })
  .filter((text) => !/[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}]/u.test(text))
const extras = fc.uniqueArray(
  fc.tuple(
    fc.oneof(
      fc.constantFrom('constructor', 'toString', 'x-1', 'id', 'Type', 'A.b_c'),
      digits(4).map((tail) => `x${tail}`),
    ),
    printable,
  ),
  { selector: ([name]) => name, maxLength: 2 },
)
const shared = {
  id: fc.integer({ min: 0, max: 2 ** 32 - 1 }) as fc.Arbitrary<RequestId>,
  node: maybe(digits(32)) as fc.Arbitrary<NodeId | undefined>,
  nonce: maybe(digits(32)),
  extras,
}
const size = maybe(count)
const id = fc.integer({ min: 0, max: 2 ** 32 - 1 }) as fc.Arbitrary<RequestId>
const alias = digits(64) as fc.Arbitrary<LocalAlias>
const byId = { selector: ({ id: number }: { id: RequestId }) => number, maxLength: MAX_FURTHER }
const furtherQuestions = fc
  .uniqueArray(fc.record({ id, href: uri }), byId)
  .filter((list) => new Set(list.map(({ href }) => href)).size === list.length)
/** With the longest of everything else fewer fit: who offers looks for room (peering/answers.ts). */
const furtherOffers = fc.uniqueArray(fc.record({ id, alias, size }), { ...byId, maxLength: 8 })
const furtherDownloads = fc.uniqueArray(
  fc.record({ id, alias: maybe(alias), receivedBytes: count, totalBytes: size, bytesPerSecond: size }),
  { ...byId, maxLength: 6 },
)
const furtherEnds = fc.uniqueArray(id, { maxLength: MAX_FURTHER })
const edition = fc.record({ edition: fc.integer({ min: 0, max: 2 ** 32 - 1 }), number: count, keys: count })

const ability = maybe(fc.integer({ min: 0, max: FULL_ABILITY }))

const records: fc.Arbitrary<ServicePacket> = fc.oneof(
  fc.record({
    ...shared,
    type: fc.constant('request' as const),
    href: uri,
    method: fc.constant('get' as const),
    acceptProtocol: fc.constant('http' as const),
    cachedOnly: fc.boolean(),
    maxDelayMs: maybe(fc.nat(60_000)),
    ability,
    more: furtherQuestions,
  }),
  fc.record({ ...shared, type: fc.constant('end-request' as const), href: maybe(uri), more: furtherEnds }),
  fc.record({
    ...shared,
    type: fc.constant('response' as const),
    location: place,
    size,
    digest: maybe(digest),
    etag: maybe(fc.constantFrom('""', 'W/"<&>\'"', '"5f3"')),
    lastModified: maybe(fc.constant('Sun, 06 Nov 1994 08:49:37 GMT')),
    ageSeconds: maybe(count),
    version: maybe(visible(20)),
    more: fc.oneof(fc.constant([]), furtherOffers),
  }),
  fc.record({
    ...shared,
    type: fc.constant('downloading' as const),
    resource: uri,
    location: maybe(place),
    receivedBytes: count,
    totalBytes: size,
    bytesPerSecond: maybe(count),
    ability,
    more: fc.oneof(fc.constant([]), furtherDownloads),
  }),
  fc.record({
    ...shared,
    type: fc.constant('download-complete' as const),
    resource: uri,
    location: maybe(place),
    size,
    digest: maybe(digest),
  }),
  fc.record({
    ...shared,
    type: fc.constant('download-failed' as const),
    resource: uri,
    isForEach: fc.boolean(),
  }),
  fc.record({
    ...shared,
    type: fc.constant('presence' as const),
    node: digits(32) as fc.Arbitrary<NodeId>,
    filePort: fc.integer({ min: 1, max: 65_535 }),
    reply: fc.boolean(),
    leaving: fc.boolean(),
    summary: maybe(edition),
  }),
  fc.record({
    ...shared,
    type: fc.constant('advertise' as const),
    node: digits(32) as fc.Arbitrary<NodeId>,
    summary: edition,
    keys: fc.array(digits(16) as fc.Arbitrary<ResourceKey>, { minLength: 1, maxLength: 50 }),
  }),
  fc.record({
    ...shared,
    type: fc.constant('application' as const),
    name: fc.oneof(
      fc.constantFrom('election', 'constructor', 'application'),
      digits(3).map((tail) => `t-${tail}`),
    ),
  }),
)

/** fast-check's records have no prototype, ours do. */
const packets = records.map((record) => structuredClone(record))

/** What `encode` gives when it gives something. */
const datagrams = packets.map((packet) => encode(packet) ?? new Uint8Array())

function isOutcome(decoded: Decoded): boolean {
  return decoded.kind === 'packet' || DECODE_FAILURES.includes(decoded.reason)
}

test('every packet is read as it was written', () => {
  fc.assert(
    fc.property(packets, (packet) => {
      const bytes = encode(packet)
      assert.ok(bytes && bytes.length <= MAX_PACKET_BYTES)
      assert.deepEqual(decode(bytes), { kind: 'packet', packet })
    }),
  )
})

test('arbitrary bytes are a packet or a reason, never an exception', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 1300 }),
      fc.constantFrom('', '<service ', '<?xml '),
      (bytes, opening) => {
        const decoded = decode(Buffer.concat([Buffer.from(opening), bytes]))
        assert.ok(isOutcome(decoded))
      },
    ),
  )
})

const MARKUP = ['<service', '<', '>', '/>', '</service>', '<!--', '-->', '<?xml', '?>', '<![CDATA[', ']]>']
const TEXT = ['&', ';', '&#', '=', '"', "'", ' ', '\n', 'x', '\0', '\ufeff', ':', '007']
const PIECES = [...MARKUP, ...TEXT, 'type="t"', ' version="1.0"', ' ID="1"', ' __proto__="x"']

test('arbitrary pieces of XML are a packet or a reason, never an exception', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...PIECES), { maxLength: 40 }), (parts) => {
      assert.ok(isOutcome(decode(Buffer.from(`<service${parts.join('')}`))))
    }),
    { numRuns: 500 },
  )
})

test('a packet in which bytes were changed, put in or cut off is read anew or refused, and what is read can be told on', () => {
  const change = fc.tuple(fc.nat(MAX_PACKET_BYTES), fc.nat(2), fc.uint8Array({ maxLength: 4 }))
  fc.assert(
    fc.property(datagrams, fc.array(change, { minLength: 1, maxLength: 4 }), (bytes, changes) => {
      let mutated: Uint8Array = bytes
      for (const [at, removed, added] of changes) {
        const start = at % (mutated.length + 1)
        mutated = Buffer.concat([mutated.subarray(0, start), added, mutated.subarray(start + removed)])
      }
      const decoded = decode(mutated)
      if (decoded.kind === 'malformed') return
      const again = encode(decoded.packet)
      if (again !== undefined) assert.deepEqual(decode(again), decoded)
      else assert.ok(mutated.length > MAX_PACKET_BYTES / 2, 'only too long a packet may be lost')
    }),
    { numRuns: 500 },
  )
})

test('what has the form that we write is read as the XML library reads it', () => {
  const name = fc.oneof(visible(6), fc.constantFrom('type', 'node', 'xmlns', 'A.b-c', '__proto__'))
  const value = fc.oneof(
    visible(12),
    fc.constantFrom('a b', '&quot;', '&amp;', '&#10;', '&#x41;', '&no;', ''),
  )
  fc.assert(
    fc.property(fc.array(fc.tuple(name, value), { maxLength: 4 }), (pairs) => {
      const text = `<service${pairs.map(([each, is]) => ` ${each}="${is}"`).join('')}/>`
      // The line feed leaves the meaning as it is, and the form behind.
      const [short, long] = [text, `${text}\n`].map((each) => readElement(new TextEncoder().encode(each)))
      assert.deepEqual(short, long)
    }),
    { numRuns: 2000 },
  )
})
