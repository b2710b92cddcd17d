import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { Sha256 } from '../../core/digest.ts'
import { parseTargetUri } from '../../core/target-uri.ts'
import type { Address } from '../../core/transport.ts'
import { readWarning, warningWords } from '../../service/member-warnings.ts'
import { privateNames } from '../../site/private-names.ts'

const PEER = '10.0.0.9' as Address
const BODY = 'ab'.repeat(32) as Sha256
const NAMES = privateNames(() => ({ epoch: 1, key: Buffer.alloc(32, 7).toString('base64url') }))

test('a warning says who, and which bytes came under which name, the name so that members alone can read it', () => {
  const uri = parseTargetUri('http://a.test/x')
  assert.ok(uri)
  const words = warningWords(PEER, { uri, body: BODY }, NAMES)
  assert.doesNotMatch(JSON.stringify(words), /a\.test/)
  const read = readWarning(words)
  assert.deepEqual([read?.peer, read?.evidence?.body], [PEER, BODY])
  assert.equal(NAMES.uriOf(read?.evidence?.resource ?? ''), uri)
  assert.deepEqual(readWarning(warningWords(PEER, undefined, NAMES)), { peer: PEER, evidence: undefined })
})

test('what is no address warns of nobody, and what is no evidence is left out', () => {
  const resource = `site:1.${'0'.repeat(32)}`
  for (const [peer, name, body, isWarning, isEvidence] of [
    [PEER, resource, BODY, true, true],
    [PEER, 'http://a.test/x', BODY, true, false],
    [PEER, resource, BODY.slice(1), true, false],
    [PEER, resource, `\u001b[2J${BODY.slice(4)}`, true, false],
    ['10.0.0', resource, BODY, false, false],
    ['::1', resource, BODY, false, false],
  ] as const) {
    const read = readWarning([
      ['peer', peer],
      ['resource', name],
      ['body', body],
    ])
    assert.deepEqual(
      [read !== undefined, read?.evidence !== undefined],
      [isWarning, isEvidence],
      `${peer} ${name}`,
    )
  }
})

test('whatever attributes come, nothing is thrown', () => {
  const names = fc.constantFrom('peer', 'resource', 'body', '__proto__', 'other')
  fc.assert(fc.property(fc.array(fc.tuple(names, fc.string())), (extras) => void readWarning(extras)))
})
