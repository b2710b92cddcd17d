/** All that can go wrong, at once. */
import type { Play } from '../play.ts'
import { bootAll, someFiles } from './files.ts'
import { crashing, inviteLiars, plainNodes } from './machines.ts'
import { fallApart } from './network.ts'

export const everything: Play = {
  name: 'everything',
  about: 'losses, partitions, crashes, liars, wrong clocks and plain nodes together',
  nodes: 20,
  subnets: 1,
  bytes: 6_000_000,
  limits: { copies: 1, lossCopies: 4, packets: 60, busiest: 6, stallMs: 6000 },
  lan: (random) => ({
    loss: 0.1 * random.fraction(),
    duplication: 0.1 * random.fraction(),
    reordering: 0.2 * random.fraction(),
    jitterMs: 2 * random.fraction(),
  }),
  skew: (random) => ({
    offsetMs: (random.fraction() - 0.5) * 2 * 3_600_000,
    drift: (random.fraction() - 0.5) * 0.002,
  }),
  async act(stage, bytes) {
    const uris = someFiles(stage, 4, bytes)
    await inviteLiars(stage)
    const plain = stage.sites.map((site) => plainNodes(stage, site, uris))
    await bootAll(stage, 500)
    const asking = stage.everywhere(async (site, node, at) => {
      if (at % 5 === 0) return crashing(stage, site, node, uris)
      for (const uri of uris) {
        await stage.soon(1500)
        await stage.want(site, node, uri)
      }
    })
    await Promise.all([asking, fallApart(stage, 2), ...plain])
  },
}
