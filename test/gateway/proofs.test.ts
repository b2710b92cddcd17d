import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { Fault } from '../../core/fault.ts'
import type { Fields } from '../../core/fields.ts'
import type { UpstreamRequest } from '../../core/upstream.ts'
import { Proofs } from '../../gateway/proofs.ts'

const URL = 'http://updates.test/a'
const RIGHT = 'abcdefghij'
const REQUEST: UpstreamRequest = { method: 'GET', uri: URL, fields: [], signal: new AbortController().signal }

function proofs(): Proofs {
  const hex = createHash('sha256').update(RIGHT).digest('hex')
  return new Proofs((target) => (target === URL ? { algorithm: 'sha-256', hex } : undefined))
}

interface Said {
  readonly passed: string
  readonly fault: string | undefined
}

async function read(
  at: Proofs,
  body: AsyncIterable<Uint8Array>,
  status = 200,
  fields: Fields = [],
): Promise<Said> {
  let passed = ''
  try {
    for await (const chunk of at.proving(REQUEST, { status, reason: '', fields, body }))
      passed += Buffer.from(chunk).toString()
    return { passed, fault: undefined }
  } catch (error) {
    return { passed, fault: error instanceof Fault ? error.code : String(error) }
  }
}

async function* chunks(...parts: readonly string[]): AsyncIterable<Uint8Array> {
  for (const chunk of parts) {
    if (chunk === '!') throw new Fault('RESPONSE_INCOMPLETE', 'broke off')
    yield Buffer.from(chunk)
  }
}

const range = (from: number): Fields => [['Content-Range', `bytes ${from}-9/10`]]

test('right bytes pass; of wrong ones all but the last chunk do', async () => {
  assert.deepEqual(await read(proofs(), chunks('abc', 'defg', 'hij')), { passed: RIGHT, fault: undefined })
  assert.deepEqual(await read(proofs(), chunks('abc', 'defg', 'hiX')), {
    passed: 'abcdefg',
    fault: 'VERIFICATION_FAILED',
  })
  assert.deepEqual(await read(proofs(), chunks('X')), { passed: '', fault: 'VERIFICATION_FAILED' })
  assert.deepEqual(await read(proofs(), chunks()), { passed: '', fault: 'VERIFICATION_FAILED' })
})

test('what breaks off is proved together with what goes on with it, by whichever gateway', async () => {
  const at = proofs()
  assert.deepEqual(await read(at, chunks('abc', 'defg', '!')), {
    passed: 'abc',
    fault: 'RESPONSE_INCOMPLETE',
  })
  assert.deepEqual(await read(at, chunks('defghij'), 206, range(3)), { passed: 'defghij', fault: undefined })
  assert.equal((await read(at, chunks('abc', 'defg', '!'))).passed, 'abc')
  assert.deepEqual(await read(at, chunks('defg', 'hiX'), 206, range(3)), {
    passed: 'defg',
    fault: 'VERIFICATION_FAILED',
  })
})

test('a part whose beginning did not come this way proves nothing, and is passed on', async () => {
  const at = proofs()
  assert.equal((await read(at, chunks('whatever'), 206, range(5))).passed, 'whatever')
  await read(at, chunks('abc', 'defg', '!'))
  assert.equal((await read(at, chunks('wrong'), 206, range(5))).fault, undefined)
})

test('a body with a content coding is not the file', async () => {
  assert.equal((await read(proofs(), chunks('zip'), 200, [['Content-Encoding', 'gzip']])).passed, 'zip')
})
