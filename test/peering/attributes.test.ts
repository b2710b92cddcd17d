import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decode } from '../../peering/codec.ts'

const hex = (digits: number) => '0123456789abcdef'.repeat(8).slice(0, digits)

function reasonOf(datagram: string): string {
  const decoded = decode(new TextEncoder().encode(datagram))
  return decoded.kind === 'packet' ? 'packet' : decoded.reason
}

type Datagram = (attributes: string) => string

const plain: Datagram = (attributes) => `<service version="1.0" ${attributes}/>`
const request: Datagram = (attributes) => plain(`type="request" ID="1" href="http://a/" ${attributes}`)
const response: Datagram = (attributes) => plain(`type="response" ID="1" href="http://a/" ${attributes}`)
const presence: Datagram = (attributes) => plain(`type="presence" ID="1" node="${hex(32)}" ${attributes}`)

test('every attribute has its bounds', async (t) => {
  const bounds: readonly (readonly [datagram: Datagram, good: string, bad: readonly string[]])[] = [
    [plain, 'type="t" ID="4294967295"', ['type="t" ID="4294967296"', 'type="t" ID="-1"', 'type="t" ID="01"']],
    [
      plain,
      'type="t" ID="0"',
      ['type="t" ID="1.0"', 'type="t" ID="0x1"', 'type="t" ID=""', 'type="t" ID=" 1"'],
    ],
    [plain, `ID="1" type="${'t'.repeat(64)}"`, [`ID="1" type="${'t'.repeat(65)}"`, 'ID="1" type=""']],
    [request, `node="${hex(32)}"`, [`node="${hex(31)}"`, `node="${hex(33)}"`, `node="${hex(30)}AB"`]],
    [request, `nonce="${hex(32)}"`, [`nonce="${hex(31)}"`, `nonce="${hex(33)}"`, 'nonce=""']],
    [request, 'delay="60000"', ['delay="60001"', 'delay="-1"', 'delay="1e3"', 'delay="007"']],
    [request, 'cached="only"', ['cached="yes"', 'cached=""']],
    [response, 'size="9007199254740991"', ['size="9007199254740992"', `size="1${'0'.repeat(400)}"`]],
    [response, 'age="0"', ['age="-0"', 'age="1.5"', 'age="Infinity"']],
    [
      response,
      `etag="&quot;${'e'.repeat(200)}&quot;"`,
      [`etag="&quot;${'e'.repeat(201)}&quot;"`, 'etag="x"'],
    ],
    [response, `release="${'v'.repeat(64)}"`, [`release="${'v'.repeat(65)}"`, 'release="a b"', 'release=""']],
    [response, 'modified="Sun, 06 Nov 1994 08:49:37 GMT"', ['modified="1994-11-06"', 'modified=""']],
    [response, `digest="sha-512:${hex(128)}"`, [`digest="sha-512:${hex(64)}"`, `digest="md5:${hex(32)}"`]],
    [response, `digest="blake2b-256:${hex(64)}"`, [`digest="${hex(64)}"`, `digest="sha-256:${hex(64)}:"`]],
    [
      response,
      `digest="sha-256:${hex(64)}"`,
      [`digest="sha-256:${hex(62)}AB"`, `digest="sha-256:${hex(65)}"`],
    ],
    [presence, 'port="65535"', ['port="65536"', 'port="0"']],
    [presence, 'port="1" reply="yes"', ['port="1" reply="no"', 'port="1" leaving="1"']],
  ]
  for (const [datagram, good, bad] of bounds) {
    await t.test(good.slice(0, 60), () => {
      assert.equal(reasonOf(datagram(good)), 'packet')
      for (const each of bad) assert.equal(reasonOf(datagram(each)), 'bad-attribute', each)
    })
  }
})

const asking = (href: string) => reasonOf(plain(`type="request" ID="1" href="${href}"`))
const offering = (href: string) => reasonOf(plain(`type="response" ID="1" href="${href}"`))

test('a URI has a scheme, visible ASCII characters only, and a bounded length', () => {
  for (const good of ['http://a/', 'urn:x', 'function:internet-gateway', `u:${'x'.repeat(1000)}`])
    assert.equal(asking(good), 'packet', good)
  for (const bad of ['', 'http:', '//a/', 'http://a/ b', 'http://ä/', '1:x', `u:${'x'.repeat(1001)}`])
    assert.equal(asking(bad), 'bad-attribute', bad)
  assert.equal(asking(`${'u'.repeat(32)}:x`), 'packet')
  assert.equal(asking(`${'u'.repeat(33)}:x`), 'bad-attribute')
})

test('a location is an http URL without userinfo', () => {
  for (const good of [
    `http://192.168.100.100:6515/${hex(64)}`,
    'http://[fe80::1]:6515/x',
    'http://a/',
    `http://a/${'x'.repeat(400)}`,
  ])
    assert.equal(offering(good), 'packet', good)
  for (const bad of ['https://a/', 'file:///x', 'http://a', 'http:///', 'http://u:p@a/', 'http://a/ b'])
    assert.equal(offering(bad), 'bad-attribute', bad)
  assert.equal(offering(`http://a/${'x'.repeat(401)}`), 'bad-attribute')
  assert.equal(offering(`http://${'a'.repeat(81)}/`), 'bad-attribute')
})
