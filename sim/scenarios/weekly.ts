/** The same machines, two weeks, two updates. */
import type { TargetUri } from '../../core/target-uri.ts'
import type { Play } from '../play.ts'
import type { Site, Stage } from '../stage.ts'
import type { VirtualNode } from '../virtual-node.ts'
import { someFiles } from './files.ts'

const FILES = 12

/** Machines are switched on over this time, in ms. */
const MORNING_MS = 600_000

const WEEK_MS = 7 * 24 * 3_600_000

/**
 * In the first week everybody gets twelve files, over ten minutes; then all machines are off for a week; then half of the
 * files have a new version (under a new name, as updates have), and everybody gets everything again.
 */
export const weekly: Play = {
  name: 'weekly',
  about: 'two weekly updates of twelve files; half of the second is stored already',
  nodes: 20,
  subnets: 1,
  bytes: 6_000_000,
  limits: { copies: 1, lossCopies: 4, packets: 8, busiest: 5, stallMs: 1000 },
  world: { patienceMs: WEEK_MS + 10 * MORNING_MS },
  async act(stage, bytes) {
    const first = someFiles(stage, FILES, (bytes * 2) / 3, 'first')
    await stage.everywhere((site, node) => morning(stage, site, node, first))
    await stage.everywhere((_site, node) => node.stop())
    await stage.clock.sleep(WEEK_MS)
    const second = [...first.slice(FILES / 2), ...someFiles(stage, FILES / 2, bytes / 3, 'second')]
    await stage.everywhere((site, node) => morning(stage, site, node, second, () => node.restart()))
  },
}

async function morning(
  stage: Stage,
  site: Site,
  node: VirtualNode,
  uris: readonly TargetUri[],
  start = () => node.start(),
): Promise<void> {
  await stage.soon(MORNING_MS)
  await start()
  await stage.soon(1000)
  for (const uri of uris) await stage.want(site, node, uri)
}
