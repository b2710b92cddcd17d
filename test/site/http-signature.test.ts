import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { withField, withoutFields, type Fields } from '../../core/fields.ts'
import { seededRandom } from '../../core/random.ts'
import { httpSignatures, PASS_FIELD, type HttpRequestHead } from '../../site/http-signature.ts'
import type { Membership } from '../../site/membership.ts'
import { CLOCK_SKEW_MS } from '../../site/pass.ts'
import { manualClock } from '../manual-clock.ts'
import { TestSite } from './fixtures.ts'

function scene() {
  const clock = manualClock()
  const site = new TestSite(clock)
  const alice = site.member('alice')
  const bob = site.member('bob')
  let seed = 0
  const of = (membership: Membership | undefined) =>
    httpSignatures({ clock, random: seededRandom(seed++), membership: () => membership })
  const head: HttpRequestHead = {
    method: 'GET',
    authority: '10.0.0.2:6515',
    path: '/functions/x',
    fields: [
      ['Ihave-Target', 'http://updates.test/a.deb'],
      ['Range', 'bytes=5-'],
    ],
  }
  const fields = of(alice).signRequest(head) ?? []
  return { clock, site, alice, bob, of, head, fields, sent: { ...head, fields } }
}

function outcome(signer: ReturnType<ReturnType<typeof httpSignatures>['requestSigner']>): string {
  return signer.kind === 'member' ? signer.pass.name : signer.reason
}

describe('a signed request', () => {
  test('is its member’s, who brings the pass along; what the connection adds does not matter', () => {
    const { of, bob, sent } = scene()
    const received = {
      ...sent,
      fields: [['Host', '10.0.0.2:6515'], ...sent.fields, ['Connection', 'close']] as Fields,
    }
    assert.equal(outcome(of(bob).requestSigner(received)), 'alice')
  })

  test('counts once', () => {
    const { of, bob, sent, clock } = scene()
    const hears = of(bob)
    assert.equal(outcome(hears.requestSigner(sent)), 'alice')
    assert.equal(outcome(hears.requestSigner(sent)), 'replayed')
    clock.advance(CLOCK_SKEW_MS + 1001)
    assert.equal(outcome(hears.requestSigner(sent)), 'another-time')
  })

  test('is not believed by who has started since: it may have been answered before', () => {
    const { of, bob, sent, clock } = scene()
    clock.advance(1000)
    assert.equal(outcome(of(bob).requestSigner(sent)), 'replayed')
  })

  test('of another time is nobody’s: a clock that is wrong, or a request that was kept back', () => {
    const { of, bob, sent, clock } = scene()
    const hears = of(bob)
    clock.advance(CLOCK_SKEW_MS + 1001)
    assert.equal(outcome(hears.requestSigner(sent)), 'another-time')
  })

  test('with anything changed, added or left out is refused', () => {
    const { of, bob, sent } = scene()
    const hears = of(bob)
    const changed: readonly (Partial<HttpRequestHead> & { readonly what: string })[] = [
      { what: 'method', method: 'HEAD' },
      { what: 'another machine', authority: '10.0.0.3:6515' },
      { what: 'path', path: '/functions/y' },
      { what: 'target', fields: withField(sent.fields, 'Ihave-Target', 'http://updates.test/b.deb') },
      { what: 'range', fields: withField(sent.fields, 'Range', 'bytes=0-') },
      { what: 'no range', fields: withoutFields(sent.fields, ['Range']) },
      { what: 'another field', fields: [...sent.fields, ['If-Range', '"x"']] },
      { what: 'the target twice', fields: [...sent.fields, ['Ihave-Target', 'http://10.0.0.1/']] },
      { what: 'a shorter list', fields: shortened(sent.fields) },
    ]
    for (const { what, ...change } of changed)
      assert.equal(outcome(hears.requestSigner({ ...sent, ...change })), 'wrong-signature', what)
    assert.equal(outcome(hears.requestSigner(sent)), 'alice', 'what was refused has used nothing up')
  })

  test('of a stranger, of another site, in another member’s name or of one who was thrown out is refused', () => {
    const { of, bob, sent, site, clock, head } = scene()
    const hears = of(bob)
    assert.equal(outcome(hears.requestSigner(head)), 'unsigned')
    const other = new TestSite(clock).member('mallory')
    assert.equal(
      outcome(hears.requestSigner({ ...head, fields: of(other).signRequest(head) ?? [] })),
      'unknown-member',
    )
    const carol = site.member('carol')
    const stolen = withField(sent.fields, PASS_FIELD, carol.pass.text)
    assert.equal(outcome(hears.requestSigner({ ...sent, fields: stolen })), 'unknown-member')
    const strict = site.member('strict', { denied: [scene().alice.id, carol.id] })
    assert.equal(
      outcome(of(strict).requestSigner({ ...head, fields: of(carol).signRequest(head) ?? [] })),
      'unknown-member',
    )
    assert.equal(of(undefined).signRequest(head), undefined)
    assert.equal(outcome(of(undefined).requestSigner(sent)), 'unsigned')
  })
})

describe('a signed response', () => {
  test('is the answer of a member to this very request, with these fields', () => {
    const { of, alice, bob, fields, head } = scene()
    const asks = of(alice)
    const response = {
      status: 206,
      fields: [
        ['ETag', '"a"'],
        ['Date', 'now'],
      ] as Fields,
    }
    const answer = { status: 206, fields: of(bob).signResponse(response, fields) }
    assert.equal(outcome(asks.responseSigner(answer, fields)), 'bob')
    assert.equal(outcome(asks.responseSigner({ ...answer, status: 200 }, fields)), 'wrong-signature')
    const changed = withField(answer.fields, 'ETag', '"b"')
    assert.equal(outcome(asks.responseSigner({ ...answer, fields: changed }, fields)), 'wrong-signature')
    const again = asks.signRequest(head) ?? []
    assert.equal(outcome(asks.responseSigner(answer, again)), 'wrong-signature', 'an answer of before')
    assert.equal(outcome(asks.responseSigner(response, fields)), 'unsigned')
  })
})

/** A signature that claims to cover no more than the target: the covered fields are no choice of the sender's. */
function shortened(fields: Fields): Fields {
  const input = fields.find(([name]) => name === 'Signature-Input')?.[1] ?? ''
  return withField(fields, 'Signature-Input', input.replace(' "range"', ''))
}
