import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { withoutSecrets } from '../../../core/redaction.ts'
import { requestedUri } from '../../../core/target-uri.ts'
import { PlainRequests } from '../../../proxy/front/plain-requests.ts'
import { requestReader } from '../../../proxy/front/request-reader.ts'
import { checkTarget } from '../../../proxy/request-check.ts'

const SOCKET = { localAddress: '127.0.0.1', localPort: 3128, remoteAddress: '127.0.0.1' } as Socket
const CHECKS = { pseudonym: 'x', ownAuthorities: ['localhost:3128', '127.0.0.1:3128'], isOwnPage: () => true }

const characters = fc.constantFrom(...'abAB09-._~+,;=:@/%2e2fE!$&\'()*?[]{}|^`"<>'.split(''))
const authorities = fc.constantFrom(
  'a.test',
  'A.Test',
  'a.test:80',
  'a.test:8080',
  'localhost:3128',
  '127.1:3128',
  '0x7f000001:3128',
  '[::1]:99',
  'a.test:',
  'a..test',
  '256.1.1.1',
  'xn--a',
  '_',
  '-',
)
const targets = fc
  .tuple(
    authorities,
    fc.oneof(
      fc.constant(''),
      fc.string({ unit: characters, maxLength: 14 }).map((path) => `/${path}`),
    ),
  )
  .map(([authority, path]) => `http://${authority}${path}`)

test('a target comes to the same whether its server is known or not', () => {
  const requests = new PlainRequests({ pseudonym: 'x', checks: () => CHECKS })
  const reader = requestReader()
  let plain = 0
  fc.assert(
    fc.property(targets, (target) => {
      const reading = reader.read(`GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`, 0)
      if (reading.kind !== 'plain') return
      const decision = checkTarget({ method: 'GET', target, version: '1.1', fields: [] }, CHECKS)
      const request = requests.accept(reading.head, SOCKET)
      if (decision.kind !== 'proxy') return assert.equal(request, undefined)
      plain += 1
      const { href } = decision.target
      assert.deepEqual(
        [request?.uri, request?.shownUrl],
        [requestedUri(decision.target, target) ?? href, withoutSecrets(target)],
      )
    }),
    { numRuns: 5000 },
  )
  assert.ok(plain > 1000, `only ${plain} were proxied: the test does not test`)
})
