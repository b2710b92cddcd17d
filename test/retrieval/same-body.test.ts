import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseTargetUri, type TargetUri } from '../../core/target-uri.ts'
import type { Fields } from '../../core/fields.ts'
import { field, sha256, world, type Scene } from './world.ts'

const BODY = 'a package'
const HERE = 'http://updates.test/mirror-a/x_1.deb'
const THERE = 'http://updates.test/mirror-b/x_1.deb'
const KNOWN = new Map([[uri(THERE), { algorithm: 'sha-256', hex: sha256(BODY) } as const]])
const FIELDS: Fields = [
  ['Content-Length', String(BODY.length)],
  ['Content-Type', 'application/vnd.debian.binary-package'],
  ['ETag', '"of the other server"'],
  ['Cache-Control', 'max-age=60'],
]

/** A node that has fetched the file under the first name. */
async function fetched(more: Partial<Scene> = {}, fields: Fields = FIELDS) {
  const node = world({
    origin: () => ({ status: 200, fields, body: BODY }),
    known: KNOWN,
    ...more,
    rule: { immutable: true, ...more.rule },
  })
  await node.get([], { url: HERE })
  return node
}

test('the same file under another name is a hit, when its digest is known', async () => {
  const node = await fetched()
  const given = await node.get([], { url: THERE })
  assert.deepEqual([given.text, given.how, node.origin.requests.length], [BODY, 'hit', 1])
  assert.equal(node.store.usage().bytes, BODY.length)
})

test('…for ranges and for only-if-cached too', async () => {
  for (const [name, value, expected] of [
    ['Range', 'bytes=2-4', 'pac'],
    ['Cache-Control', 'only-if-cached', BODY],
  ] as const) {
    const node = await fetched()
    const given = await node.get([[name, value]], { url: THERE })
    assert.deepEqual([given.text, given.how, node.origin.requests.length], [expected, 'hit', 1])
  }
})

test('it is offered to peers under that name', async () => {
  const node = await fetched()
  await node.get([], { url: THERE })
  assert.equal(node.lan.locate(THERE).kind, 'complete')
})

test("the other server's fields do not come along, but for an inert type", async () => {
  const node = await fetched()
  const given = await node.get([], { url: THERE })
  assert.deepEqual(
    ['content-type', 'etag', 'cache-control', 'age'].map((name) => field(given, name)),
    ['application/vnd.debian.binary-package', undefined, undefined, '0'],
  )
})

test('a page of another server does not become a page of this one', async () => {
  const node = await fetched({}, [['Content-Type', 'text/html']])
  assert.equal(field(await node.get([], { url: THERE }), 'content-type'), 'application/octet-stream')
})

for (const [what, more, fields, received] of [
  ['the digest is not known', { known: new Map() }, FIELDS, []],
  [
    'the body is another one',
    { known: new Map([[uri(THERE), { algorithm: 'sha-256', hex: sha256('other') } as const]]) },
    FIELDS,
    [],
  ],
  ['the name can change', { rule: { immutable: false } }, FIELDS, []],
  ['the rule does not share', { rule: { share: false } }, FIELDS, []],
  ['the body was not for everybody', {}, [...FIELDS, ['Vary', 'Accept-Language']], []],
  ['the body is coded', {}, [...FIELDS, ['Content-Encoding', 'gzip']], []],
  ['somebody in particular asks', {}, FIELDS, [['Authorization', 'Basic eDp5']]],
  ['the application wants it from the origin server', {}, FIELDS, [['Cache-Control', 'no-cache']]],
] as [string, Partial<Scene>, Fields, Fields][])
  test(`the origin server is asked when ${what}`, async () => {
    const node = await fetched(more, fields)
    const given = await node.get(received, { url: THERE })
    assert.deepEqual([given.text, given.how, node.origin.requests.length], [BODY, 'internet', 2])
  })

test('a body that is damaged is fetched from this server', async () => {
  const node = await fetched()
  node.store.remove(uri(HERE))
  const given = await node.get([], { url: THERE })
  assert.deepEqual([given.text, given.how, node.origin.requests.length], [BODY, 'internet', 2])
})

function uri(url: string): TargetUri {
  return parseTargetUri(url) as TargetUri
}
