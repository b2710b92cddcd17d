/** Monday, 8:00. */
import type { Play } from '../play.ts'
import { bootAll, sixFiles, SIX_BYTES, wantAll } from './files.ts'

const LIMITS = { copies: 1, lossCopies: 4, packets: 4, busiest: 4, completion: 1.3, stallMs: 2000 } as const

/** Everybody is there, and wants the same six files within 20 ms. */
export const boot: Play = {
  name: 'boot',
  about: 'every node wants the same six files at once',
  nodes: 20,
  subnets: 1,
  bytes: SIX_BYTES,
  limits: LIMITS,
  async act(stage, bytes) {
    const uris = sixFiles(stage, bytes)
    await bootAll(stage, 1000)
    await stage.everywhere(async (site, node) => {
      await stage.soon(20)
      await wantAll(stage, site, node, uris)
    })
  },
}

/** The power comes back: nobody knows anybody yet when everybody asks. */
export const power: Play = {
  ...boot,
  name: 'power',
  about: 'every node starts at once and wants six files before it knows the others',
  async act(stage, bytes) {
    const uris = sixFiles(stage, bytes)
    await stage.everywhere(async (site, node) => {
      await stage.soon(50)
      await node.start()
      await wantAll(stage, site, node, uris)
    })
  },
}

/** One node after the other. */
export const staggered: Play = {
  ...boot,
  name: 'staggered',
  about: 'one node after the other, every half a second, wants the same six files',
  limits: { copies: 1, lossCopies: 4, packets: 6, busiest: 4, stallMs: 1000 },
  async act(stage, bytes) {
    const uris = sixFiles(stage, bytes)
    await stage.everywhere(async (site, node, at) => {
      await stage.clock.sleep(at * 500)
      await node.start()
      await stage.soon(450)
      await wantAll(stage, site, node, uris)
    })
  },
}

/** What else a machine does after its start leaves its node a turn of 5 ms, four times a second on average. */
const SHARED_PROCESSOR = { turnMs: 5, mostRestMs: 500 }

/** Everybody has just been switched on: the processors have more to do than to listen to each other. */
export const starved: Play = {
  ...boot,
  name: 'starved',
  about: 'every node wants the same six files at once, on machines that are busy with their own start',
  turns: SHARED_PROCESSOR,
  limits: { copies: 1, lossCopies: 4, packets: 8, busiest: 5 },
}
