import assert from 'node:assert/strict'
import test from 'node:test'
import { runInNewContext } from 'node:vm'
import * as fc from 'fast-check'
import { parseTargetUri } from '../../core/target-uri.ts'
import { PAC_MEDIA_TYPE, PAC_PATHS, proxyAutoConfig } from '../../proxy/pac.ts'
import { PRESET_NAMES } from '../../retrieval/presets.ts'
import { compileRules, DEFAULT_POLICY } from '../../retrieval/rules.ts'
import type { Rules } from '../../retrieval/rules.ts'

type FindProxy = (url: string, host: string) => unknown

/** The file as a user agent has it: no globals but the language's own. */
function evaluate(pac: string): FindProxy {
  return runInNewContext(`${pac}\nFindProxyForURL`, {}) as FindProxy
}

function rulesOf(...patterns: string[]): Rules {
  return compileRules(
    patterns.map((match) => ({ ...DEFAULT_POLICY, rule: match, match })),
    [],
  )
}

function ask(find: FindProxy, url: string): unknown {
  return find(url, URL.canParse(url) ? new URL(url).hostname : '')
}

const VIA_PROXY = 'PROXY 127.0.0.1:3128; DIRECT'

const CASES: readonly (readonly [behaviour: string, url: string, answer: string])[] = [
  [
    'an update URL goes through the proxy, or directly when it is away',
    'http://deb.example/pool/x',
    VIA_PROXY,
  ],
  ['scheme and host have no case', 'HTTP://DEB.Example/pool/x', VIA_PROXY],
  ['the default port is no difference', 'http://host.example:80/only', VIA_PROXY],
  ['an empty port is no difference', 'http://host.example:/only', VIA_PROXY],
  ['another port is another host', 'http://host.example:81/only', 'DIRECT'],
  ['the fragment does not count', 'http://host.example/only#x', VIA_PROXY],
  ['the query is left aside', 'http://host.example/only?x', VIA_PROXY],
  ['an empty query is none', 'http://host.example/only?', VIA_PROXY],
  ['a URL without a path has the path /', 'http://root.example', VIA_PROXY],
  ['a query without a path is not part of the host', 'http://root.example?/pool/x', VIA_PROXY],
  ['percent-encoding is normalized', 'http://host.example/%7euser/a%2bb', VIA_PROXY],
  ['a URL that no rule matches goes directly', 'http://deb.example/index.html', 'DIRECT'],
  ['https goes directly', 'https://deb.example/pool/x', 'DIRECT'],
  ['other schemes go directly', 'ftp://deb.example/pool/x', 'DIRECT'],
  ['a URL with credentials goes directly', 'http://user:secret@deb.example/pool/x', 'DIRECT'],
  ['a host without a domain goes directly', 'http://mirror/pool/x', 'DIRECT'],
  ['localhost goes directly', 'http://localhost:8080/pool/x', 'DIRECT'],
  ['localhost with a dot at the end goes directly', 'http://localhost./pool/x', 'DIRECT'],
  ['names below localhost go directly', 'http://app.localhost/pool/x', 'DIRECT'],
  ['IPv4 loopback goes directly', 'http://127.1.2.3:6515/pool/x', 'DIRECT'],
  ['a name that begins like loopback does not', 'http://127.example/pool/x', VIA_PROXY],
  ['IPv6 loopback goes directly', 'http://[::1]:80/pool/x', 'DIRECT'],
  ['other IPv6 hosts go through the proxy', 'http://[2001:db8::1]/pool/x', VIA_PROXY],
  ['what is no URL goes directly', 'pool/x', 'DIRECT'],
  ['nothing goes directly', '', 'DIRECT'],
]

const rules = rulesOf('**/pool/**', 'http://host.example/{only,~user/a%2Bb}', 'http://root.example/')
const find = evaluate(proxyAutoConfig(rules, '127.0.0.1:3128'))

