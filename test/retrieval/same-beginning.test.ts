import assert from 'node:assert/strict'
import { test } from 'node:test'
import { behindTheSame } from '../../retrieval/same-beginning.ts'

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString()

async function* pieces(...all: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const each of all) yield Buffer.from(each)
}

/** What is given, with `same` where the beginnings were found to be the same. */
async function read(before: readonly string[], body: readonly string[]): Promise<string[]> {
  const given: string[] = []
  const bytes = before.join('').length
  const rest = behindTheSame(pieces(...before), bytes, pieces(...body), 'the peer', () => given.push('same'))
  for await (const chunk of rest) given.push(text(chunk))
  return given
}

for (const [what, before, body, given] of [
  ['in one piece', ['abc'], ['abcdef'], ['same', 'def']],
  ['in pieces that end elsewhere', ['ab', 'c'], ['a', 'bcd', 'ef'], ['same', 'd', 'ef']],
  ['in pieces that end there', ['abc'], ['abc', 'def'], ['same', 'def']],
  ['when nothing is missing', ['abc'], ['ab', 'c'], ['same']],
] as const)
  test(`what comes behind the same bytes is given, ${what}`, async () => {
    assert.deepEqual(await read(before, body), given)
  })

test('behind other bytes nothing is given', async () => {
  await assert.rejects(read(['abc'], ['abX', 'def']), { code: 'VERIFICATION_FAILED' })
})

test('a body that ends before is the same as nothing', async () => {
  assert.deepEqual(await read(['abc'], ['ab']), [])
})
