import assert from 'node:assert/strict'
import test from 'node:test'
import * as fc from 'fast-check'
import { parseTargetUri } from '../../core/target-uri.ts'
import { anyLiteral, compileGlob, matchesGlob, MAX_INSTRUCTIONS } from '../../retrieval/glob.ts'
import type { Glob } from '../../retrieval/glob.ts'

function glob(pattern: string): Glob {
  const compiled = compileGlob(pattern)
  assert.equal(compiled.kind, 'glob', pattern)
  return compiled.kind === 'glob' ? compiled.glob : assert.fail()
}

/** Matching as the node does it: on the normalized URI. */
function matches(pattern: string, url: string): boolean {
  return matchesGlob(glob(pattern), parseTargetUri(url) ?? assert.fail(`no target URI: ${url}`))
}

const CASES: readonly {
  readonly behaviour: string
  readonly pattern: string
  readonly yes: readonly string[]
  readonly no: readonly string[]
}[] = [
  {
    behaviour: 'a pattern with a scheme is compared with the whole URI',
    pattern: 'http://example.com/a/*',
    yes: ['http://example.com/a/x', 'http://example.com:80/a/', 'http://example.com/a/x?q'],
    no: [
      'https://example.com/a/x',
      'http://example.com/a/x/y',
      'http://example.com/b/a/x',
      'http://example.com:81/a/x',
    ],
  },
  {
    behaviour: 'a pattern that begins with // is for any scheme',
    pattern: '//*.example.com/**',
    yes: ['http://a.example.com/', 'https://a.b.example.com/x/y'],
    no: ['http://example.com/', 'http://evil/.example.com/x'],
  },
  {
    behaviour: 'a pattern that begins with / is compared with the whole path on any host',
    pattern: '/depot/*/chunk',
    yes: ['http://a/depot/1/chunk', 'https://b:8080/depot/2/chunk'],
    no: ['http://a/x/depot/1/chunk', 'http://a/depot/1/2/chunk', 'http://depot/1/chunk'],
  },
  {
    behaviour: 'any other pattern is compared with the last segments of the path',
    pattern: '*.deb',
    yes: ['http://a/x.deb', 'http://a/pool/main/x.deb', 'http://a/.deb'],
    no: ['http://a.deb/', 'http://x.deb/y', 'http://a/x.deb/y', 'http://a/x.deb2'],
  },
  {
    behaviour: '**/pool/** needs the directory, wherever it is',
    pattern: '**/pool/**',
    yes: ['http://a/pool/x', 'http://a/debian/pool/main/x', 'http://a/pool/'],
    no: ['http://pool/x', 'http://a/carpool/x', 'http://a/pool', 'http://a/?/pool/x'],
  },
  {
    behaviour: '** as a whole segment may be no segment',
    pattern: '/a/**/b',
    yes: ['http://h/a/b', 'http://h/a/x/b', 'http://h/a/x/y/b'],
    no: ['http://h/ab', 'http://h/a/xb', 'http://h/a/b/c'],
  },
  {
    behaviour: '? is one character and no slash',
    pattern: '/a?c',
    yes: ['http://h/abc', 'http://h/a?c'],
    no: ['http://h/a/c', 'http://h/ac', 'http://h/abbc', 'http://h/abc?d'],
  },
  {
    behaviour: 'alternatives may be nested and empty',
    pattern: '/x.{tar{,.{gz,xz}},zip}',
    yes: ['http://h/x.tar', 'http://h/x.tar.gz', 'http://h/x.tar.xz', 'http://h/x.zip'],
    no: ['http://h/x.', 'http://h/x.gz', 'http://h/x.tar.', 'http://h/x.tar.zip'],
  },
  {
    behaviour: 'a comma outside braces is a comma',
    pattern: '/a,b',
    yes: ['http://h/a,b'],
    no: ['http://h/a', 'http://h/b'],
  },
  {
    behaviour: 'a set is one of its characters, as often as it says',
    pattern: '/[0-9a-f]{4}-[x-]',
    yes: ['http://h/09af-x', 'http://h/0000--'],
    no: ['http://h/09ag-x', 'http://h/09a-x', 'http://h/09aff-x', 'http://h/09AF-x'],
  },
  {
    behaviour: 'a set takes special characters as they are',
    pattern: '/[*][?][[]]*',
    yes: ['http://h/*?[]', 'http://h/*?[]x'],
    no: ['http://h/a?[]', 'http://h/*b[]'],
  },
  {
    behaviour: 'scheme and host compare without case, the path with case',
    pattern: 'HTTP://Example.COM/Path',
    yes: ['http://example.com/Path', 'HTTP://EXAMPLE.com/Path'],
    no: ['http://example.com/path'],
  },
  {
    behaviour: 'without a ? in the pattern the query is left aside',
    pattern: '**/files/*',
    yes: ['http://h/files/a?P1=/x/y&P2', 'http://h/files/a?'],
    no: ['http://h/?/files/a'],
  },
  {
    behaviour: 'with a ? in the pattern the query is compared',
    pattern: '/get[?]file=*.cab',
    yes: ['http://h/get?file=a.cab'],
    no: ['http://h/get', 'http://h/get?file=a.cab&x', 'http://h/getfile=a.cab', 'http://h/get?file=a/b.cab'],
  },
  {
    behaviour: 'percent-encoding compares in its normal form',
    pattern: '/%7euser/a%2bb/ü x',
    yes: ['http://h/~user/a%2Bb/%c3%bc%20x', 'http://h/%7Euser/a%2bb/ü x'],
    no: ['http://h/~user/a+b/%C3%BC%20x'],
  },
  {
    behaviour: 'an IPv6 host is a host, not a set',
    pattern: 'http://[::1]:8080/*',
    yes: ['http://[::1]:8080/x'],
    no: ['http://1:8080/x', 'http://[::2]:8080/x'],
  },
  {
    behaviour: '** alone matches everything',
    pattern: '**',
    yes: ['http://h/', 'https://h/a/b?c'],
    no: [],
  },
]