for (const [behaviour, url, answer] of CASES) test(behaviour, () => assert.equal(ask(find, url), answer))

test('without rules everything goes directly', () => {
  assert.equal(ask(evaluate(proxyAutoConfig(rulesOf(), 'h:1')), 'http://deb.example/pool/x'), 'DIRECT')
})

test('the address cannot break out of its string', () => {
  const address = `h"; throw 1; "\\`
  assert.equal(
    ask(evaluate(proxyAutoConfig(rulesOf('**'), address)), 'http://deb.example/'),
    `PROXY ${address}; DIRECT`,
  )
})

test('the file is ASCII and keeps to ECMAScript 3, patterns outside ASCII included', () => {
  const pac = proxyAutoConfig(compileRules(rulesOf('/ü\u2028"\\').all, PRESET_NAMES), '127.0.0.1:3128')
  assert.match(pac, /^[\n\x20-\x7e]*$/)
  const code = pac.replace(/"(?:[^"\\]|\\.)*"|'[^']*'/g, '""')
  assert.doesNotMatch(
    code,
    /=>|`|\b(?:let|const|class|of|async|JSON|includes|forEach|map|filter|trim|isArray)\b/,
  )
  assert.doesNotMatch(code, /,\s*[\]}]/, 'a comma at the end of a list')
  assert.doesNotMatch(code, /(?:text|uri|host|url)\[/, 'a string by index')
})

test('the names and the media type are those that user agents and WPAD expect', () => {
  assert.equal(PAC_MEDIA_TYPE, 'application/x-ns-proxy-autoconfig')
  assert.deepEqual([...PAC_PATHS], ['/proxy.pac', '/wpad.dat'])
})

const everyPreset = compileRules(
  rulesOf('http://a.example/x?y', '//[::2]/*', '/a{b,c*}/**/[0-9]{2}', '**{d,[?]e}').all,
  PRESET_NAMES,
)
const findEvery = evaluate(proxyAutoConfig(everyPreset, '127.0.0.1:3128'))

const segment = fc.oneof(
  fc.constantFrom(
    'pool',
    'dists',
    'a',
    'ab',
    'ac',
    'by-hash',
    'v2',
    'packages',
    'x_1.0_amd64.deb',
    'a-1.2.3.zip',
  ),
  fc.constantFrom(
    'e-1.2-3.x86_64.rpm',
    'a-1.2.3.tgz',
    '-',
    'x.cvd',
    '12',
    'd',
    '%7E',
    '%2b',
    'authrootstl.cab',
  ),
  fc.string({ unit: fc.constantFrom('a', '1', '.', '-', '_', '%41', '%2f', '~', 'x'), maxLength: 8 }),
)
const url = fc
  .record({
    host: fc.constantFrom('a.example', 'A.Example:80', 'b.example:8080', '[::2]', '192.0.2.1'),
    segments: fc.array(segment, { maxLength: 5 }),
    query: fc.constantFrom('', '?', '?e', '?y', '?P1=a/b', '?x=%7e', "?'%27"),
    fragment: fc.constantFrom('', '#f'),
  })
  .map(({ host, segments, query, fragment }) => `http://${host}/${segments.join('/')}${query}${fragment}`)
  .filter((text) => !/\/(?:\.|%2e){1,2}(?:[/?#]|$)/i.test(text)) // user agents resolve dot segments before they ask

test('property: the file and the node agree on which URLs are update URLs', () => {
  fc.assert(
    fc.property(url, (text) => {
      const uri = parseTargetUri(text) ?? assert.fail(text)
      const isUpdate = everyPreset.policyFor(uri).rule !== DEFAULT_POLICY.rule
      assert.equal(ask(findEvery, text), isUpdate ? VIA_PROXY : 'DIRECT', text)
    }),
    { numRuns: 400 },
  )
})

test('property: no text throws', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string(), (text, host) => void findEvery(text, host)),
  )
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => void findEvery(`http://${text}`, '')))
})
