import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { decode, DECODE_FAILURES, encode, fit, padded } from '../../peering/codec.ts'
import type { Decoded } from '../../peering/codec.ts'
import { MAX_PACKET_BYTES, MIN_REQUEST_BYTES } from '../../peering/packets.ts'
import type {
  ApplicationPacket,
  Extras,
  NodeId,
  RequestId,
  RequestPacket,
  ResponsePacket,
  ServicePacket,
} from '../../peering/packets.ts'

const bytesOf = (text: string) => new TextEncoder().encode(text)
const textOf = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes)

/** As in packets.md: absent fields left out, a refusal by its reason. */
function plainly(decoded: Decoded): unknown {
  if (decoded.kind === 'packet') return JSON.parse(JSON.stringify(decoded.packet))
  return { malformed: decoded.reason, detail: decoded.detail }
}

function reasonOf(datagram: string): string {
  const decoded = decode(bytesOf(datagram))
  return decoded.kind === 'packet' ? 'packet' : decoded.reason
}

function packetOf(decoded: Decoded): ServicePacket {
  assert.ok(decoded.kind === 'packet', JSON.stringify(decoded))
  return decoded.packet
}

const CASE = /^### (.+)\n(?:(?!^#|^```)[^\n]*\n)*```(xml|hex)\n([^]*?)\n```\n\n```json\n([^]*?)\n```$/gm

