import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Sha256 } from '../../core/digest.ts'
import { CANDIDATES, choosePackages, parsePackages } from '../../demo/apt-packages.ts'

const DIGEST = 'a'.repeat(64) as Sha256

describe('the packages of the demo', () => {
  const all = CANDIDATES.map((name) => ({ name, size: 1000, sha256: DIGEST }))

  test('are a dozen where an archive has more', () => {
    assert.deepEqual(choosePackages(all.toReversed()), all.slice(0, 12))
  })

  test('are small: the next one is taken in place of a large one', () => {
    const first = all[0]
    assert.ok(first)
    const chosen = choosePackages([{ ...first, size: 1_000_001 }, ...all.slice(1)])
    assert.deepEqual(chosen, all.slice(1, 13))
  })

  test('are fewer where an archive has fewer', () => {
    assert.deepEqual(choosePackages(all.slice(0, 3)), all.slice(0, 3))
  })

  test('are an error where an archive has none', () => {
    assert.throws(() => choosePackages([]), /lists have none of cowsay/)
  })
})

describe('what apt-cache show prints', () => {
  const stanza = (name: string, more = '') =>
    `Package: ${name}\nVersion: 1\nInstalled-Size: 99\nDescription: x\n Size: 7\n${more}`

  test('is read stanza by stanza, by its own fields and not by those in a description', () => {
    const text = `${stanza('one', `Size: 10\nSHA256: ${DIGEST}\n`)}\n${stanza('two', `Size: 20\nSHA256: ${DIGEST}\n`)}\n`
    assert.deepEqual(parsePackages(text), [
      { name: 'one', size: 10, sha256: DIGEST },
      { name: 'two', size: 20, sha256: DIGEST },
    ])
  })

  const incomplete = [
    ['without a digest', 'Size: 10\n'],
    ['without a size', `SHA256: ${DIGEST}\n`],
    ['with half a digest', 'Size: 10\nSHA256: aaaa\n'],
  ] as const
  for (const [name, fields] of incomplete) {
    test(`a stanza ${name} is left out`, () => assert.deepEqual(parsePackages(stanza('x', fields)), []))
  }
})
