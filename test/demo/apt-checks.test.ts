import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Sha256 } from '../../core/digest.ts'
import { aptChecks, type AptEvidence } from '../../demo/apt-checks.ts'
import type { LoggedRequest } from '../../demo/request-log.ts'

const DIGEST = 'a'.repeat(64) as Sha256
const OTHER = 'b'.repeat(64) as Sha256
const INDEX = `http://a.example/dists/x/by-hash/SHA256/${DIGEST}`
const PACKAGE = 'http://a.example/pool/h/hello_1_all.deb'
const NOTHING = { internet: 0, peer: 0, 'in-progress': 0 }

function request(url: string, source: string, bytes: number, internet = 0): LoggedRequest {
  return { url, status: 200, bytes, source, received: { ...NOTHING, internet } }
}

const RELEASE = request('http://a.example/dists/x/InRelease', 'internet', 150_000, 150_000)
const FROM_PEERS = [RELEASE, request(INDEX, 'peer', 500_000), request(PACKAGE, 'peer', 1000)]

const FIRST: AptEvidence = {
  machine: 'machine 1',
  packages: [{ name: 'hello', size: 1000, sha256: DIGEST }],
  files: [{ name: 'hello_1_all.deb', bytes: 1000, sha256: DIGEST }],
  requests: [RELEASE, request(INDEX, 'internet', 500_000, 500_000), request(PACKAGE, 'internet', 1000, 1000)],
}
const SECOND: AptEvidence = { ...FIRST, machine: 'machine 2', requests: FROM_PEERS }

function failures(first: AptEvidence, second: AptEvidence): string[] {
  return aptChecks([first, second]).flatMap(({ name, failure }) =>
    failure === undefined ? [] : [`${name}: ${failure}`],
  )
}

describe('the checks of the apt demo', () => {
  test('hold when the first machine takes everything from the Internet and the second from its peers', () => {
    assert.deepEqual(failures(FIRST, SECOND), [])
  })

  const hold: readonly (readonly [string, readonly LoggedRequest[]])[] = [
    ['a running download', [request(INDEX, 'in-progress', 500_000), request(PACKAGE, 'in-progress', 1000)]],
    [
      'its own cache',
      [request(INDEX, 'hit', 500_000), { ...request(PACKAGE, 'hit', 1000), received: undefined }],
    ],
    ['the Internet for a small index', [...FROM_PEERS, request(`${INDEX}0`, 'internet', 100_000, 100_000)]],
  ]
  for (const [name, requests] of hold) {
    test(`hold when the second machine uses ${name}`, () => {
      assert.deepEqual(failures(FIRST, { ...SECOND, requests }), [])
    })
  }

  const broken: readonly (readonly [string, Partial<AptEvidence>, RegExp])[] = [
    [
      'a package comes from the Internet',
      { requests: [request(INDEX, 'peer', 500_000), request(PACKAGE, 'internet', 1000, 1000)] },
      /no package came from the Internet: .*hello_1_all\.deb \(internet, 1000 bytes/,
    ],
    [
      'a package begins at a peer and ends at the Internet',
      { requests: [request(INDEX, 'peer', 500_000), request(PACKAGE, 'peer', 1000, 1)] },
      /no package came from the Internet: .*\(peer, 1 bytes/,
    ],
    [
      'a large index comes from the Internet',
      { requests: [request(INDEX, 'internet', 100_001, 100_001), request(PACKAGE, 'peer', 1000)] },
      /no large index came from the Internet: .*by-hash/,
    ],
    [
      'a package passes the node by',
      { requests: [request(INDEX, 'peer', 500_000)] },
      /1 packages were not asked for at all/,
    ],
    [
      'no large index is asked for',
      { requests: [request(PACKAGE, 'peer', 1000)] },
      /no large index was asked for at all/,
    ],
    [
      'a file is not what the lists say',
      { files: [{ name: 'hello_1_all.deb', bytes: 1000, sha256: OTHER }] },
      /machine 2: every package has the SHA-256 .*expected a+, got b+/,
    ],
    ['a file is missing', { files: [] }, /hello is missing/],
    [
      'there is another file',
      { files: [...FIRST.files, { name: 'x_1_all.deb', bytes: 1, sha256: DIGEST }] },
      /same files/,
    ],
    ['there is nothing to check', { packages: [] }, /no package was chosen/],
  ]
  for (const [name, change, expected] of broken) {
    test(`fail when, on the second machine, ${name}`, () => {
      assert.match(failures(FIRST, { ...SECOND, ...change }).join('\n'), expected)
    })
  }

  test('fail when the first machine’s file is not what its lists say', () => {
    const files = [{ name: 'hello_1_all.deb', bytes: 1000, sha256: OTHER }]
    assert.match(failures({ ...FIRST, files }, SECOND).join('\n'), /machine 1: every package has/)
  })
})
