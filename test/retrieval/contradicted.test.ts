/** An origin server that sends other bytes than the name says (V1): whoever asks has them, and nobody after him. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Digest } from '../../core/digest.ts'
import type { Fields } from '../../core/fields.ts'
import { A, sha256, world, type World } from './world.ts'

const RIGHT = 'the right bytes'
const WRONG = 'the wrong bytes'
const FIELDS: Fields = [
  ['ETag', '"1"'],
  ['Cache-Control', 'max-age=60'],
]

describe('bytes that are not what the name says', () => {
  for (const length of [[['Content-Length', String(WRONG.length)]], []] as const)
    test(`are delivered, not kept, and fetched anew: ${length.length === 0 ? 'no length' : 'a length'}`, async () => {
      const digest = { algorithm: 'sha-256', hex: sha256(RIGHT) } as Digest
      const node: World = world({
        known: new Map([[A, digest]]),
        isAlone: true,
        origin: (_request, n) => ({
          status: 200,
          fields: node.dated([...FIELDS, ...length]),
          body: n < 3 ? WRONG : RIGHT,
        }),
      })
      for (const text of [WRONG, WRONG, RIGHT]) {
        const given = await node.get()
        assert.deepEqual([given.status, given.text, given.how], [200, text, 'internet'])
        await node.settle()
        assert.deepEqual(node.store.lookup(A).length, text === RIGHT ? 1 : 0)
        assert.deepEqual([node.growingBytes(), node.store.usage().partialBytes], [0, 0])
      }
      assert.deepEqual(
        node.origin.requests.map(({ fields }) => fields.some(([name]) => name === 'Range')),
        [false, false, false],
      )
      assert.equal((await node.get()).how, 'hit')
    })
})
