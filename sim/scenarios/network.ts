/** Networks that lose, double and reorder, and that fall apart. */
import type { Play } from '../play.ts'
import type { Site, Stage } from '../stage.ts'
import { bootAll, sixFiles, SIX_BYTES, someFiles, wantAll } from './files.ts'

const LIMITS = { copies: 1, lossCopies: 4, packets: 10, busiest: 4, stallMs: 1500 } as const

/** Everybody wants six files within two seconds; 0 to 30 % of all datagrams are lost. */
export const lossy: Play = {
  name: 'lossy',
  about: 'six files on a LAN that loses 0 to 30 % of all datagrams',
  nodes: 20,
  subnets: 1,
  bytes: SIX_BYTES,
  // Who misses a question in three is sent to whoever it hears of.
  limits: { ...LIMITS, busiest: 5 },
  lan: (random) => ({ loss: 0.3 * random.fraction() }),
  async act(stage, bytes) {
    const uris = sixFiles(stage, bytes)
    await bootAll(stage, 1000)
    await stage.everywhere(async (site, node) => {
      await stage.soon(2000)
      await wantAll(stage, site, node, uris)
    })
  },
}

export const reordered: Play = {
  ...lossy,
  name: 'reordered',
  about: 'six files on a LAN that doubles and reorders datagrams',
  lan: (random) => ({
    duplication: 0.3 * random.fraction(),
    reordering: 0.5 * random.fraction(),
    jitterMs: 5 * random.fraction(),
  }),
}

/** The LAN of each site falls into two parts that both have the Internet, and heals, three times. */
export const partitions: Play = {
  name: 'partitions',
  about: 'three files while the LAN falls apart and heals, three times',
  nodes: 20,
  subnets: 1,
  bytes: 12_000_000,
  // Who waits is told of the progress twice a second, and downloads take seconds here.
  limits: { ...LIMITS, packets: 20, stallMs: 2500 },
  async act(stage, bytes) {
    const uris = someFiles(stage, 3, bytes)
    await bootAll(stage, 1000)
    const asking = stage.everywhere(async (site, node) => {
      for (const uri of uris) {
        await stage.soon(3000)
        await stage.want(site, node, uri)
      }
    })
    await Promise.all([asking, fallApart(stage, 3)])
  },
}

/** Two parts drawn anew each time. */
export async function fallApart(stage: Stage, times: number): Promise<void> {
  for (let time = 0; time < times; time++) {
    await stage.soon(2500)
    stage.world.lan.split(...stage.sites.flatMap((site) => halves(stage, site)))
    await stage.clock.sleep(500 + 1500 * stage.random.fraction())
    stage.world.lan.heal()
  }
}

function halves(stage: Stage, site: Site) {
  site.partitions++
  const groups = Map.groupBy(site.nodes, () => stage.random.fraction() < 0.5)
  return [true, false].map((side) => (groups.get(side) ?? []).map(({ address }) => address))
}
