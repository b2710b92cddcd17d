import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Answer } from '../../core/answer.ts'
import { fieldValue, type Fields } from '../../core/fields.ts'
import type { Address } from '../../core/transport.ts'
import { answerPeer, type SharedFile } from '../../peering/peer-answer.ts'
import { MAX_PIECES, nameOfPieces, PIECES_FIELD, SPARE_FIELD } from '../../peering/piece-digests.ts'
import type { NodeId } from '../../peering/packets.ts'
import type { Reader } from '../../peering/upload-slots.ts'
import { ALIAS } from './fixtures.ts'

const MB = 1024 * 1024
const SIZE = 3 * MB
const DIGESTS = new Uint8Array(96).fill(7)
const NAME = nameOfPieces(DIGESTS)
const AUTHORITY = '127.0.0.9:6515'

interface Asked {
  readonly target?: string
  readonly method?: string
  readonly fields?: Fields
  readonly file?: Partial<SharedFile>
}

/** The answer, and who was admitted. */
function answered({ target = `/${ALIAS}`, method = 'GET', fields = [], file = {} }: Asked) {
  const admitted: Reader[] = []
  let open = 0
  const open1 = (): SharedFile => {
    open++
    return {
      size: SIZE,
      fields: [],
      pieces: () => DIGESTS,
      admit: (reader) => {
        admitted.push(reader)
        return { kind: 'taken', leave: () => {}, wasServed: () => {} }
      },
      async *read() {},
      close: () => void open--,
      ...file,
    }
  }
  const request = {
    peer: '127.0.0.8' as Address,
    method,
    target,
    fields: [['Host', AUTHORITY], ['Ihave-Node', '9'.repeat(32)], ...fields] as Fields,
    signal: new AbortController().signal,
  }
  const answer = answerPeer({ open: open1 }, request, [AUTHORITY])
  return { answer, admitted, open: () => open }
}

async function bytesOf({ body }: Answer): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of body ?? []) chunks.push(chunk)
  return Buffer.concat(chunks)
}

const block: Fields = [['Range', `bytes=${MB}-${2 * MB - 1}`]]

describe('the digests of pieces', () => {
  test('are told below the alias, without a place, and the file is closed', async () => {
    const { answer, admitted, open } = answered({ target: `/${ALIAS}/pieces` })
    assert.deepEqual([answer.status, admitted.length, open()], [200, 0, 0])
    assert.deepEqual(await bytesOf(answer), Buffer.from(DIGESTS))
  })

  test('have a length that HEAD tells', () => {
    const { answer } = answered({ target: `/${ALIAS}/pieces`, method: 'HEAD' })
    assert.deepEqual([fieldValue(answer.fields, 'content-length'), answer.body], ['96', undefined])
  })

  for (const [name, file] of [
    ['of one piece, which has none', { pieces: () => new Uint8Array() }],
    ['that is not whole yet', { pieces: undefined as never }],
    ['of unknown size', { size: undefined }],
    ['of more pieces than are told', { size: (MAX_PIECES + 1) * MB }],
  ] as const)
    test(`are not told of a file ${name}`, () => {
      assert.equal(answered({ target: `/${ALIAS}/pieces`, file }).answer.status, 404)
    })
})

describe('a request for a block', () => {
  test('that goes by the digests that are known here is served, and told so', () => {
    const { answer, admitted } = answered({ fields: [...block, [PIECES_FIELD, NAME]] })
    assert.deepEqual([answer.status, fieldValue(answer.fields, PIECES_FIELD)], [206, NAME])
    assert.deepEqual([admitted[0]?.isSpare, admitted[0]?.share], [false, 1 / 3])
  })

  test('that goes by others is refused, without a place', () => {
    const { answer, admitted, open } = answered({ fields: [...block, [PIECES_FIELD, 'a'.repeat(64)]] })
    assert.deepEqual([answer.status, admitted.length, open()], [412, 0, 0])
  })

  test('is served from a growing copy, of which nothing is told', () => {
    const file = { path: ['1'.repeat(32) as NodeId] }
    const { answer } = answered({ fields: [...block, [PIECES_FIELD, NAME]], file })
    assert.deepEqual([answer.status, fieldValue(answer.fields, PIECES_FIELD)], [206, undefined])
  })

  test('says that its sender has another place', () => {
    const { admitted } = answered({ fields: [...block, [SPARE_FIELD, 'yes']] })
    assert.equal(admitted[0]?.isSpare, true)
  })
})
