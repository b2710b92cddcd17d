import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decode, encode, fit } from '../../peering/codec.ts'
import { downloadsIn, endsIn, MAX_FURTHER, offersIn, questionsIn } from '../../peering/further.ts'
import type {
  DownloadingPacket,
  EndRequestPacket,
  LocalAlias,
  RequestId,
  ResponsePacket,
} from '../../peering/packets.ts'
import { address, ALIAS, nodeId, placeAt, plainRequest } from './fixtures.ts'

const PEER = address(7)
const id = (number: number) => number as RequestId
const alias = (number: number) => number.toString(16).padStart(64, '0') as LocalAlias
const name = (number: number) => `http://deb.example.org/pool/${number}.deb`
const numbers = (count: number) => Array.from({ length: count }, (_, at) => at + 2)

const asking = (count: number) =>
  plainRequest(1, { href: name(1), more: numbers(count).map((each) => ({ id: id(each), href: name(each) })) })

const offering = (count: number): ResponsePacket => ({
  type: 'response',
  id: id(1),
  node: nodeId(7),
  nonce: 'f'.repeat(32),
  extras: [],
  location: placeAt(PEER),
  size: 1000,
  digest: { algorithm: 'sha-256', hex: 'd'.repeat(64) },
  etag: '"e"',
  lastModified: undefined,
  ageSeconds: 5,
  version: undefined,
  more: numbers(count).map((each) => ({ id: id(each), alias: alias(each), size: 1000 + each })),
})

const loading = (more: DownloadingPacket['more']): DownloadingPacket => ({
  type: 'downloading',
  id: id(1),
  node: nodeId(7),
  nonce: 'f'.repeat(32),
  extras: [],
  resource: name(1),
  location: placeAt(PEER),
  receivedBytes: 1,
  totalBytes: undefined,
  bytesPerSecond: undefined,
  more,
})

const ending = (count: number): EndRequestPacket => ({
  ...plainRequest(1),
  type: 'end-request',
  more: numbers(count).map(id),
})

/** What a datagram with this attribute is refused for. */
function reasonFor(type: string, more: string): string {
  const rest = type === 'response' ? `href="${placeAt(PEER)}"` : `href="${name(1)}" received="1"`
  const decoded = decode(Buffer.from(`<service type="${type}" version="1.0" ID="1" ${rest} more="${more}"/>`))
  return decoded.kind === 'malformed' ? `${decoded.reason} ${decoded.detail}` : 'read'
}

test(`a packet has ${MAX_FURTHER} names, offers or ends beside its first; with one more it is not written`, () => {
  for (const packetOf of [asking, offering, ending]) {
    assert.notEqual(encode(packetOf(MAX_FURTHER)), undefined)
    assert.equal(encode(packetOf(MAX_FURTHER + 1)), undefined)
  }
})

test('names that begin alike have their beginning once', () => {
  const bytes = Buffer.from(encode(asking(2)) ?? []).toString()
  assert.match(bytes, / more="http:\/\/deb\.example\.org\/pool\/ 2\.2\.deb 3\.3\.deb"/)
})

const READ: readonly (readonly [type: string, more: string])[] = [
  ['request', 'http://a/ 2.b'],
  ['request', 'http://a/b 2.'],
  ['request', ' 2.http://a/b 3.urn:x'],
  ['end-request', '2 3'],
  ['response', `2.${'A'.repeat(43)}.`],
  ['response', `2.${'A'.repeat(43)}.10`],
  ['downloading', '2.0...'],
  ['downloading', `2.5.10.3.${'A'.repeat(43)}`],
]

