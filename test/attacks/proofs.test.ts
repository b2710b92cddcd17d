/**
 * V§1, the rungs V1 and V2, each against the same attack: a peer that sends other bytes of the right length. Every way in which a URL
 * names its digest, and every kind of index that passes through; the right bytes come from a peer, without a word to the origin server.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { blake2b } from '@noble/hashes/blake2.js'
import type { Node } from '../../service/node.ts'
import { startFakePeer } from '../clients/fake-peer.ts'
import { acquainted, freePacketPort, Scene, settled, until } from '../clients/harness.ts'
import { Origin, sha256, uniqueBody, type Handler } from '../clients/origin.ts'
import { fetched } from './fetched.ts'

/** What is shared; the indexes are not: only what comes from the origin server is read. */
const SHARED = ['by-hash/**', 'blobs/**', 'packages/**', 'repodata/*-primary.xml.gz', 'nar/**']
const FILES = ['tgz', 'whl', 'rpm', 'crate', 'jar', 'iso', 'deb'].map((ending) => `*.${ending}`)

const scene = new Scene()
let packetPort: number
let origin: Origin
let victim: Node
let other: Node
let next = 70

before(async () => {
  packetPort = await freePacketPort()
  origin = await Origin.start(scene)
  const rules = [...SHARED, ...FILES].map((each) => ({ match: `**/${each}`, share: true, immutable: true }))
  const node = (address: string) =>
    scene.node({
      peering: { address, packetPort },
      rules,
      verification: { aptConfig: 'off', askOrigin: false },
    })
  victim = await node('127.0.0.8')
  other = await node('127.0.0.9')
  await acquainted(victim, other)
})

after(() => scene.close())

/** What an application fetches before the file, in this order. */
interface Published {
  readonly indexes: readonly string[]
  readonly file: string
}

const digestOf = (algorithm: 'sha256' | 'sha512', body: Buffer) => createHash(algorithm).update(body).digest()
const hexOf = (algorithm: 'sha256' | 'sha512', body: Buffer) => digestOf(algorithm, body).toString('hex')

/** Nix: 52 digits, the last of which stands for the lowest bits. */
function nixBase32(bytes: Buffer): string {
  const digits = '0123456789abcdfghijklmnpqrsvwxyz'
  const number = BigInt(`0x${Buffer.from([...bytes].toReversed()).toString('hex')}`)
  return Array.from({ length: 52 }, (_, at) => digits[Number((number >> BigInt(5 * (51 - at))) & 31n)]).join(
    '',
  )
}

function pypiPath(body: Buffer): string {
  const hex = Buffer.from(blake2b(body, { dkLen: 32 })).toString('hex')
  return `${hex.slice(0, 2)}/${hex.slice(2, 4)}/${hex.slice(4)}`
}

/** V1: the URL says it. */
const NAMED: readonly (readonly [name: string, path: (body: Buffer) => string])[] = [
  ['apt, by-hash/SHA256', (body) => `/debian/dists/x/by-hash/SHA256/${hexOf('sha256', body)}`],
  ['apt, by-hash/SHA512', (body) => `/debian/dists/x/by-hash/SHA512/${hexOf('sha512', body)}`],
  ['an OCI blob', (body) => `/v2/library/x/blobs/sha256:${hexOf('sha256', body)}`],
  ['PyPI, BLAKE2b', (body) => `/packages/${pypiPath(body)}/x-1.0-py3-none-any.whl`],
  ['rpm-md', (body) => `/fedora/repodata/${hexOf('sha256', body)}-primary.xml.gz`],
  ['nix', (body) => `/nix/nar/${nixBase32(digestOf('sha256', body))}.nar.xz`],
]

const page = (text: string, type: string) => ({
  body: Buffer.from(text),
  fields: { 'Content-Type': type, 'Cache-Control': 'max-age=60' },
})

const JSON_TYPE = 'application/json'
const PYPI_JSON = 'application/vnd.pypi.simple.v1+json'

