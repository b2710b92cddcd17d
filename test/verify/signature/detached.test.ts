import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TargetUri } from '../../../core/target-uri.ts'
import type { Upstream, UpstreamRequest } from '../../../core/upstream.ts'
import { toPem } from '../../../signing/pem.ts'
import { detachedSignatures, MAX_DETACHED_BYTES } from '../../../verify/signature/asked-signatures.ts'
import { checkDetached } from '../../../verify/signature/detached.ts'
import { MAX_ASKING, MAX_ASKING_MS, NO_ANSWER_MS } from '../../../verify/asking.ts'
import { manualClock } from '../../manual-clock.ts'
import { missing, patterned, temporaryFolder, tool } from '../../signing/fixtures.ts'
import { DAY, publisher } from '../../signing/signers.ts'
import { candidate, policy } from './signed-files.ts'

const TARGET = 'http://updates.test/tool.zip'
const QUESTION = {
  uri: TARGET as TargetUri,
  target: TARGET,
  fields: [
    ['User-Agent', 'x'],
    ['If-None-Match', '"a"'],
    ['Range', 'bytes=0-1'],
  ],
  policy: policy({ signature: '.sign' }),
} as const

function origin(answer: () => { status?: number; body?: AsyncIterable<Uint8Array> | undefined }) {
  const asked: UpstreamRequest[] = []
  const upstream: Upstream = {
    async request(request) {
      asked.push(request)
      const { status = 200, body = bytes(Buffer.from('signature')) } = answer()
      return { status, fields: [], body, requestTime: 0, responseTime: 0 } as unknown as Awaited<
        ReturnType<Upstream['request']>
      >
    },
  }
  const clock = manualClock()
  return { asked, clock, detached: detachedSignatures({ clock, origin: upstream }) }
}

async function* bytes(...chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks
}

test('one GET beside the file, for the whole and not from a cache', async () => {
  const { asked, detached } = origin(() => ({}))
  assert.deepEqual(await detached.ask(QUESTION), Buffer.from('signature'))
  const [request, ...more] = asked
  assert.deepEqual([request?.method, request?.uri, more.length], ['GET', `${TARGET}.sign`, 0])
  const names = request?.fields.map(([name]) => name.toLowerCase())
  assert.deepEqual(names?.toSorted(), ['accept-encoding', 'cache-control', 'user-agent'])
})

test('a signature that is too long, breaks off, or is an error page is none', async () => {
  const half = Buffer.alloc(MAX_DETACHED_BYTES / 2)
  const breaking = async function* () {
    yield half
    throw new Error('broken off')
  }
  assert.ok(await origin(() => ({ body: bytes(half, half) })).detached.ask(QUESTION))
  for (const answer of [
    { body: bytes(half, half, Buffer.from('x')) },
    { body: breaking() },
    { status: 404 },
    { status: 206 },
  ])
    assert.equal(await origin(() => answer).detached.ask(QUESTION), undefined)
})

test('a server that does not end is not waited for', async () => {
  const endless = async function* () {
    yield Buffer.from('x')
    await new Promise(() => {})
  }
  const { clock, detached } = origin(() => ({ body: endless() }))
  const asking = detached.ask(QUESTION)
  await new Promise((resolve) => setImmediate(resolve))
  clock.advance(MAX_ASKING_MS)
  assert.equal(await asking, undefined)
})

test('where there was none, nobody asks for a minute; and never where the URL has a query', async () => {
  const { clock, detached } = origin(() => ({ status: 404 }))
  assert.ok(detached.mayAsk(QUESTION.uri))
  assert.ok(!detached.mayAsk(`${TARGET}?x` as TargetUri))
  await detached.ask(QUESTION)
  assert.ok(!detached.mayAsk(QUESTION.uri))
  clock.advance(NO_ANSWER_MS)
  assert.ok(detached.mayAsk(QUESTION.uri))
})

test('no more are asked for at once than the bound', async () => {
  const held = Promise.withResolvers<void>()
  const waiting = async function* () {
    await held.promise
    yield Buffer.from('x')
  }
  const { asked, detached } = origin(() => ({ body: waiting() }))
  const all = Array.from({ length: MAX_ASKING + 1 }, () => detached.ask(QUESTION))
  assert.equal(await all.at(-1), undefined)
  held.resolve()
  assert.equal((await Promise.all(all)).filter((each) => each !== undefined).length, MAX_ASKING)
  assert.equal(asked.length, MAX_ASKING)
})

test(
  'a signature that openssl made, as PEM too, proves its file',
  { skip: missing('openssl') },
  async (t) => {
    const today = Math.floor(Date.now() / 1000) * 1000
    const who = publisher('rsa', 'Openssl', { notBefore: today - DAY, notAfter: today + DAY })
    const folder = temporaryFolder(t)
    const name = (each: string) => join(folder, each)
    writeFileSync(name('signer.pem'), toPem('CERTIFICATE', who.identity.certificate.der))
    writeFileSync(name('signer.key'), who.identity.key.export({ format: 'pem', type: 'pkcs8' }))
    const content = patterned(50_000)
    writeFileSync(name('content'), content)
    for (const [form, hash] of [
      ['DER', 'sha256'],
      ['PEM', 'sha512'],
    ] as const) {
      const key = ['-signer', name('signer.pem'), '-inkey', name('signer.key'), '-md', hash]
      tool(
        'openssl',
        'cms',
        '-sign',
        '-binary',
        '-outform',
        form,
        ...key,
        '-in',
        name('content'),
        '-out',
        name(form),
      )
      const file = readFileSync(name(form))
      const signature = await origin(() => ({ body: bytes(file) })).detached.ask(QUESTION)
      assert.ok(signature)
      await checkDetached(candidate(content), signature, who.trust, today)
      await assert.rejects(checkDetached(candidate(patterned(49_999)), signature, who.trust, today), {
        reason: 'altered',
      })
    }
  },
)