test('the document of datagrams', async (t) => {
  const document = readFileSync(new URL('packets.md', import.meta.url), 'utf8').replaceAll('\r\n', '\n')
  const cases = [...document.matchAll(CASE)]
  assert.equal(cases.length, document.match(/^### /gm)?.length, 'a section without its two blocks')
  for (const [, title = '', kind, datagram = '', expected = ''] of cases) {
    await t.test(title, () => {
      const bytes = kind === 'hex' ? Buffer.from(datagram, 'hex') : bytesOf(datagram)
      const reading = plainly(decode(bytes))
      const wanted: object = JSON.parse(expected)
      const hasDetail = !('malformed' in wanted) || 'detail' in wanted
      assert.deepEqual(hasDetail ? reading : { malformed: (reading as typeof wanted).malformed }, wanted)
    })
  }
  await t.test('shows every reason, but the one that needs a long datagram', () => {
    const shown = new Set(
      Array.from(document.matchAll(/"malformed": "([a-z0-9-]+)"/g), ([, reason]) => reason),
    )
    assert.deepEqual(
      DECODE_FAILURES.filter((reason) => !shown.has(reason)),
      ['too-long'],
    )
  })
})

const hex = (digits: number) => '0123456789abcdef'.repeat(8).slice(0, digits)

const common = { id: 2864434397 as RequestId, node: hex(32) as NodeId, nonce: hex(32), extras: [] }
const url = 'http://deb.example.org/pool/main/c/curl/curl_7.88.1-10_amd64.deb'
const location = `http://192.168.100.100:6515/${hex(64)}`

const request: RequestPacket = {
  ...common,
  type: 'request',
  more: [],
  href: url,
  method: 'get',
  acceptProtocol: 'http',
  cachedOnly: true,
  maxDelayMs: 15,
  ability: undefined,
}

const response: ResponsePacket = {
  ...common,
  type: 'response',
  more: [],
  location,
  size: 315_204,
  digest: { algorithm: 'sha-256', hex: hex(64) },
  etag: '"4cf44-5f3e"',
  lastModified: 'Sun, 06 Nov 1994 08:49:37 GMT',
  ageSeconds: 3600,
  version: undefined,
}

const application: ApplicationPacket = { ...common, type: 'application', name: 'license-count' }

test('typical packets are about as long as the patents say, in bytes', () => {
  const copy = { ...common, resource: url, location }
  const typical: readonly (readonly [ServicePacket, number])[] = [
    [request, 268],
    [padded(request), 420],
    [{ ...common, type: 'end-request', more: [], href: url }, 212],
    [response, 415],
    [
      {
        ...copy,
        type: 'downloading',
        more: [],
        receivedBytes: 131_072,
        totalBytes: 315_204,
        bytesPerSecond: 262_144,
      },
      363,
    ],
    [{ ...copy, type: 'download-complete', size: 315_204, digest: undefined }, 336],
    [{ ...common, type: 'download-failed', resource: url }, 216],
    [{ ...common, type: 'presence', filePort: 6515, reply: true, leaving: false, summary: undefined }, 161],
  ]
  for (const [packet, bytes] of typical) assert.equal(encode(packet)?.length, bytes, packet.type)
})

function ofLength(bytes: number): string {
  const [head, tail] = ['<service type="t" version="1.0" ID="1" a="', '"/>']
  return `${head}${'.'.repeat(bytes - head.length - tail.length)}${tail}`
}

test('a packet of 1200 bytes is read, one of 1201 is too long', () => {
  assert.equal(reasonOf(ofLength(MAX_PACKET_BYTES)), 'packet')
  assert.equal(reasonOf(ofLength(MAX_PACKET_BYTES + 1)), 'too-long')
})

test('a question too long for a datagram, or with too long a URL, is not encoded', () => {
  const asking = (length: number) => encode({ ...request, href: `http:${'x'.repeat(length)}` })
  assert.equal(asking(991)?.length, 1200)
  assert.equal(asking(992), undefined)
  const short = { ...request, node: undefined, nonce: undefined }
  assert.notEqual(encode({ ...short, href: `urn:${'x'.repeat(1000)}` }), undefined)
  assert.equal(encode({ ...short, href: `urn:${'x'.repeat(1001)}` }), undefined)
})

test('padding makes a question as long as its answer may be, and is gone when it is read', () => {
  for (const toBytes of [0, 268, 269, 274, 275, 276, MIN_REQUEST_BYTES, 1190]) {
    const bytes = encode(padded(request, toBytes))
    assert.ok(bytes)
    assert.ok(bytes.length >= toBytes && bytes.length <= Math.max(268, toBytes + 7), `${bytes.length} bytes`)
    assert.deepEqual(packetOf(decode(bytes)), request)
  }
})

test('a question that cannot be encoded is not made any better by padding', () => {
  const endless: RequestPacket = { ...request, href: `http:${'x'.repeat(2000)}` }
  assert.equal(padded(endless), endless)
})

test('an answer is never longer than the limit, and leaves out the least useful first', () => {
  const all: ResponsePacket = { ...response, version: '7.88.1-10', extras: [['mood', 'fine']] }
  const kept = new Set<string>()
  for (let limit = MAX_PACKET_BYTES; limit > 0; limit -= 1) {
    const bytes = fit(all, limit)
    if (bytes === undefined) break
    assert.ok(bytes.length <= limit)
    kept.add(
      textOf(bytes)
        .match(/(size|digest|age|etag|modified|release|mood)=/g)
        ?.join('') ?? '',
    )
  }
  assert.deepEqual(
    [...kept],
    [
      'size=digest=age=etag=modified=release=mood=',
      'size=digest=age=etag=modified=release=',
      'size=digest=age=modified=release=',
      'size=digest=age=release=',
      'size=digest=age=',
      'size=age=',
      'size=',
      '',
    ],
  )
})

test('the answer to a plain question fits into 256 bytes, with its size and age', () => {
  const largest = { ...response, id: 4294967295 as RequestId, nonce: undefined, size: 2 ** 40 }
  const bytes = fit(largest, 256)
  assert.ok(bytes)
  const { digest, etag, lastModified, ...rest } = packetOf(decode(bytes)) as ResponsePacket
  assert.deepEqual([digest, etag, lastModified], [undefined, undefined, undefined])
  assert.deepEqual([rest.size, rest.ageSeconds, rest.node, rest.location], [2 ** 40, 3600, hex(32), location])
})

test('an answer for which there is no room at all is not sent', () => {
  assert.equal(fit(response, 200), undefined)
})

test('a validator that no packet can hold does not keep the answer from being sent', () => {
  assert.deepEqual(packetOf(decode(fit({ ...response, etag: '"ä"' }, 420) ?? new Uint8Array())), {
    ...response,
    etag: undefined,
  })
})

test('a measured number is rounded, an impossible one is not sent', () => {
  const rounded = encode({ ...request, maxDelayMs: 4.5 })
  assert.equal((packetOf(decode(rounded ?? new Uint8Array())) as RequestPacket).maxDelayMs, 5)
  for (const maxDelayMs of [-1, Number.NaN, Infinity, 1e21, 60_001])
    assert.equal(encode({ ...request, maxDelayMs }), undefined, String(maxDelayMs))
})

test('an extra attribute cannot pass for another one, or for markup', () => {
  const refused: readonly (readonly [string, string])[] = [
    ['ID', '2'],
    ['type', 'request'],
    ['version', '2.0'],
    ['node', hex(32)],
    ['a="1" ID', '2'],
    ['', 'x'],
    ['a b', 'x'],
    ['a:b', 'x'],
    ['xmlns', 'urn:x'],
    ['n'.repeat(65), 'x'],
    ['a', 'line\nbreak'],
    ['a', '\0'],
    ['a', '\ud800'],
    ['a', '\ufffe'],
  ]
  for (const extra of refused)
    assert.equal(encode({ ...application, extras: [extra] }), undefined, JSON.stringify(extra))
  const twice: Extras = [
    ['a', '1'],
    ['a', '2'],
  ]
  assert.equal(encode({ ...application, extras: twice }), undefined)
  assert.notEqual(encode({ ...application, extras: [['href', 'anything']] }), undefined)
})

test('an application cannot send a packet of ours under its own type', () => {
  for (const name of ['request', 'presence', 'a"b', ''])
    assert.equal(encode({ ...application, name }), undefined)
  assert.notEqual(encode({ ...application, name: 'application' }), undefined)
})

test('a packet cut short anywhere is refused', () => {
  const whole = encode(response)
  assert.ok(whole)
  for (let length = 0; length < whole.length; length += 1)
    assert.equal(decode(whole.subarray(0, length)).kind, 'malformed', `${length} bytes`)
})

test('reading a packet leaves no trace on the prototypes', () => {
  const before = Object.getOwnPropertyNames(Object.prototype)
  decode(
    bytesOf('<service type="__proto__" version="1.0" ID="1" __proto__="x" constructor="y" prototype="z"/>'),
  )
  assert.deepEqual(Object.getOwnPropertyNames(Object.prototype), before)
  assert.equal(({} as Record<string, unknown>)['x'], undefined)
})
