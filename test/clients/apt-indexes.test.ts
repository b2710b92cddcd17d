/** A real apt, whose indexes are packed with xz or bzip2: what they name is known to the node that they came through. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { Node } from '../../service/node.ts'
import { acquainted, freePacketPort, missing, Scene, settled } from './harness.ts'
import { Origin, sha256, uniqueBody } from './origin.ts'
import { curl, run } from './programs.ts'

const scene = new Scene()
let origin: Origin
let holder: Node
let asking: Node
let later: Node

before(async () => {
  const packetPort = await freePacketPort()
  origin = await Origin.start(scene)
  holder = await scene.node({ peering: { address: '127.0.0.22', packetPort } })
  asking = await scene.node({ peering: { address: '127.0.0.23', packetPort } })
  later = await scene.node({ peering: { address: '127.0.0.24', packetPort } })
  await acquainted(holder, asking, later)
})

after(() => scene.close())

for (const [program, suffix, byHash] of [
  ['xz', 'xz', true],
  ['bzip2', 'bz2', false],
] as const) {
  const skip = missing('apt-get', 'curl', program)
  test(
    `apt gets Packages.${suffix}, and the packages come from peers without one request more`,
    { skip },
    async () => {
      const archive = publish(program, suffix, byHash)
      await curl(holder.proxyAddress, archive.package)
      await settled(holder)
      for (const node of [asking, later]) {
        const apt = aptOf(archive.uri, node)
        await apt('update')
        await settled(node)
        await node.digestsRead()
        const earlier = { origin: origin.requests.length, peer: node.status().totals.receivedBytes.peer }
        await apt('download', 'thing')
        await settled(node)
        assert.ok(archive.body.equals(apt.downloaded()))
        assert.equal(origin.requests.length, earlier.origin, 'nothing was asked of the origin server')
        assert.equal(node.status().totals.receivedBytes.peer - earlier.peer, archive.body.length)
      }
      assert.equal(origin.count(archive.package), 1)
      assert.equal(origin.count(archive.index), byHash ? 1 : 2)
    },
  )
}

/** An archive with one package, without a signature. */
function publish(program: string, suffix: string, byHash: boolean) {
  const body = uniqueBody(200_000)
  const file = 'pool/main/t/thing/thing_1.0_all.deb'
  const stanza = [
    'Package: thing',
    'Version: 1.0',
    'Architecture: all',
    'Maintainer: Nobody <nobody@example.org>',
    `Filename: ${file}`,
    `Size: ${body.length}`,
    `SHA256: ${sha256(body)}`,
    'Description: bytes',
  ]
  const plain = Buffer.from(`${stanza.join('\n')}\n`)
  const packed = execFileSync(program, ['--stdout'], { input: plain })
  const directory = `main/binary-amd64`
  const listed = (bytes: Uint8Array, name: string) => ` ${sha256(bytes)} ${bytes.length} ${directory}/${name}`
  const release = [
    'Origin: here',
    'Suite: stable',
    'Codename: stable',
    `Date: ${new Date().toUTCString()}`,
    'Architectures: amd64 all',
    'Components: main',
    ...(byHash ? ['Acquire-By-Hash: yes'] : []),
    'SHA256:',
    listed(plain, 'Packages'),
    listed(packed, `Packages.${suffix}`),
    '',
  ]
  const root = `/${program}`
  const name = byHash ? `by-hash/SHA256/${sha256(packed)}` : `Packages.${suffix}`
  origin.put(`${root}/dists/stable/Release`, { body: Buffer.from(release.join('\n')) })
  return {
    body,
    uri: `http://${origin.authority}${root}`,
    index: origin.put(`${root}/dists/stable/${directory}/${name}`, { body: packed }),
    package: origin.put(`${root}/${file}`, { body }),
  }
}

/** The machine's apt with directories of its own, through a node. */
function aptOf(uri: string, node: Node) {
  const root = scene.directory()
  const downloads = join(root, 'downloads')
  for (const each of ['state/lists/partial', 'cache/archives/partial', 'etc', 'downloads'])
    mkdirSync(join(root, each), { recursive: true })
  writeFileSync(join(root, 'state/status'), '')
  writeFileSync(join(root, 'etc/sources.list'), `deb [arch=amd64 trusted=yes] ${uri} stable main\n`)
  const settings = {
    'Dir::Etc': join(root, 'etc/'),
    'Dir::State': join(root, 'state/'),
    'Dir::State::status': join(root, 'state/status'),
    'Dir::Cache': join(root, 'cache/'),
    'APT::Architecture': 'amd64',
    'APT::Sandbox::User': '',
    'Acquire::Languages': 'none',
    'Acquire::http::Proxy': `http://${node.proxyAddress}`,
  }
  const configFile = join(root, 'apt.conf')
  writeFileSync(
    configFile,
    Object.entries(settings)
      .map(([name, value]) => `${name} "${value}";\n`)
      .join(''),
  )
  const apt = async (...args: string[]) => {
    const ran = await run('apt-get', ['-q', ...args, '-o', 'APT::Update::Error-Mode=any'], {
      directory: downloads,
      environment: { APT_CONFIG: configFile, LC_ALL: 'C' },
    })
    assert.equal(ran.code, 0, ran.stderr)
  }
  const downloaded = () => readFileSync(join(downloads, readdirSync(downloads)[0] ?? 'nothing'))
  return Object.assign(apt, { downloaded })
}
