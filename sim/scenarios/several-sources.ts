/** One large file that several nodes have, none of whom sends quickly. */
import type { Play } from '../play.ts'
import type { Site, Stage } from '../stage.ts'
import type { VirtualNode } from '../virtual-node.ts'
import { bootAll } from './files.ts'

/** What each node sends, all its readers together: 64 Mbit/s. */
const UPLOAD_BYTES_PER_SECOND = 8_000_000

/** Nodes that have the file before the others want it, and one that crashes while every second one of those reads. */
const HOLDERS = 4

/** The first ones look around before others join, and the last piece is everybody's. */
const SHARE_OF_TIME = 0.5
/** What it takes longer when a holder crashes in the middle… */
const CRASH_SHARE = 0.15
/** …and when all datagrams are lost: who has it is asked by one. */
const LOSS_SHARE = 3

/**
 * The holders get it one after the other; then everybody else does, one after the other: each is to take less than half of the
 * time that one holder would take.
 */
export const severalSources: Play = {
  name: 'several-sources',
  about: 'one large file from several nodes that send slowly, some of which crash',
  nodes: 10,
  subnets: 1,
  bytes: 80_000_000,
  limits: { copies: 1, lossCopies: 4, packets: 400, busiest: 6, stallMs: 1000 },
  node: { maxUploadRate: UPLOAD_BYTES_PER_SECOND },
  world: { siteBytesPerSecond: 12_500_000, patienceMs: 3_600_000 },
  async act(stage, bytes) {
    const uri = stage.file('/image', bytes)
    await bootAll(stage, 1000)
    await Promise.all(
      stage.sites.map(async (site) => {
        const holders = site.nodes.slice(0, HOLDERS)
        const promised = SHARE_OF_TIME + LOSS_SHARE * stage.world.lan.loss
        for (const node of holders) await stage.want(site, node, uri)
        for (const [at, node] of site.nodes.slice(HOLDERS).entries()) {
          const victim = at % 2 === 1 ? holders[at % HOLDERS] : undefined
          const crash = victim && crashing(stage, site, victim)
          const { doneMs, outcome } = await stage.want(site, node, uri)
          const share = (doneMs / 1000) * (UPLOAD_BYTES_PER_SECOND / bytes)
          if (outcome === 'complete' && share > promised + (crash === undefined ? 0 : CRASH_SHARE))
            stage.faults.push(`${node.address} took ${share.toFixed(2)} of the time that one holder takes`)
          await crash
        }
      }),
    )
  },
}

async function crashing(stage: Stage, site: Site, node: VirtualNode): Promise<void> {
  await stage.soon(4000)
  stage.crash(site, node, stage.random.fraction() < 0.5 ? 'process' : 'machine')
  await stage.clock.sleep(8000)
  await node.restart()
}
