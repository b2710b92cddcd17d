/**
 * V§4 "old signed file under a new name", R8.2 and R8.3: what peers send under a rule that trusts a publisher's signature, and
 * nothing else proves it, against a running node.
 */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { toPem } from '../../signing/pem.ts'
import { signCms } from '../../signing/sign.ts'
import type { Node } from '../../service/node.ts'
import { startFakePeer } from '../clients/fake-peer.ts'
import { acquainted, freePacketPort, Scene, settled, until } from '../clients/harness.ts'
import { Origin, sha256, uniqueBody, type Handler } from '../clients/origin.ts'
import { DAY, publisher } from '../signing/signers.ts'
import { signedCabinet } from '../verify/signature/signed-files.ts'
import { fetched } from './fetched.ts'

const TODAY = Math.floor(Date.now() / 1000) * 1000
const VALID = { notBefore: TODAY - DAY, notAfter: TODAY + 365 * DAY }
const WHO = publisher('p256', 'Attacked Software', VALID)
const OTHER = publisher('p256', 'Somebody Else', VALID)

const scene = new Scene()
let packetPort: number
let origin: Origin
let sections: Readonly<Record<string, unknown>>
let node: Node

before(async () => {
  packetPort = await freePacketPort()
  origin = await Origin.start(scene)
  const pem = join(scene.directory(), 'publisher.pem')
  writeFileSync(pem, toPem('CERTIFICATE', WHO.authority.certificate.der))
  const shared = { share: true, immutable: true, signers: [pem] }
  sections = {
    rules: [
      { match: '**/signed/**', ...shared },
      { match: '**/beside/*.zip', ...shared, signature: '.p7s' },
      { match: '**/nobody/**', share: true, immutable: true },
    ],
  }
  node = await scene.node({ ...sections, peering: { address: '127.0.0.8', packetPort } })
})

after(() => scene.close())

let files = 0

/** A file of its own for each test: no answer of an earlier one can be taken for it. */
function nextStamp(): string {
  return `20260113${String(++files).padStart(4, '0')}`
}

function cabinet(stamp: string, more: Parameters<typeof signedCabinet>[0] = {}, who = WHO): Buffer {
  return signedCabinet({ name: nameOf(stamp), released: stamp, ...more }, who, uniqueBody(120_000))
}

function nameOf(stamp: string): string {
  return `vsasap.${stamp}.cab`
}

let addresses = 60

async function peerThat(serve: Handler) {
  const address = `127.0.0.${addresses++}`
  const peer = await startFakePeer(scene, { address, packetPort, serve })
  await until('the peer', () => node.status().peering?.peers.some((each) => each.address === address))
  return { ...peer, address }
}

const sends =
  (body: Buffer): Handler =>
  (_request, response) =>
    response.writeHead(200, { 'Content-Length': body.length }).end(body)

test('a file that its publisher signed under this name comes from a peer, without a word to the origin server', async () => {
  const stamp = nextStamp()
  const right = cabinet(stamp)
  const url = origin.put(`/signed/${nameOf(stamp)}`, { body: right })
  const sofar = origin.requests.length
  const peer = await peerThat(sends(right))
  const got = await fetched(node, url)
  assert.deepEqual([got.status, got.source, sha256(got.body)], [200, 'peer', sha256(right)])
  assert.equal(origin.requests.length, sofar)
  assert.equal(node.status().signatures.verified, 1)
  await peer.stop()
})

interface Attack {
  readonly what: string
  readonly reason: string
  readonly body: (stamp: string, right: Buffer) => Buffer
}

const ATTACKS: readonly Attack[] = [
  {
    what: 'an older file of the same publisher, renamed',
    reason: 'wrong-name',
    body: () => cabinet('202501010000'),
  },
  {
    what: 'an older release that bears the new name',
    reason: 'wrong-version',
    body: (stamp) => cabinet(stamp, { released: '202501010000', version: '4.5.0' }),
  },
  {
    what: 'a file that somebody else signed',
    reason: 'wrong-signer',
    body: (stamp) => cabinet(stamp, {}, OTHER),
  },
  {
    what: 'a file with a changed byte',
    reason: 'altered',
    body: (_, right) => changed(right, right.length >> 1),
  },
  {
    what: 'the file with a message in the bytes that no signature covers',
    reason: 'altered',
    body: (_, right) => changed(right, 52),
  },
  {
    what: 'the file with something behind its signature',
    reason: 'altered',
    body: (_, right) => Buffer.concat([right, Buffer.from('behind')]),
  },
  { what: 'a file without a signature', reason: 'unsigned', body: () => unsigned() },
  { what: 'a file of another kind', reason: 'malformed', body: () => uniqueBody(120_000) },
]

function changed(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes)
  copy[at] = (copy[at] ?? 0) ^ 0x20
  return copy
}

/** As the tools of cabinets make it: no reserve in the header. */
function unsigned(): Buffer {
  const bytes = Buffer.alloc(2_000)
  bytes.write('MSCF', 'latin1')
  return bytes
}

