import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { fieldValue, type Fields } from '../../core/fields.ts'
import type { Policy } from '../../core/policy.ts'
import type { TargetUri } from '../../core/target-uri.ts'
import type { UpstreamRequest, UpstreamResponse } from '../../core/upstream.ts'
import type { OriginQuestion } from '../../core/verifier.ts'
import { MAX_ASKING, MAX_ASKING_MS, MAX_REMEMBERED, NO_ANSWER_MS } from '../../verify/asking.ts'
import { MAX_ANSWER_MS, originDigests, SILENT_AFTER, SILENT_MS } from '../../verify/origin-digests.ts'
import { manualClock } from '../manual-clock.ts'

const A = 'http://o.test/a' as TargetUri
const DIGEST = { algorithm: 'sha-256', hex: createHash('sha256').update('a').digest('hex') } as const
const PUBLISHING: Fields = [['Repr-Digest', `sha-256=:${Buffer.from(DIGEST.hex, 'hex').toString('base64')}:`]]

test('one HEAD asks for the digest of the whole, uncoded', async () => {
  const { digests, requests } = scene(() => response(PUBLISHING))
  const fields: Fields = [
    ['User-Agent', 'updater/1'],
    ['Accept-Encoding', 'gzip'],
    ['Range', 'bytes=1-'],
    ['If-None-Match', '"x"'],
  ]
  assert.deepEqual(await digests.ask(question(A, fields)), DIGEST)
  const [request] = requests
  assert.deepEqual([request?.method, request?.uri], ['HEAD', A])
  const sent = (name: string) => fieldValue(request?.fields ?? [], name)
  assert.deepEqual(
    ['want-repr-digest', 'user-agent', 'accept-encoding', 'range', 'if-none-match'].map(sent),
    ['sha-256=10, sha-512=9', 'updater/1', 'identity', undefined, undefined],
  )
})

for (const [what, more, size] of [
  ['its length', [['Content-Length', '12']], 12],
  ['the length of nothing, because HEAD has no content', [['Content-Length', '0']], undefined],
] as [string, Fields, number | undefined][])
  test(`a server that tells ${what} with the digest is ${size === undefined ? 'not ' : ''}held to it`, async () => {
    const { digests } = scene(() => response([...PUBLISHING, ...more]))
    assert.deepEqual(await digests.ask(question(A)), size === undefined ? DIGEST : { ...DIGEST, size })
  })

test('an answer is remembered for as long as the response is fresh', async () => {
  const { digests, requests, clock } = scene(() => response(PUBLISHING), 10_000)
  await digests.ask(question(A))
  clock.advance(9_999)
  assert.deepEqual([digests.known(A), await digests.ask(question(A))], [DIGEST, DIGEST])
  assert.equal(requests.length, 1)
  clock.advance(1)
  assert.equal(digests.known(A), undefined)
})

test('…but not for ever', async () => {
  const { digests, clock } = scene(() => response(PUBLISHING), Infinity)
  await digests.ask(question(A))
  clock.advance(MAX_ANSWER_MS)
  assert.equal(digests.known(A), undefined)
})

test('who asks at the same time is told by the same request', async () => {
  const { digests, requests } = scene(() => response(PUBLISHING))
  assert.deepEqual(await Promise.all([digests.ask(question(A)), digests.ask(question(A))]), [DIGEST, DIGEST])
  assert.equal(requests.length, 1)
})

for (const [what, answer] of [
  ['publishes none', () => response([])],
  ['answers with an error', () => response(PUBLISHING, 404)],
  ['cannot be reached', () => Promise.reject(new Error('refused'))],
] as const)
  test(`a server that ${what} says nothing, and is not asked again for a minute`, async () => {
    const { digests, requests, clock } = scene(answer)
    assert.equal(await digests.ask(question(A)), 'none')
    clock.advance(NO_ANSWER_MS - 1)
    assert.equal(await digests.ask(question(A)), 'none')
    assert.equal(requests.length, 1)
    clock.advance(1)
    assert.equal(digests.known(A), undefined)
  })

test('a server that does not answer is not waited for long, and its request is ended', async () => {
  const { digests, requests, clock } = scene(() => new Promise(() => {}))
  const asking = digests.ask(question(A))
  await Promise.resolve()
  clock.advance(MAX_ASKING_MS)
  assert.equal(await asking, 'none')
  assert.equal(requests[0]?.signal.aborted, true)
  assert.equal(clock.pending(), 0)
})

test('a server that often had nothing to say is left alone for a while, another is not', async () => {
  const { digests, clock } = scene(({ uri }) => response(uri.includes('b.test') ? PUBLISHING : []))
  for (let at = 0; at < SILENT_AFTER; at++) {
    assert.equal(digests.mayAsk(A), true)
    await digests.ask(question(`${A}${at}` as TargetUri))
  }
  assert.equal(digests.mayAsk(A), false)
  assert.equal(digests.mayAsk('http://b.test/a' as TargetUri), true)
  clock.advance(SILENT_MS)
  assert.equal(digests.mayAsk(A), true)
})

test('a server that has something to say now and then goes on being asked', async () => {
  const { digests } = scene(({ uri }) => response(uri.endsWith('2') ? PUBLISHING : []))
  for (let at = 0; at < 5; at++) await digests.ask(question(`${A}${at}` as TargetUri))
  assert.equal(digests.mayAsk(A), true)
})

test('so many questions are under way at once, and no more', async () => {
  const { digests, requests, clock } = scene(() => new Promise(() => {}))
  const asking = Array.from({ length: MAX_ASKING + 1 }, (_, at) =>
    digests.ask(question(`${A}${at}` as TargetUri)),
  )
  assert.equal(await asking.at(-1), 'none')
  assert.equal(requests.length, MAX_ASKING)
  await Promise.resolve()
  clock.advance(MAX_ASKING_MS)
  await Promise.all(asking)
})

test('so many answers are remembered, the first goes', async () => {
  const { digests } = scene(() => response(PUBLISHING))
  for (let at = 0; at <= MAX_REMEMBERED; at++) await digests.ask(question(`http://h${at}.test/` as TargetUri))
  assert.equal(digests.known('http://h0.test/' as TargetUri), undefined)
  assert.deepEqual(digests.known('http://h1.test/' as TargetUri), DIGEST)
})

function scene(answer: (request: UpstreamRequest) => Promise<UpstreamResponse>, freshMs = 60_000) {
  const clock = manualClock()
  const requests: UpstreamRequest[] = []
  const origin = {
    request(request: UpstreamRequest) {
      requests.push(request)
      return answer(request)
    },
  }
  return { clock, requests, digests: originDigests({ clock, origin, freshForMs: () => freshMs }) }
}

async function response(fields: Fields, status = 200): Promise<UpstreamResponse> {
  return { status, reason: '', fields, body: nothing() }
}

async function* nothing(): AsyncIterable<Uint8Array> {}

function question(uri: TargetUri, fields: Fields = []): OriginQuestion {
  return { uri, target: uri, fields, policy: POLICY }
}

const POLICY: Policy = {
  rule: 'test',
  share: true,
  immutable: true,
  store: true,
  verify: 'auto',
  waitForDownloads: true,
}
