/** Machines that crash, lie, have wrong clocks, or know only the patents' packets. */
import type { TargetUri } from '../../core/target-uri.ts'
import { HOSTILE_KINDS, type HostileKind } from '../hostile-peer.ts'
import type { Play } from '../play.ts'
import type { Site, Stage } from '../stage.ts'
import type { VirtualNode } from '../virtual-node.ts'
import { bootAll, sixFiles, SIX_BYTES, someFiles, wantAll } from './files.ts'

const LIMITS = { copies: 1, lossCopies: 4, packets: 10, busiest: 5, stallMs: 1500 } as const

/** One node in so many. */
const CRASHES_ONE_IN = 4
const LIES_ONE_IN = 5
const PLAIN_ONE_IN = 4

/** A quarter of the nodes crash in mid-download, come back, with or without their disk, and ask again. */
export const crashes: Play = {
  name: 'crashes',
  about: 'three files while a quarter of the nodes crash and restart',
  nodes: 20,
  subnets: 1,
  bytes: 12_000_000,
  limits: LIMITS,
  async act(stage, bytes) {
    const uris = someFiles(stage, 3, bytes)
    await bootAll(stage, 1000)
    await stage.everywhere((site, node, at) =>
      at % CRASHES_ONE_IN === 0 ? crashing(stage, site, node, uris) : wanting(stage, site, node, uris),
    )
  },
}

async function wanting(stage: Stage, site: Site, node: VirtualNode, uris: readonly TargetUri[]) {
  for (const uri of uris) {
    await stage.soon(1000)
    const { outcome } = await stage.want(site, node, uri)
    if (outcome === 'crashed') return
  }
}

export async function crashing(stage: Stage, site: Site, node: VirtualNode, uris: readonly TargetUri[]) {
  const before = wanting(stage, site, node, uris)
  await stage.soon(4000)
  stage.crash(site, node, stage.random.fraction() < 0.5 ? 'process' : 'machine')
  await stage.soon(3000)
  await before
  await node.restart(stage.random.fraction() < 0.5 ? 'keeps its disk' : 'loses its disk')
  await wanting(stage, site, node, uris)
}

/** Each liar is of one kind, drawn from the seed, and offers whatever is asked for. */
export const liars: Play = {
  name: 'liars',
  about: 'six files among hostile peers, one for every five nodes',
  nodes: 20,
  subnets: 1,
  bytes: SIX_BYTES,
  limits: { ...LIMITS, packets: 60, busiest: 7, stallMs: 8000 },
  async act(stage, bytes) {
    const uris = sixFiles(stage, bytes)
    await inviteLiars(stage)
    await bootAll(stage, 1000)
    await stage.everywhere(async (site, node) => {
      await stage.soon(2000)
      await wantAll(stage, site, node, uris)
    })
  },
}

export async function inviteLiars(stage: Stage): Promise<void> {
  for (const site of stage.sites) {
    for (let at = 0; at < Math.floor(site.nodes.length / LIES_ONE_IN); at++) {
      const kind: HostileKind = HOSTILE_KINDS[stage.random.uint32() % HOSTILE_KINDS.length] ?? 'short'
      await stage.liar(site, { kind, role: stage.random.fraction() < 0.5 ? 'holder' : 'downloader' })
    }
  }
}

/** Calendars up to a day apart, clocks that gain or lose up to one per cent. */
export const clocks: Play = {
  name: 'clocks',
  about: 'six files on machines whose clocks run apart',
  nodes: 20,
  subnets: 1,
  bytes: SIX_BYTES,
  limits: LIMITS,
  skew: (random) => ({
    offsetMs: (random.fraction() - 0.5) * 2 * 86_400_000,
    drift: (random.fraction() - 0.5) * 0.02,
  }),
  async act(stage, bytes) {
    const uris = sixFiles(stage, bytes)
    await bootAll(stage, 1000)
    await stage.everywhere(async (site, node) => {
      await stage.soon(1000)
      await wantAll(stage, site, node, uris)
    })
  },
}

/** One machine in five speaks the patents' packets and nothing else; it asks, holds and downloads like the others. */
export const plain: Play = {
  name: 'plain',
  about: 'six files, and among the nodes some that know only the patents’ packets',
  nodes: 20,
  subnets: 1,
  bytes: SIX_BYTES,
  limits: { ...LIMITS, stallMs: 4000 },
  async act(stage, bytes) {
    const uris = sixFiles(stage, bytes)
    const others = stage.sites.map((site) => plainNodes(stage, site, uris))
    await bootAll(stage, 1000)
    const asking = stage.everywhere(async (site, node) => {
      await stage.soon(4000)
      await wantAll(stage, site, node, uris)
    })
    await Promise.all([asking, ...others])
  },
}

export async function plainNodes(stage: Stage, site: Site, uris: readonly TargetUri[]): Promise<void> {
  const count = Math.floor(site.nodes.length / PLAIN_ONE_IN)
  await Promise.all(
    Array.from({ length: count }, async () => {
      const node = await stage.plainNode(site)
      for (const uri of uris) {
        await stage.soon(2000)
        await stage.plainWants(site, node, uri)
      }
    }),
  )
}