describe('a peer that sends', () => {
  for (const { what, reason, body } of ATTACKS)
    test(`${what} is refused and shunned, and the application has the right one`, async () => {
      const stamp = nextStamp()
      const right = cabinet(stamp)
      const url = origin.put(`/signed/${nameOf(stamp)}`, { body: right })
      const known = countOf(reason)
      const peer = await peerThat(sends(body(stamp, right)))
      const got = await fetched(node, url)
      assert.deepEqual([got.status, got.source, sha256(got.body)], [200, 'internet', sha256(right)])
      assert.ok(peer.requests() >= 1)
      assert.equal(countOf(reason), known + 1)
      const shunned = node.status().shunned.find((each) => each.peer === peer.address)
      assert.equal(shunned?.reason, 'bad-bytes')
      assert.match(shunned?.detail ?? '', new RegExp(`: signature ${reason}: `))
      await peer.stop()
    })

  test('the right file is not blamed where the origin server’s own is no better: it is acquitted', async () => {
    const stamp = nextStamp()
    const right = cabinet(stamp, {}, OTHER)
    const url = origin.put(`/signed/${nameOf(stamp)}`, { body: right })
    const peer = await peerThat(sends(right))
    const got = await fetched(node, url)
    assert.deepEqual([got.source, sha256(got.body)], ['internet', sha256(right)])
    await settled(node)
    const isShunned = () => node.status().shunned.some((each) => each.peer === peer.address)
    await until('the acquittal', () => !isShunned())
    await peer.stop()
  })

  test('half of a file and then nothing gives the application not one byte of it', async () => {
    const stamp = nextStamp()
    const right = cabinet(stamp)
    const url = origin.put(`/signed/${nameOf(stamp)}`, { body: right })
    const wrong = changed(right, 10)
    const peer = await peerThat((_request, response) => {
      response.writeHead(200, { 'Content-Length': wrong.length })
      response.write(wrong.subarray(0, wrong.length >> 1), () => response.socket?.destroy())
    })
    const got = await fetched(node, url)
    assert.deepEqual([got.status, got.source, sha256(got.body)], [200, 'internet', sha256(right)])
    await peer.stop()
  })
})

test('nothing comes from peers where no signer is trusted, however well it is signed', async () => {
  const stamp = nextStamp()
  const right = cabinet(stamp)
  const url = origin.put(`/nobody/${nameOf(stamp)}`, { body: right })
  const peer = await peerThat(sends(right))
  const got = await fetched(node, url)
  assert.deepEqual([got.source, sha256(got.body)], ['internet', sha256(right)])
  assert.equal(peer.requests(), 0)
  await peer.stop()
})

describe('where the signature lies beside the file', () => {
  test('a peer’s copy is held against the one that the origin server has', async () => {
    const right = uniqueBody(120_000)
    const url = origin.put('/beside/tool-1.2.3.zip', { body: right })
    origin.put('/beside/tool-1.2.3.zip.p7s', { body: signCms(right, WHO.identity, TODAY, 'detached') })
    const sofar = origin.requests.length
    const peer = await peerThat(sends(right))
    const got = await fetched(node, url)
    assert.deepEqual([got.source, sha256(got.body)], ['peer', sha256(right)])
    const asked = origin.requests.slice(sofar).map(({ method, path }) => `${method} ${path}`)
    assert.deepEqual(asked.toSorted(), ['GET /beside/tool-1.2.3.zip.p7s', 'HEAD /beside/tool-1.2.3.zip'])
    await peer.stop()
  })

  test('an older genuine file is refused: the signature is over other bytes', async () => {
    const right = uniqueBody(120_000)
    const url = origin.put('/beside/tool-1.2.4.zip', { body: right })
    origin.put('/beside/tool-1.2.4.zip.p7s', { body: signCms(right, WHO.identity, TODAY, 'detached') })
    const known = countOf('altered')
    const peer = await peerThat(sends(uniqueBody(120_000)))
    const got = await fetched(node, url)
    assert.deepEqual([got.source, sha256(got.body)], ['internet', sha256(right)])
    assert.equal(countOf('altered'), known + 1)
    await peer.stop()
  })
})

test('a node that was given the proof passes the file on, and the next one verifies it too', async () => {
  const stamp = nextStamp()
  const right = cabinet(stamp)
  const url = origin.put(`/signed/${nameOf(stamp)}`, { body: right })
  const lan = await freePacketPort()
  const one = await scene.node({ ...sections, peering: { address: '127.0.0.90', packetPort: lan } })
  const other = await scene.node({ ...sections, peering: { address: '127.0.0.91', packetPort: lan } })
  await acquainted(one, other)
  assert.equal((await fetched(one, url)).source, 'internet')
  await settled(one)
  const got = await fetched(other, url)
  assert.deepEqual([got.source, sha256(got.body)], ['peer', sha256(right)])
  assert.deepEqual(other.status().signatures, { verified: 1, refused: {} })
})

function countOf(reason: string): number {
  return new Map<string, number>(Object.entries(node.status().signatures.refused)).get(reason) ?? 0
}
