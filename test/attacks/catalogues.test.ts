/**
 * R9 and V§8, seen from the proxy: the digests of a signed catalogue that this machine's updater has verified prove packages
 * that peers send to anybody here; a catalogue that only passes through proves nothing.
 */
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { Node } from '../../service/node.ts'
import { addComponent } from '../../update/publisher/add.ts'
import { initSite } from '../../update/publisher/init.ts'
import { release } from '../../update/publisher/release.ts'
import { startFakePeer } from '../clients/fake-peer.ts'
import { freePacketPort, Scene, settled, until } from '../clients/harness.ts'
import { Origin, sha256, uniqueBody } from '../clients/origin.ts'
import { fetched } from './fetched.ts'

const scene = new Scene()
const AT = Math.floor(Date.now() / 60_000) * 60_000
let packetPort: number
let origin: Origin
let catalog: string
let catalogFile: string
/** The packages as published, by their URLs. */
const packages = new Map<string, Buffer>()
let sections: Readonly<Record<string, unknown>>
let updating: Node

before(async () => {
  packetPort = await freePacketPort()
  origin = await Origin.start(scene)
  const home = scene.directory()
  const [site, keys] = [join(home, 'site'), join(home, 'keys')]
  initSite(site, { product: 'ViruScan', keys, at: AT, kind: 'p256', own: undefined, ownCatalog: undefined })
  mkdirSync(join(home, 'files'))
  for (const component of ['engine', 'names', 'extra', 'fourth']) {
    const path = join(home, 'files', `${component}.dat`)
    writeFileSync(path, uniqueBody(60_000))
    const install = { kind: 'unpack', into: component } as const
    addComponent(site, { component, version: '1.0', minProduct: undefined, install, paths: [path] })
  }
  const settings = { keys, at: AT, compression: 'store', validDays: 14, baseUrl: undefined } as const
  const made = release(site, settings)
  for (const { url } of made.packages) {
    const body = readFileSync(join(site, url))
    packages.set(origin.put(`/av/${url}`, { body }), body)
  }
  catalogFile = join(site, 'myupdate.cab')
  catalog = origin.put('/av/myupdate.cab', { body: readFileSync(catalogFile) })
  const product = { catalog, trust: join(keys, 'publisher.pem'), into: join(home, 'into') }
  const never = { afterBootMs: 'off', afterSuccessMs: 3_600_000, afterFailureMs: 3_600_000, jitterMs: 0 }
  // One component is wanted here; the others are known from the same catalogue.
  sections = { updates: [{ ...product, ...never, components: ['engine'] }] }
  updating = await scene.node({ ...sections, peering: { address: '127.0.0.8', packetPort } })
  for await (const { result } of updating.checkUpdates())
    assert.equal(result?.outcome, 'updated', result?.detail)
})

after(() => scene.close())

function packageOf(component: string): readonly [url: string, body: Buffer] {
  const found = [...packages].find(([url]) => url.includes(`/${component}.`))
  assert.ok(found)
  return found
}

let addresses = 60

async function peerOf(node: Node, port: number, body: Buffer) {
  const address = `127.0.0.${addresses++}`
  const peer = await startFakePeer(scene, {
    address,
    packetPort: port,
    serve: (_request, response) => response.writeHead(200, { 'Content-Length': body.length }).end(body),
  })
  await until('the peer', () => node.status().peering?.peers.some((each) => each.address === address))
  return { ...peer, address }
}

function changed(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes)
  copy[copy.length >> 1] = (copy[copy.length >> 1] ?? 0) ^ 1
  return copy
}

test('a changed package, which its updater alone would have found out, is refused for every application', async () => {
  const [url, right] = packageOf('names')
  const peer = await peerOf(updating, packetPort, changed(right))
  const got = await fetched(updating, url)
  assert.deepEqual([got.source, sha256(got.body)], ['internet', sha256(right)])
  assert.match(
    updating.status().shunned.find((each) => each.peer === peer.address)?.detail ?? '',
    /expected sha-256/,
  )
  await peer.stop()
})

test('the right package comes from a peer, although it is not wanted by this machine’s updater', async () => {
  const [url, right] = packageOf('extra')
  const sofar = origin.requests.length
  const peer = await peerOf(updating, packetPort, right)
  const got = await fetched(updating, url)
  assert.deepEqual([got.source, sha256(got.body)], ['peer', sha256(right)])
  assert.equal(origin.requests.length, sofar)
  await settled(updating)
  await peer.stop()
})

test('a catalogue that passes through a node that does not know its publisher proves nothing', async () => {
  const port = await freePacketPort()
  const ignorant = await scene.node({ peering: { address: '127.0.0.50', packetPort: port } })
  const passed = await fetched(ignorant, catalog)
  assert.equal(passed.status, 200)
  await ignorant.digestsRead()
  const [url, right] = packageOf('names')
  const wrong = changed(right)
  const peer = await peerOf(ignorant, port, wrong)
  // Its rule says that the updater verifies (V5): so it is delivered, and not held against the catalogue.
  const got = await fetched(ignorant, url)
  assert.deepEqual([got.source, sha256(got.body)], ['peer', sha256(wrong)])
  await peer.stop()
})

test('a forged catalogue changes nothing of what the verified one said', async () => {
  const body = changed(readFileSync(catalogFile))
  origin.put('/av/myupdate.cab', { body })
  assert.equal(sha256((await fetched(updating, catalog)).body), sha256(body))
  for await (const { result } of updating.checkUpdates()) assert.equal(result?.outcome, 'refused')
  const [url, right] = packageOf('fourth')
  const peer = await peerOf(updating, packetPort, changed(right))
  const got = await fetched(updating, url)
  assert.deepEqual([got.source, sha256(got.body)], ['internet', sha256(right)])
  await peer.stop()
})
