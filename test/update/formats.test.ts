import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { readIni, writeIni } from '../../signing/ini.ts'
import { readCatalogue, writeCatalogue, type Catalogue } from '../../update/catalogue.ts'
import { reasonOf } from '../../update/refused.ts'
import { canonicalJson } from '../../update/tuf/canonical-json.ts'
import { compareVersions, nextStamp, stampOf, stampTime } from '../../update/version.ts'

describe('versions', () => {
  for (const [older, newer] of [
    ['4.5.1', '4.5.2'],
    ['4.9', '4.10'],
    ['4.5', '4.5.1'],
    ['4.5-rc1', '4.5'],
    ['4.5-rc1', '4.5-rc2'],
    ['4.5-beta', '4.5-rc1'],
    ['2026.01.13', '2026.02.01'],
    ['9', '10'],
    ['99999999999999999998', '99999999999999999999'],
  ] as const)
    test(`${older} is older than ${newer}`, () => {
      assert.ok(compareVersions(older, newer) < 0)
      assert.ok(compareVersions(newer, older) > 0)
    })

  for (const [one, other] of [
    ['4.5', '4.5.0'],
    ['4.05', '4.5'],
    ['1.0', '1.0'],
  ] as const)
    test(`${one} is as old as ${other}`, () => assert.equal(compareVersions(one, other), 0))

  test('a stamp is the minute of release, in UTC', () => {
    assert.equal(stampOf(Date.UTC(2001, 0, 13, 15, 11, 59)), '200101131511')
    assert.equal(stampTime('200101131511'), Date.UTC(2001, 0, 13, 15, 11))
    assert.equal(nextStamp('200112312359'), '200201010000')
  })
})

describe('ini', () => {
  test('what is written is read back', () => {
    const ini = readIni(
      writeIni([
        ['a', { x: 'one', y: 2, z: undefined }],
        ['b', {}],
      ]),
    )
    assert.deepEqual(
      [...ini].map(([name, values]) => [name, [...values]]),
      [
        [
          'a',
          [
            ['x', 'one'],
            ['y', '2'],
          ],
        ],
        ['b', []],
      ],
    )
  })

  for (const [what, text] of [
    ['a section twice', '[a]\n[a]\n'],
    ['a key twice', '[a]\nx=1\nx=2\n'],
    ['a key before any section', 'x=1\n'],
    ['something else', '[a]\nnonsense\n'],
    ['a control character', '[a]\nx=\u0007\n'],
    ['too much', `[a]\n${'x'.repeat(1_000_001)}`],
  ] as const)
    test(`${what} is refused`, () => {
      assert.throws(
        () => readIni(Buffer.from(text)),
        (error) => reasonOf(error) === 'malformed',
      )
    })
})

const CATALOGUE: Catalogue = {
  product: 'ViruScan',
  number: 7,
  released: '200101131511',
  packages: [
    {
      component: 'vsasap',
      version: '4.5.1',
      url: 'vsasap.200101131511.cab',
      size: 361_512,
      sha256: 'ab'.repeat(32),
      minProduct: '4.0',
      install: { kind: 'unpack', into: 'vsasap/data' },
    },
  ],
}

describe('the catalogue', () => {
  test('is read as it was written', () =>
    assert.deepEqual(readCatalogue(writeCatalogue(CATALOGUE)), CATALOGUE))

  for (const [from, to, reason] of [
    ['size=361512', 'size=-1', 'malformed'],
    ['size=361512', 'size=1000000000000000', 'malformed'],
    ['sha256=abab', 'sha256=ABAB', 'malformed'],
    ['url=vsasap', 'url=file:///etc/passwd', 'malformed'],
    ['url=vsasap', 'url=../vsasap', 'malformed'],
    ['format=1', 'format=2', 'malformed'],
    ['number=7', 'number=0', 'malformed'],
    ['version=4.5.1', 'version=a b', 'malformed'],
    ['[vsasap]', '[../vsasap]', 'malformed'],
    ['install=unpack vsasap/data', 'install=unpack ../outside', 'unsafe-name'],
    ['install=unpack vsasap/data', 'install=unpack /etc', 'unsafe-name'],
    ['install=unpack vsasap/data', 'install=run /bin/sh', 'malformed'],
  ] as const)
    test(`${to} is refused`, () => {
      const text = writeCatalogue(CATALOGUE).toString().replace(from, to)
      assert.throws(
        () => readCatalogue(Buffer.from(text)),
        (error) => reasonOf(error) === reason,
      )
    })
})

test('canonical JSON has one spelling', () => {
  assert.equal(canonicalJson({ b: [1, true, null], a: 'x"\\\n' }), '{"a":"x\\"\\\\\n","b":[1,true,null]}')
  assert.throws(() => canonicalJson(1.5))
})
