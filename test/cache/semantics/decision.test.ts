import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { EpochMs } from '../../../core/clock.ts'
import type { Fields } from '../../../core/fields.ts'
import { decide, MAX_DISCONNECTED_MS, staleIfErrorAllows } from '../../../cache/semantics/decision.ts'
import { afterSeconds, cacheControl, httpDate, stored } from './fixtures.ts'

const VOLATILE = { immutable: false }
const IMMUTABLE = { immutable: true }
const NOW = afterSeconds(100)
const ETAG = ['ETag', '"a"'] as const

/** What is decided, in a word or two, about a response that is 100 seconds old. */
function decided(response: Fields | undefined, request: Fields = [], policy = VOLATILE): string {
  const candidates = response === undefined ? [] : [stored([['Date', httpDate(0)], ETAG, ...response])]
  const decision = decide({ method: 'GET', fields: request }, candidates, policy, NOW)
  return 'reason' in decision ? `${decision.kind} ${decision.reason}` : decision.kind
}

const FRESH = cacheControl('max-age=150')
const STALE = cacheControl('max-age=60')
const asks = cacheControl

const DECISIONS: readonly (readonly [
  sentence: string,
  response: Fields | undefined,
  request: Fields,
  string,
])[] = [
  ['4: nothing is stored', undefined, [], 'miss uri-miss'],
  ['4.2: fresh', FRESH, [], 'hit'],
  ['4.2: stale', STALE, [], 'validate stale'],
  ['4.2: without any lifetime', [], [], 'validate stale'],
  ['5.2.2.4: no-cache', cacheControl('max-age=150, no-cache'), [], 'validate stale'],
  [
    '5.2.2.4: no-cache even if max-stale',
    cacheControl('max-age=5, no-cache'),
    asks('max-stale'),
    'validate stale',
  ],
  ['5.2.2.4: no-cache with field names', cacheControl('max-age=150, no-cache="x"'), [], 'hit'],
  ['5.2.1.4: a request with no-cache', FRESH, asks('no-cache'), 'validate request'],
  ['5.4: a request with Pragma', FRESH, [['Pragma', 'no-cache']], 'validate request'],
  ['5.2.1.4: a request with no-cache, and stale anyway', STALE, asks('no-cache'), 'validate stale'],
  ['5.2.1.5: a request with no-store', FRESH, asks('no-store'), 'hit'],
  ['5.2.1.1: younger than max-age', FRESH, asks('max-age=101'), 'hit'],
  ['5.2.1.1: older than max-age', FRESH, asks('max-age=99'), 'validate request'],
  ['5.2.1.1: older than max-age="0"', FRESH, asks('max-age="0"'), 'validate request'],
  ['5.2.1.1: an unreadable max-age', FRESH, asks('max-age=x'), 'validate request'],
  ['5.2.1.3: fresh enough', FRESH, asks('min-fresh=50'), 'hit'],
  ['5.2.1.3: not fresh enough', FRESH, asks('min-fresh=51'), 'validate request'],
  ['5.2.1.2: stale, but not more than max-stale', STALE, asks('max-stale=40'), 'hit'],
  ['5.2.1.2: more stale than max-stale', STALE, asks('max-stale=39'), 'validate stale'],
  ['5.2.1.2: stale by whatever', STALE, asks('max-stale'), 'hit'],
  ['5.2.1.2: an unreadable max-stale allows nothing', STALE, asks('max-stale=x'), 'validate stale'],
  ['5.2.1.2: nor does a malformed one', STALE, asks('max-stale =99'), 'validate stale'],
  ['5.2.1.1: max-age is not lifted by max-stale', STALE, asks('max-age=99, max-stale'), 'validate stale'],
  ['5.2.1.7: only-if-cached and fresh', FRESH, asks('only-if-cached'), 'hit'],
  ['5.2.1.7: only-if-cached and stale', STALE, asks('only-if-cached'), 'only-if-cached'],
  ['5.2.1.7: only-if-cached, stale and max-stale', STALE, asks('only-if-cached, max-stale'), 'hit'],
  ['5.2.1.7: only-if-cached and nothing stored', undefined, asks('only-if-cached'), 'only-if-cached'],
  [
    '5.2.2.2: must-revalidate',
    cacheControl('max-age=60, must-revalidate'),
    asks('max-stale'),
    'validate stale',
  ],
  [
    '5.2.2.8: proxy-revalidate',
    cacheControl('max-age=60, proxy-revalidate'),
    asks('max-stale'),
    'validate stale',
  ],
  ['5.2.2.10: s-maxage', cacheControl('s-maxage=60'), asks('max-stale'), 'validate stale'],
  ['5.2.2.2: must-revalidate while fresh', cacheControl('max-age=150, must-revalidate'), [], 'hit'],
]

for (const [sentence, response, request, expected] of DECISIONS) {
  test(`RFC 9111 ${sentence}: ${expected}`, () => assert.equal(decided(response, request), expected))
}