for (const { behaviour, pattern, yes, no } of CASES)
  test(behaviour, () => {
    for (const url of yes) assert.ok(matches(pattern, url), `${pattern} should match ${url}`)
    for (const url of no) assert.ok(!matches(pattern, url), `${pattern} should not match ${url}`)
  })

/** `times` × 128 characters to compare, and a few for the host. */
const repeated = (times: number) => `/${'[a]{128}'.repeat(times)}`

test('a pattern that would compile to too many instructions is refused', () => {
  assert.equal(compileGlob(repeated(Math.floor(MAX_INSTRUCTIONS / 128) - 1)).kind, 'glob')
  assert.equal(compileGlob(repeated(MAX_INSTRUCTIONS / 128 + 1)).kind, 'invalid')
})

test('a long URL made to confuse many wildcards is decided in linear time', () => {
  // A backtracking matcher would need about (URL length)^8 steps here and never end.
  const pattern = `/${'**a*'.repeat(8)}b`
  assert.ok(!matches(pattern, `http://h/${'a'.repeat(16_000)}`))
  assert.ok(matches(pattern, `http://h/${'a'.repeat(16_000)}b`))
})

const piece = fc.oneof(
  fc.constantFrom('a', 'b', '/', '.').map((text) => ({ glob: text, regexp: text === '.' ? '\\.' : text })),
  fc.constantFrom(
    { glob: 'a*', regexp: 'a[^/?]*' },
    { glob: 'x/**/', regexp: 'x/(?:[^]*/)?' },
    { glob: 'x**', regexp: 'x[^]*' },
    { glob: '[ab]', regexp: '[ab]' },
    { glob: '[ab]{2}', regexp: '[ab]{2}' },
    { glob: '{a,bb,}', regexp: '(?:a|bb|)' },
    { glob: '{a*,/}', regexp: '(?:a[^/?]*|/)' },
  ),
)

test('property: a glob matches exactly what the regular expression of the same meaning matches', () => {
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 6 }),
      fc.string({ unit: fc.constantFrom('a', 'b', 'x', '/', '.'), maxLength: 10 }),
      (pieces, path) => {
        const text = pieces.map((each) => each.glob).join('')
        const expected = new RegExp(`^http://h/${pieces.map((each) => each.regexp).join('')}$`)
        const uri = `http://h/${path}`
        const compiled = glob(`http://h/${text}`)
        assert.equal(matchesGlob(compiled, uri), expected.test(uri), `${text} on ${uri}`)
        // What is looked for first is in every URI that matches.
        if (expected.test(uri)) assert.notEqual(anyLiteral([compiled])?.test(uri), false, `${text} on ${uri}`)
      },
    ),
    { numRuns: 500 },
  )
})

test('URIs that no pattern can match are told by one look for what all matches have', () => {
  const found = anyLiteral(['**/pool/**', '**/*.{deb,udeb}', '/a.b/*'].map(glob))
  for (const uri of ['http://h/pool/x', 'http://h/x.udeb', 'http://h/a.b/x']) assert.ok(found?.test(uri), uri)
  for (const uri of ['http://h/spool', 'http://h/x.rpm', 'http://h/aXb/x']) assert.ok(!found?.test(uri), uri)
  assert.equal(anyLiteral([glob('**/pool/**'), glob('**')]), undefined, 'a pattern that matches everything')
  assert.equal(anyLiteral([])?.test('http://h/'), false)
})

test('property: no text throws, whether as a pattern or as a URI', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string(), (pattern, uri) => {
      const compiled = compileGlob(pattern)
      if (compiled.kind === 'glob') matchesGlob(compiled.glob, uri)
    }),
  )
})
