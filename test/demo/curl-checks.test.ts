import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { curlChecks, type CurlEvidence } from '../../demo/curl-checks.ts'
import type { Received } from '../../demo/result.ts'

const NOTHING: Received = { internet: 0, peer: 0, 'in-progress': 0 }

function evidence(number: number, received: Partial<Received>, sha256 = 'right'): CurlEvidence {
  const step = {
    what: 'curl',
    elapsedMs: 1,
    received: { ...NOTHING, ...received },
    cachedBytes: 0,
    deliveredBytes: 100,
  }
  return { machine: { name: `machine ${number}`, address: `127.0.0.${number + 1}` }, step, sha256 }
}

const RIGHT = [
  evidence(1, { internet: 100 }),
  evidence(2, { 'in-progress': 100 }),
  evidence(3, { peer: 100 }),
]

function failed(sentBytes: number, changed: readonly CurlEvidence[]): string[] {
  return curlChecks({ bytes: 100, sha256: 'right' }, sentBytes, changed)
    .filter(({ failure }) => failure !== undefined)
    .map(({ name }) => name)
}

describe('the checks of the curl demo', () => {
  test('hold when the file left the origin server once', () => assert.deepEqual(failed(100, RIGHT), []))

  const cases: readonly (readonly [string, number, number, CurlEvidence | undefined, RegExp])[] = [
    ['the origin server sent more', 101, 0, RIGHT[0], /sent the file once/],
    ['machine 1 counted less than came', 100, 0, evidence(1, { internet: 99 }), /machine 1 took it/],
    ['machine 2 did not join', 100, 1, evidence(2, { peer: 100 }), /running download/],
    ['machine 3 went to the Internet', 100, 2, evidence(3, { internet: 100 }), /from its peers/],
    ['a file is wrong', 100, 2, evidence(3, { peer: 100 }, 'wrong'), /machine 3: .*SHA-256/],
  ]
  for (const [name, sentBytes, at, change, expected] of cases) {
    test(`fail when ${name}`, () => {
      assert.ok(change)
      const names = failed(sentBytes, RIGHT.with(at, change))
      assert.equal(names.length, 1)
      assert.match(names.join(), expected)
    })
  }
})
