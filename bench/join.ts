/** Joining a download that runs, on the same node and on another; and four clients at once. */
import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join as path } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { bytesOf } from '../test/cache/store-fixtures.ts'
import type { Benchmark, Bound, Case, Figures, Group } from './measure.ts'
import { download } from './parts/download.ts'
import { freePacketPort, SETTLED_MS, startNode, untilPeers, type Node } from './parts/nodes.ts'
import { startOrigin, type Origin } from './parts/origin.ts'

const MEGABYTE = 1_000_000
const JOIN_BYTES = 8 * MEGABYTE
const JOIN_AFTER_MS = 500
const AT_ONCE_BYTES = 40 * MEGABYTE

/** Like a vendor's update server whose updater checks signatures for itself. */
const UPDATER = { match: '**/updater/**', name: 'updater', share: true, immutable: true, verify: 'updater' }
const NODES = ['127.0.0.2', '127.0.0.3', '127.0.0.4', '127.0.0.5']

export const join: Benchmark = {
  name: 'join',
  about: `A second client asks ${JOIN_AFTER_MS} ms after the first for the same ${JOIN_BYTES / MEGABYTE} MB while the origin server sends at a known speed: on the same node (T1), on another node whose rule says that the updater verifies, and on another node that knows the digest. Then four clients at once (T2), on one node and on four. "origin" is how often the origin server sent the file.`,
  needs: [],
  async *groups({ directory, atEnd }) {
    const files = writeFiles(path(directory, 'files'))
    const nodes = await startNodes(directory)
    atEnd(() => Promise.all(nodes.map((node) => node.stop())))
    for (const megabytes of [4, 8]) {
      const bytesPerSecond = megabytes * MEGABYTE
      const origin = await startOrigin({ root: files.root, bytesPerSecond })
      atEnd(() => origin.stop())
      yield joining(`joining at ${megabytes} MB/s`, origin, nodes, files)
      if (megabytes === 8) yield allAtOnce(origin, nodes)
    }
  },
}

interface Files {
  readonly root: string
  /** The path below the origin of the file whose name is its digest. */
  readonly digestPath: string
  readonly sha256: string
}

function writeFiles(root: string): Files {
  const small = bytesOf(JOIN_BYTES, 7)
  const sha256 = createHash('sha256').update(small).digest('hex')
  const digestPath = `dists/stable/main/by-hash/SHA256/${sha256}`
  for (const directory of ['updater', path(digestPath, '..')])
    mkdirSync(path(root, directory), { recursive: true })
  writeFileSync(path(root, digestPath), small)
  writeFileSync(path(root, 'updater/update.bin'), small)
  writeFileSync(path(root, 'updater/large.bin'), bytesOf(AT_ONCE_BYTES, 8))
  return { root, digestPath, sha256 }
}

async function startNodes(directory: string): Promise<readonly Node[]> {
  const packetPort = await freePacketPort()
  const nodes = await Promise.all(
    NODES.map((address) =>
      startNode({ directory: path(directory, address), address, packetPort, rules: [UPDATER] }),
    ),
  )
  for (const node of nodes) await untilPeers(node, NODES.length - 1)
  await pause(SETTLED_MS)
  return nodes
}

function joining(name: string, origin: Origin, nodes: readonly Node[], files: Files): Group {
  const updater = 'updater/update.bin'
  const other = 'another node, verify: updater'
  const digest = 'another node, digest known'
  const running = 'the first byte of a running download on a second node'
  return {
    name,
    baseline: 'the same node',
    units: { 'first byte': 'ms', total: 'ms', 'first client': 'ms', origin: 'times' },
    cases: [
      joiningCase('the same node', origin, [nodes[0], nodes[0]], updater, files),
      joiningCase(other, origin, [nodes[0], nodes[1]], updater, files),
      joiningCase(digest, origin, [nodes[0], nodes[1]], files.digestPath, files),
    ],
    bounds: [
      firstByteBound('T1', 'the same node', 20),
      firstByteBound(running, other, 50),
      firstByteBound(running, digest, 50),
    ],
  }
}

function firstByteBound(promise: string, name: string, atMost: number): Bound {
  return { promise, case: name, figure: 'first byte', of: 'median', atMost }
}

function joiningCase(
  name: string,
  origin: Origin,
  [one, other]: readonly (Node | undefined)[],
  file: string,
  { sha256 }: Files,
): Case {
  const run = async (round: number): Promise<Figures> => {
    const uri = `${origin.uri}/${unseen(name, round)}/${file}`
    const first = download(uri, one?.proxyPort ?? 0, { isDigested: true })
    await pause(JOIN_AFTER_MS)
    const second = await download(uri, other?.proxyPort ?? 0, { isDigested: true })
    const { totalMs, sha256: firstDigest } = await first
    if (firstDigest !== sha256 || second.sha256 !== sha256) throw new Error(`${name}: wrong bytes`)
    return {
      'first byte': second.firstByteMs,
      total: second.totalMs,
      'first client': totalMs,
      origin: (await origin.sentBytes()) / JOIN_BYTES,
    }
  }
  return { name, run }
}

function allAtOnce(origin: Origin, nodes: readonly Node[]): Group {
  const one = nodes.slice(0, 1)
  return {
    name: `four clients at once, ${AT_ONCE_BYTES / MEGABYTE} MB at 8 MB/s`,
    baseline: 'one node',
    units: { 'all have it': 'ms', origin: 'times' },
    mostRounds: 3,
    cases: [
      {
        name: 'one node',
        run: (round) => fourAtOnce(origin, [...one, ...one, ...one, ...one], `one-${round}`),
      },
      { name: 'four nodes', run: (round) => fourAtOnce(origin, nodes, `four-${round}`) },
    ],
    bounds: [{ promise: 'T2', case: 'one node', figure: 'origin', of: 'median', atMost: 1 }],
  }
}

async function fourAtOnce(origin: Origin, nodes: readonly Node[], name: string): Promise<Figures> {
  const uri = `${origin.uri}/${name}/updater/large.bin`
  const all = await Promise.all(nodes.map(({ proxyPort }) => download(uri, proxyPort)))
  const sent = await origin.sentBytes()
  return { 'all have it': Math.max(...all.map(({ totalMs }) => totalMs)), origin: sent / AT_ONCE_BYTES }
}

function unseen(name: string, round: number): string {
  return `${name.replace(/\W+/g, '-')}-${round}`
}
