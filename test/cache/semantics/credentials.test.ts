import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { credentialInPath, credentialInQuery } from '../../../cache/semantics/credentials.ts'

const HARMLESS = [
  '',
  '?',
  '?version=1.2.3',
  '?arch=amd64&dist=bookworm',
  '?name=libgtk-3-0_3.24.38-2~deb12u3_amd64.deb',
  '?a=&b',
  '?1700000000',
  '?package=@scope%2Fname',
  '?file=this-is-a-rather-long-name-of-a-file-without-digits',
]

for (const query of HARMLESS) {
  test(`V§3: <${query}> does not look like a credential`, () => {
    assert.equal(credentialInQuery(query), undefined)
  })
}

const SUSPICIOUS: readonly (readonly [query: string, found: string])[] = [
  ['?sig=1', 'sig'],
  ['?a=1&Signature=x', 'Signature'],
  ['?TOKEN=1', 'TOKEN'],
  ['?%74oken=1', 'token'],
  ['?access_token=1', 'access_token'],
  ['?key=1', 'key'],
  ['?subscriptionKey=1', 'subscriptionKey'],
  ['?Expires=1700000000', 'Expires'],
  ['?X-Amz-Date=20260101', 'X-Amz-Date'],
  ['?x-goog-algorithm=a', 'x-goog-algorithm'],
  ['?se=2026&v=1', 'se'],
  ['?v=1;sp=r', 'sp'],
  ['?sv', 'sv'],
  ['?password=', 'password'],
  ['?AWSAccessKeyId=1', 'AWSAccessKeyId'],
  ['?P1=1&P4=Zm9vYmFyZm9vYmFyZm9vYmFyMTIzNDU2Nzg5MA%3d%3d', 'P4'],
  [`?f=${'0a'.repeat(16)}`, 'f'],
  ['?t=eyJhbGciOiJIUzI1NiJ9.e30.x', 't'],
  [`?${'0a'.repeat(16)}`, 'a bare word'],
  ['?eyJhbGciOiJIUzI1NiJ9.e30.x', 'a bare word'],
  ['?pw=1', 'pw'],
  ['?license=1', 'license'],
  ['?v=1;EMAIL=a', 'EMAIL'],
  ['?__gda__=1700000000_0', '__gda__'],
  ['?verify=1', 'verify'],
  ['?a=%', 'unreadable'],
  ['?a=%ff', 'unreadable'],
]

for (const [query, found] of SUSPICIOUS) {
  test(`V§3: <${query}> looks like a credential: ${found}`, () => {
    assert.equal(credentialInQuery(query), found)
  })
}

for (const [path, found] of [
  ['/file.zip;jsessionid=1', 'jsessionid'],
  ['/a;v=1;JSESSIONID=0A/file.zip', 'JSESSIONID'],
  ['/a;f=eyJhbGciOiJIUzI1NiJ9.e30.x/b', 'f'],
  ['/a;b=%ff', 'unreadable'],
  ['/file;v=1/token=1', undefined],
  [`/by-hash/${'0a'.repeat(32)};v=2`, undefined],
  ['/a;key', undefined],
] as const)
  test(`V§3: parameters of <${path}> ${found === undefined ? 'do not look' : 'look'} like a credential`, () => {
    assert.equal(credentialInPath(path), found)
  })

test('a credential is found among any other parameters, in any case, wherever it stands', () => {
  const harmless = fc.array(fc.constantFrom('a=1', 'b', '', 'c=d=e'))
  const name = fc.constantFrom(
    'sig',
    'signature',
    'token',
    'key',
    'expires',
    'x-amz-a',
    'x-goog-b',
    'se',
    'sp',
    'sv',
  )
  fc.assert(
    fc.property(
      harmless,
      fc.mixedCase(name),
      fc.constantFrom('&', ';'),
      harmless,
      (before, each, separator, after) => {
        const query = [...before, `${each}=1`, ...after].join(separator)
        assert.equal(credentialInQuery(`?${query}`), each)
      },
    ),
  )
})
