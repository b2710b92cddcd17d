import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { CacheStatusEntry } from '../../../cache/semantics/cache-status.ts'
import { cacheStatus } from '../../../cache/semantics/cache-status.ts'

const ENTRIES: readonly (readonly [entry: CacheStatusEntry, written: string])[] = [
  [{ kind: 'hit' }, 'ihave; hit'],
  [{ kind: 'hit', ttlMs: 376_999 }, 'ihave; hit; ttl=376'],
  [{ kind: 'hit', ttlMs: -412_000 }, 'ihave; hit; ttl=-412'],
  [{ kind: 'hit', ttlMs: 0.5 }, 'ihave; hit; ttl=0'],
  [{ kind: 'hit', ttlMs: Infinity }, 'ihave; hit; ttl=999999999999999'],
  [{ kind: 'refusal', detail: 'only-if-cached' }, 'ihave; detail=only-if-cached'],
  [{ kind: 'forward', reason: 'uri-miss' }, 'ihave; fwd=uri-miss'],
  [
    {
      kind: 'forward',
      reason: 'uri-miss',
      status: 200,
      isStored: true,
      isCollapsed: true,
      key: 'k',
      detail: 'peer',
    },
    'ihave; fwd=uri-miss; fwd-status=200; stored; collapsed; key="k"; detail=peer',
  ],
  [{ kind: 'forward', reason: 'stale', status: 304, isStored: false }, 'ihave; fwd=stale; fwd-status=304'],
  [{ kind: 'hit', detail: 'in-progress' }, 'ihave; hit; detail=in-progress'],
  [{ kind: 'hit', detail: 'two words' }, 'ihave; hit; detail="two words"'],
  [{ kind: 'hit', detail: '' }, 'ihave; hit; detail=""'],
  [{ kind: 'hit', detail: '1st' }, 'ihave; hit; detail="1st"'],
  [{ kind: 'hit', key: 'a"b\\c' }, 'ihave; hit; key="a\\"b\\\\c"'],
  [{ kind: 'hit', key: 'ä\r\nX: y' }, 'ihave; hit; key="???X: y"'],
]

for (const [entry, written] of ENTRIES) {
  test(`RFC 9211 2: ${JSON.stringify(entry)} is written ${written}`, () => {
    assert.equal(cacheStatus(entry), written)
  })
}

test('RFC 8941 3.3.3: no key and no detail can leave its string', () => {
  const text = fc.string({ unit: 'binary' })
  fc.assert(
    fc.property(text, text, (key, detail) => {
      const member = cacheStatus({ kind: 'hit', key, detail })
      const string = '"(?:[ !#-\\[\\]-~]|\\\\["\\\\])*"'
      const token = "[A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]*"
      assert.match(member, new RegExp(`^ihave; hit; key=${string}; detail=(?:${string}|${token})$`))
    }),
  )
})