/** V2: an index says it. */
const LISTED: readonly (readonly [name: string, publish: (at: string, body: Buffer) => Published])[] = [
  [
    'an npm packument',
    (at, body) => {
      const tarball = origin.put(`${at}/x/-/x-1.0.0.tgz`, { body })
      const integrity = `sha512-${digestOf('sha512', body).toString('base64')}`
      const text = JSON.stringify({ name: 'x', versions: { '1.0.0': { dist: { tarball, integrity } } } })
      return { indexes: [origin.put(`${at}/x`, page(text, JSON_TYPE))], file: tarball }
    },
  ],
  [
    'a simple index in HTML',
    (at, body) => {
      const file = origin.put(`${at}/simple/x/x-1.0.whl`, { body })
      const text = `<!DOCTYPE html><a href="x-1.0.whl#sha256=${hexOf('sha256', body)}">x</a>`
      return { indexes: [origin.put(`${at}/simple/x/`, page(text, 'text/html'))], file }
    },
  ],
  [
    'a simple index in JSON',
    (at, body) => {
      const file = origin.put(`${at}/simple/x/x-1.0.whl`, { body })
      const files = [{ filename: 'x-1.0.whl', url: 'x-1.0.whl', hashes: { sha256: hexOf('sha256', body) } }]
      return { indexes: [origin.put(`${at}/simple/x/`, page(JSON.stringify({ files }), PYPI_JSON))], file }
    },
  ],
  [
    'rpm-md',
    (at, body) => {
      const file = origin.put(`${at}/Packages/x-1-1.rpm`, { body })
      const text = `<?xml version="1.0"?><metadata><package type="rpm"><checksum type="sha256" pkgid="YES">${hexOf('sha256', body)}</checksum><size package="${body.length}"/><location href="Packages/x-1-1.rpm"/></package></metadata>`
      return { indexes: [origin.put(`${at}/repodata/primary.xml`, page(text, 'application/xml'))], file }
    },
  ],
  [
    'the crates index',
    (at, body) => {
      const file = origin.put(`${at}/dl/thing/thing-1.0.0.crate`, { body })
      const dl = `http://${origin.authority}${at}/dl/{crate}/{crate}-{version}.crate`
      const line = JSON.stringify({ name: 'thing', vers: '1.0.0', cksum: hexOf('sha256', body) })
      const indexes = [
        origin.put(`${at}/config.json`, page(JSON.stringify({ dl }), JSON_TYPE)),
        origin.put(`${at}/th/in/thing`, page(`${line}\n`, 'text/plain')),
      ]
      return { indexes, file }
    },
  ],
  [
    'a side file, as Maven has it',
    (at, body) => {
      const file = origin.put(`${at}/x/1.0/x-1.0.jar`, { body })
      const text = hexOf('sha256', body)
      return { indexes: [origin.put(`${at}/x/1.0/x-1.0.jar.sha256`, page(text, 'text/plain'))], file }
    },
  ],
  [
    'a Metalink',
    (at, body) => {
      const file = origin.put(`${at}/x.iso`, { body })
      const text = `<metalink xmlns="urn:ietf:params:xml:ns:metalink"><file name="x.iso"><hash type="sha-256">${hexOf('sha256', body)}</hash><url>${file}</url></file></metalink>`
      return { indexes: [origin.put(`${at}/x.iso.meta4`, page(text, 'application/metalink4+xml'))], file }
    },
  ],
  [
    'apt’s Packages',
    (at, body) => {
      const file = origin.put(`${at}/pool/x_1_all.deb`, { body })
      const text = `Package: x\nFilename: pool/x_1_all.deb\nSize: ${body.length}\nSHA256: ${hexOf('sha256', body)}\n`
      const path = `${at}/dists/x/main/binary-all/Packages`
      return { indexes: [origin.put(path, page(text, 'text/plain'))], file }
    },
  ],
]

async function attacked({ indexes, file }: Published, body: Buffer): Promise<void> {
  const address = `127.0.0.${next++}`
  const lies: Handler = (_request, response) =>
    response.writeHead(200, { 'Content-Length': body.length }).end(uniqueBody(body.length))
  const liar = await startFakePeer(scene, { address, packetPort, serve: lies })
  await until('the peer', () => victim.status().peering?.peers.some((each) => each.address === address))
  for (const index of indexes) await fetched(victim, index)
  await victim.digestsRead()
  const got = await fetched(victim, file)
  assert.deepEqual([got.status, sha256(got.body)], [200, sha256(body)])
  assert.ok(liar.requests() > 0)
  assert.equal(victim.status().shunned.find(({ peer }) => peer === address)?.reason, 'bad-bytes')
  await liar.stop()
  await settled(victim)
}

async function provedFromPeer({ indexes, file }: Published, body: Buffer): Promise<void> {
  for (const index of indexes) await fetched(other, index)
  await other.digestsRead()
  const asked = origin.requests.length
  const got = await fetched(other, file)
  assert.deepEqual([got.source, sha256(got.body)], ['peer', sha256(body)])
  assert.equal(origin.requests.length, asked)
}

describe('a peer that sends other bytes is found out by the digest in the URL, and one that sends the right ones is believed:', () => {
  for (const [name, path] of NAMED)
    test(name, async () => {
      const body = uniqueBody(50_000)
      const published = { indexes: [], file: origin.put(path(body), { body }) }
      await attacked(published, body)
      await provedFromPeer(published, body)
    })
})

describe('a peer that sends other bytes is found out by what has passed through, and one that sends the right ones is believed:', () => {
  for (const [at, [name, publish]] of LISTED.entries())
    test(name, async () => {
      const body = uniqueBody(50_000)
      const published = publish(`/listed-${at}`, body)
      await attacked(published, body)
      await provedFromPeer(published, body)
    })
})