const EXTENSIONS: readonly (readonly [sentence: string, response: string, request: string, string])[] = [
  ['5861 3: stale within the window', 'max-age=60, stale-while-revalidate=40', '', 'stale-while-revalidate'],
  ['5861 3: stale beyond the window', 'max-age=60, stale-while-revalidate=39', '', 'validate stale'],
  ['5861 3: still fresh', 'max-age=150, stale-while-revalidate=40', '', 'hit'],
  ['5861 3: an unreadable window', 'max-age=60, stale-while-revalidate=x', '', 'validate stale'],
  ['5861 3: forbidden', 'max-age=60, stale-while-revalidate=40, must-revalidate', '', 'validate stale'],
  ['5861 3: not wanted', 'max-age=60, stale-while-revalidate=40', 'max-age=0', 'validate stale'],
  ['8246 2: immutable is not asked for on a reload', 'max-age=150, immutable', 'max-age=0', 'hit'],
  [
    '8246 2: immutable is asked for on a forced reload',
    'max-age=150, immutable',
    'no-cache',
    'validate request',
  ],
  ['8246 2: immutable ends with the lifetime', 'max-age=60, immutable', 'max-age=0', 'validate stale'],
]

for (const [sentence, response, request, expected] of EXTENSIONS) {
  test(`RFC ${sentence}: ${expected}`, () => {
    assert.equal(decided(cacheControl(response), cacheControl(request)), expected)
  })
}

test('R6.3: an immutable name is a hit without any field, and for max-age=0 of apt, but not for no-cache', () => {
  assert.equal(decided([], [], IMMUTABLE), 'hit')
  assert.equal(decided([['Expires', '0']], cacheControl('max-age=0'), IMMUTABLE), 'hit')
  assert.equal(decided([], cacheControl('no-cache'), IMMUTABLE), 'validate request')
  assert.equal(decided(cacheControl('no-cache'), [], IMMUTABLE), 'validate stale')
})

test('RFC 9111 5.2.1.1: max-age=0 asks even for what came this very moment', () => {
  const response = stored(FRESH)
  const request = { method: 'GET', fields: cacheControl('max-age=0') }
  assert.equal(decide(request, [response], VOLATILE, response.responseTime).kind, 'miss')
})

test('RFC 9111 4: a HEAD is answered from a stored GET, other methods go through', () => {
  const response = stored([['Date', httpDate(0)], ...FRESH])
  const answer = (method: string) => decide({ method, fields: [] }, [response], VOLATILE, NOW)
  assert.deepEqual(answer('HEAD'), { kind: 'hit', response, ageMs: 100_000, ttlMs: 50_000 })
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'get'])
    assert.deepEqual(answer(method), { kind: 'miss', reason: 'method' })
})

test('RFC 9111 4.1: a response that Vary does not select is a vary-miss', () => {
  const response = stored(FRESH, { selecting: [['accept-encoding', 'br']] })
  assert.deepEqual(decide({ method: 'GET', fields: [] }, [response], VOLATILE, NOW), {
    kind: 'miss',
    reason: 'vary-miss',
  })
})

test('RFC 9111 4.3.1: a validation carries the validators, and is a miss where there are none', () => {
  const request = { method: 'GET', fields: [] }
  const response = stored([...STALE, ETAG])
  assert.deepEqual(decide(request, [response], VOLATILE, NOW), {
    kind: 'validate',
    response,
    conditional: [['If-None-Match', '"a"']],
    reason: 'stale',
  })
  const plain = stored(STALE)
  const missed = { kind: 'miss', reason: 'stale' }
  assert.deepEqual(decide(request, [plain], VOLATILE, NOW), { ...missed, stale: plain })
  // A server heeds conditions where it would answer with success: it could not confirm a 404, but hide the file.
  const gone = stored([...STALE, ETAG], { status: 404 })
  assert.deepEqual(decide(request, [gone], VOLATILE, NOW), { ...missed, stale: gone })
})

test('R6.3: that an immutable file was not there is asked again', () => {
  const gone = stored([['Date', httpDate(0)]], { status: 404 })
  assert.equal(decide({ method: 'GET', fields: [] }, [gone], IMMUTABLE, NOW).kind, 'miss')
})

test('RFC 9111 5.2.2.4: fields that no-cache names are sent only after a validation', () => {
  const held = ['X-Turn', '1'] as const
  const fresh = stored([held, ETAG, ...cacheControl('max-age=150, no-cache="x-turn"')])
  const hit = decide({ method: 'GET', fields: [] }, [fresh], VOLATILE, NOW)
  assert.ok(hit.kind === 'hit' && !hit.response.fields.includes(held))
  const stale = stored([held, ETAG, ...cacheControl('max-age=60, no-cache="x-turn"')])
  const validation = decide({ method: 'GET', fields: [] }, [stale], VOLATILE, NOW)
  assert.ok(validation.kind === 'validate' && validation.response.fields.includes(held))
})

