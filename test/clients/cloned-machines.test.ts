/** Machines that were made from one disk image: their nodes begin with the same ID. */
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'
import type { Node } from '../../service/node.ts'
import { askStatus } from '../../service/control.ts'
import { acquainted, freePacketPort, missing, Scene, until } from './harness.ts'
import { Origin, uniqueBody } from './origin.ts'
import { curl, sourceOf } from './programs.ts'
import { isSettled, lan, site, type Machine } from './site-machines.ts'

const skip = missing('curl')
const scene = new Scene()
after(() => scene.close())

/** For nodes that are processes of their own, in ms. */
const PATIENCE_MS = 20_000

/** A cache directory of a node that has this ID. */
function directoryOf(id: string): string {
  const directory = join(scene.directory(), 'cache')
  mkdirSync(directory)
  writeFileSync(join(directory, 'node-id'), `${id}\n`)
  return directory
}

const idIn = (directory: string) => readFileSync(join(directory, 'node-id'), 'utf8').trim()

test('they take IDs of their own, for good, and share', { skip }, async () => {
  const origin = await Origin.start(scene)
  const packetPort = await freePacketPort()
  const directories = ['ab', 'ab', 'ab'].map((digits) => directoryOf(digits.repeat(16)))
  const nodes: Node[] = []
  for (const [at, directory] of directories.entries())
    nodes.push(
      await scene.node({
        peering: { address: `127.0.5.${at + 2}`, packetPort },
        cache: { directory },
        rules: [{ match: `http://${origin.authority}/**`, share: true, immutable: true, verify: 'updater' }],
      }),
    )
  await acquainted(...nodes)
  // One that takes another ID has written it down a moment before it goes by it.
  const areTold = () => {
    const ids = nodes.map((node) => node.status().node)
    return new Set(ids).size === nodes.length && ids.join() === directories.map(idIn).join()
  }
  await until('IDs of their own, for good', areTold)
  const url = origin.put('/files/tool-1.0.0.bin', { body: uniqueBody(100_000) })
  for (const [at, node] of nodes.entries()) {
    assert.equal(sourceOf(await curl(node.proxyAddress, url)), at === 0 ? 'internet' : 'peer')
    await until('a copy that is whole', () => node.status().transfers.length === 0)
  }
  assert.equal(origin.count(url, 'GET'), 1)
})

test('a member of a site whose node takes another ID stays a member', { skip }, async () => {
  const { machine, packetPort, origin } = await lan(scene)
  const [first, second] = (await Promise.all([6, 7].map((number) => machine(number)))) as [Machine, Machine]
  const { token = '' } = await site(first, 'init', 'home', '--name', 'first')
  await site(second, 'join', token, '--name', 'second')
  const former = idIn(cacheOf(first))
  await scene.node({
    peering: { address: '127.0.0.8', packetPort },
    cache: { directory: directoryOf(former) },
  })
  const peersOf = async (at: Machine) =>
    (await askStatus(join(cacheOf(at), 'control.sock'))).peering?.peers ?? []
  const areKnown = async () => {
    // Where both have taken another ID in the same moment, the former one is listed until it has been silent for long.
    const known = await Promise.all(
      [first, second].map(async (at) => new Set((await peersOf(at)).map(({ address }) => address))),
    )
    return known.every(({ size }) => size === 2)
  }
  await until('three that know each other', areKnown, PATIENCE_MS)
  assert.notEqual(idIn(cacheOf(first)), former)
  const isMember = async () =>
    (await peersOf(second)).some(({ address, node, member }) => {
      const isFirst = address === '127.0.0.6' && node === idIn(cacheOf(first))
      return isFirst && member?.name === 'first'
    })
  await until('a member known at its place', isMember, PATIENCE_MS)
  assert.equal((await site(first, 'status')).status?.name, 'home')
  // Nothing but a member's word proves it (V4).
  const url = origin.put('/files/tool-2.0.0.bin', { body: uniqueBody(300_000) })
  assert.equal(sourceOf(await curl(first.proxy, url)), 'internet')
  await until('a copy that is whole', () => isSettled(first))
  assert.equal(sourceOf(await curl(second.proxy, url)), 'peer')
})

function cacheOf({ config }: Machine): string {
  return join(dirname(config), 'cache')
}
