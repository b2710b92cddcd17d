/** A flash crowd. */
import type { Play } from '../play.ts'
import { bootAll } from './files.ts'

/** One file of a gigabyte, wanted by everybody within two seconds, behind 100 Mbit/s. */
export const crowd: Play = {
  name: 'crowd',
  about: 'every node wants the same gigabyte within two seconds',
  nodes: 20,
  subnets: 1,
  bytes: 1_000_000_000,
  // The two seconds in which all come must be few beside the download's.
  leastBytes: 30_000_000,
  limits: { copies: 1, lossCopies: 4, packets: 400, busiest: 4, completion: 1.3, stallMs: 1000 },
  world: { siteBytesPerSecond: 12_500_000, patienceMs: 3_600_000 },
  async act(stage, bytes) {
    const uri = stage.file('/image', bytes)
    await bootAll(stage, 1000)
    await stage.everywhere(async (site, node) => {
      await stage.soon(2000)
      await stage.want(site, node, uri)
    })
  },
}
