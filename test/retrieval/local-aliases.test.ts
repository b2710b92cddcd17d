import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { seededRandom } from '../../core/random.ts'
import type { TargetUri } from '../../core/target-uri.ts'
import { localAliases } from '../../retrieval/local-aliases.ts'

const uri = (n: number) => `http://updates.test/${n}` as TargetUri

describe('a local alias', () => {
  test('leads back to its URI, and is the same every time', () => {
    const aliases = localAliases(seededRandom(1))
    const alias = aliases.aliasOf(uri(1))
    assert.equal(aliases.uriOf(alias), uri(1))
    assert.equal(aliases.aliasOf(uri(1)), alias)
  })

  test('has 256 random bits, and tells nothing of the URI', () => {
    const alias = localAliases(seededRandom(1)).aliasOf(uri(1))
    assert.match(alias, /^[0-9a-f]{64}$/)
    assert.notEqual(alias, localAliases(seededRandom(2)).aliasOf(uri(1)))
  })

  test('is different for each URI', () => {
    const aliases = localAliases(seededRandom(1))
    const names = new Set(Array.from({ length: 100 }, (_, n) => aliases.aliasOf(uri(n))))
    assert.equal(names.size, 100)
  })

  test('that was never given leads nowhere', () => {
    const aliases = localAliases(seededRandom(1))
    const alias = localAliases(seededRandom(2)).aliasOf(uri(1))
    aliases.aliasOf(uri(1))
    assert.equal(aliases.uriOf(alias), undefined)
  })

  test('that nobody has used for long is forgotten when there are 50 000 others, and given anew', () => {
    const aliases = localAliases(seededRandom(1))
    const [used, unused] = [aliases.aliasOf(uri(1)), aliases.aliasOf(uri(2))]
    for (let n = 3; n <= 50_000; n++) aliases.aliasOf(uri(n))
    assert.equal(aliases.uriOf(used), uri(1))
    aliases.aliasOf(uri(50_001))
    assert.deepEqual([aliases.uriOf(used), aliases.uriOf(unused)], [uri(1), undefined])
    const anew = aliases.aliasOf(uri(2))
    assert.notEqual(anew, unused)
    assert.equal(aliases.uriOf(anew), uri(2))
  })

  test('that is offered again and again is not forgotten', () => {
    const aliases = localAliases(seededRandom(1))
    const offered = aliases.aliasOf(uri(0))
    for (let n = 1; n <= 50_001; n++) {
      aliases.aliasOf(uri(n))
      if (n % 1000 === 0) aliases.aliasOf(uri(0))
    }
    assert.equal(aliases.uriOf(offered), uri(0), 'a peer was told a name that leads nowhere')
  })
})