test('a stale hit tells by how much, and a background validation what to ask', () => {
  const response = stored([ETAG, ...cacheControl('max-age=60, stale-while-revalidate=60')])
  const reuse = { response, ageMs: 100_000, ttlMs: -40_000 }
  const tolerant = { method: 'GET', fields: cacheControl('max-stale') }
  assert.deepEqual(decide(tolerant, [response], VOLATILE, NOW), { kind: 'hit', ...reuse })
  const conditional = [['If-None-Match', '"a"']]
  assert.deepEqual(decide({ method: 'GET', fields: [] }, [response], VOLATILE, NOW), {
    kind: 'stale-while-revalidate',
    ...reuse,
    conditional,
  })
})

const ERRORS: readonly (readonly [sentence: string, string, string, number | undefined, boolean])[] = [
  ['no answer', 'max-age=60, stale-if-error=40', '', undefined, true],
  ['500', 'max-age=60, stale-if-error=40', '', 500, true],
  ['502', 'max-age=60, stale-if-error=40', '', 502, true],
  ['503', 'max-age=60, stale-if-error=40', '', 503, true],
  ['504', 'max-age=60, stale-if-error=40', '', 504, true],
  ['404, which is an answer', 'max-age=60, stale-if-error=40', '', 404, false],
  ['501, which is an answer', 'max-age=60, stale-if-error=40', '', 501, false],
  ['stale for longer', 'max-age=60, stale-if-error=39', '', 503, false],
  ['allowed by the request', 'max-age=60', 'stale-if-error=40', 503, true],
  ['allowed by nobody, and there is an answer', 'max-age=60', '', 503, false],
  ['disconnected, and nobody speaks of it', 'max-age=60', '', undefined, true],
  ['disconnected, and the window is over', 'max-age=60, stale-if-error=39', '', undefined, false],
  ['disconnected, and must-revalidate', 'max-age=60, must-revalidate', '', undefined, false],
  ['disconnected, and proxy-revalidate', 'max-age=60, proxy-revalidate', '', undefined, false],
  ['disconnected, and the request is about freshness', 'max-age=60', 'max-age=500', undefined, false],
  ['disconnected, and fresh, but a reload', 'max-age=150', 'max-age=0', undefined, false],
  ['an unreadable window', 'max-age=60, stale-if-error=x', '', 503, false],
  ['must-revalidate', 'max-age=60, stale-if-error=40, must-revalidate', '', 503, false],
  ['s-maxage', 's-maxage=60, stale-if-error=40', '', 503, false],
  ['no-cache', 'max-age=60, stale-if-error=40, no-cache', '', 503, false],
  ['a request with no-cache', 'max-age=60, stale-if-error=40', 'no-cache', 503, false],
]

for (const [sentence, response, request, status, expected] of ERRORS) {
  test(`RFC 5861 4: stale-if-error: ${sentence}: ${expected ? 'allowed' : 'refused'}`, () => {
    const asked = { fields: request === '' ? [] : cacheControl(request) }
    assert.equal(staleIfErrorAllows(asked, stored(cacheControl(response)), VOLATILE, NOW, status), expected)
  })
}

test('RFC 9111 4.2.4: a response that is stale for a week does not stand in for a server that is away', () => {
  const response = stored(cacheControl('max-age=60'))
  const after = (ms: number) => (response.responseTime + 60_000 + ms) as EpochMs
  const stands = (at: EpochMs) => staleIfErrorAllows({ fields: [] }, response, VOLATILE, at)
  assert.deepEqual(
    [stands(after(MAX_DISCONNECTED_MS)), stands(after(MAX_DISCONNECTED_MS + 1))],
    [true, false],
  )
})

test('whatever the fields say, nothing stale is sent that the server forbids', () => {
  const tolerant = fc.constantFrom('max-stale', 'max-stale=9999', 'stale-while-revalidate=9999', 'public')
  const piece = fc.oneof(
    tolerant,
    fc.constantFrom('max-age=5', 'max-age=500', 'x="', 'min-fresh=1', 'immutable'),
  )
  const strict = fc.constantFrom(
    'no-cache',
    'must-revalidate',
    'proxy-revalidate',
    's-maxage=5',
    'NO-CACHE=""',
  )
  fc.assert(
    fc.property(
      fc.array(piece),
      fc.array(piece),
      strict,
      fc.nat(1000),
      (request, response, forbids, seconds) => {
        const candidate = stored([
          ['Cache-Control', response.join(',')],
          ['Cache-Control', forbids],
        ])
        const now = afterSeconds(seconds)
        const fields = request.map((each) => ['Cache-Control', each] as const)
        const decision = decide({ method: 'GET', fields }, [candidate], VOLATILE, now)
        assert.notEqual(decision.kind, 'stale-while-revalidate')
        assert.ok(decision.kind !== 'hit' || (decision.ttlMs > 0 && !/no-cache/i.test(forbids)))
      },
    ),
  )
})