const REFUSED: readonly (readonly [type: string, more: string, why: string])[] = [
  ['request', '', 'nothing'],
  ['request', 'http://a/', 'a beginning alone'],
  ['request', 'http://a/ 2.b 2.c', 'a number twice'],
  ['request', 'http://a/ 2.b 3.b', 'a name twice'],
  ['request', 'http://a/ 02.b', 'a number that is none'],
  ['request', 'http://a/ 4294967296.b', 'a number that is too large'],
  ['request', 'a/ 2.b', 'what is no URI'],
  ['request', 'http://a/  2.b', 'two spaces'],
  [
    'request',
    `http://a/${Array.from({ length: MAX_FURTHER + 1 }, (_, at) => ` ${at}.${at}`).join('')}`,
    'eleven',
  ],
  ['end-request', '2 x', 'a number that is none'],
  ['end-request', '2 2', 'a number twice'],
  ['end-request', Array.from({ length: MAX_FURTHER + 1 }, (_, at) => at).join(' '), 'eleven'],
  ['response', `2.${'A'.repeat(43)}`, 'no place for a size'],
  ['response', `2.${'A'.repeat(42)}B.`, 'an alias in another spelling'],
  ['response', `2.${'A'.repeat(44)}.`, 'an alias that is too long'],
  ['response', `2.${'A'.repeat(43)}.1.2`, 'more than is known'],
  ['response', `2.${'A'.repeat(43)}.-1`, 'a size that is none'],
  ['downloading', '2....', 'nothing received'],
  ['downloading', '2.0..', 'too little'],
  ['downloading', '2.0....', 'too much'],
  ['downloading', '2.0.x..', 'a total that is none'],
  ['downloading', '2.0...A', 'an alias that is none'],
]

for (const [type, more] of READ)
  test(`${type} with more="${more.slice(0, 30)}" is read`, () => assert.equal(reasonFor(type, more), 'read'))

for (const [type, more, why] of REFUSED)
  test(`${type} with ${why} is malformed`, () => assert.equal(reasonFor(type, more), 'bad-attribute more'))

test('a packet with many names is as many packets with one', () => {
  const asked = questionsIn(asking(2))
  assert.deepEqual(
    asked,
    [1, 2, 3].map((each) => plainRequest(each, { href: name(each) })),
  )
  assert.deepEqual(
    endsIn(ending(2)).map((end) => [end.id, end.more]),
    [1, 2, 3].map((each) => [each, []]),
  )
})

test('further copies are on the port of the first, and nothing else is said of them', () => {
  const [first, second] = offersIn(offering(1))
  assert.deepEqual(first, offering(0))
  const untold = { digest: undefined, etag: undefined, ageSeconds: undefined }
  const location = placeAt(PEER).replace(ALIAS, alias(2))
  assert.deepEqual(second, { ...offering(0), ...untold, id: 2, size: 1002, location })
})

test('further downloads are of the questions with these numbers; of those that are over nothing is made', () => {
  const figures = { receivedBytes: 5, totalBytes: 10, bytesPerSecond: 3 }
  const more = [2, 3].map((each) => ({ id: id(each), alias: alias(each), ...figures }))
  const resourceOf = (number: RequestId) => (number === 3 ? name(3) : undefined)
  const [first, second, third] = downloadsIn(loading(more), resourceOf)
  assert.deepEqual(first, loading([]))
  const location = placeAt(PEER).replace(ALIAS, alias(3))
  assert.deepEqual(second, { ...loading([]), ...figures, id: 3, resource: name(3), location })
  assert.equal(third, undefined)
  const unplaced = downloadsIn({ ...loading(more), location: undefined }, resourceOf)
  assert.equal(unplaced[1]?.location, undefined)
})

test('where room is short, further offers lose their sizes with the first', () => {
  const packet = offering(3)
  const whole = encode(packet)?.length ?? 0
  const withoutSizes = encode({
    ...offering(3),
    size: undefined,
    digest: undefined,
    etag: undefined,
    ageSeconds: undefined,
    more: packet.more.map((each) => ({ ...each, size: undefined })),
  })
  assert.deepEqual(fit(packet, whole)?.length, whole)
  assert.deepEqual(fit(packet, withoutSizes?.length ?? 0), withoutSizes)
  assert.equal(fit(packet, (withoutSizes?.length ?? 0) - 1), undefined)
})
