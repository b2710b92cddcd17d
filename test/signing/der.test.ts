import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assert as check, property, uint8Array } from 'fast-check'
import { readCertificate } from '../../signing/certificate.ts'
import { readSignedData } from '../../signing/cms.ts'
import { bitsOf, booleanOf, integerOf, oidOf, readDer, smallIntegerOf, timeOf } from '../../signing/der.ts'
import { Refusal } from '../../signing/refusal.ts'
import { refusal } from './fixtures.ts'

const der = (hex: string) => readDer(Buffer.from(hex, 'hex'))

for (const [what, read] of [
  ['nothing', () => der('')],
  ['bytes after the end', () => der('050000')],
  ['a length that is cut off', () => der('0482')],
  ['content that is cut off', () => der('040401')],
  ['a length without end', () => der('30800000')],
  ['a length that could be shorter', () => der('048101aa')],
  ['a length with a leading zero', () => der('04820001aa')],
  ['a length of five bytes', () => der('04850000000001')],
  ['a tag of several bytes', () => der('1f810100')],
  ['an integer that could be shorter', () => integerOf(der('02020001'))],
  ['a negative integer that could be shorter', () => integerOf(der('0202ff80'))],
  ['an integer without bytes', () => integerOf(der('0200'))],
  ['a small number that is negative', () => smallIntegerOf(der('0201ff'))],
  ['a boolean that is neither', () => booleanOf(der('010101'))],
  ['a bit string that ends within a byte', () => bitsOf(der('03020380'))],
  ['an identifier that could be shorter', () => oidOf(der('0603558001'))],
  ['an identifier that does not end', () => oidOf(der('06025586'))],
  ['a time without a zone', () => timeOf(der('170c323630313133313531313030'))],
  ['a month that there is not', () => timeOf(der('170d3236313331333135313130305a'))],
] as const)
  test(`${what} is refused`, () => {
    assert.equal(refusal(read), 'malformed')
  })

test('times of both forms are read', () => {
  assert.equal(timeOf(der('170d3236303131333135313130305a')), Date.UTC(2026, 0, 13, 15, 11))
  assert.equal(timeOf(der('170d3939303131333135313130305a')), Date.UTC(1999, 0, 13, 15, 11))
  assert.equal(timeOf(der('180f32303531303131333135313130305a')), Date.UTC(2051, 0, 13, 15, 11))
})

test('any bytes at all are read or refused, never a fault of the program', () => {
  for (const read of [readCertificate, readSignedData])
    check(
      property(uint8Array({ maxLength: 200 }), (bytes) => {
        assert.throws(() => read(bytes), Refusal)
      }),
    )
})
