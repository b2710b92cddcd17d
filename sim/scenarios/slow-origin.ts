/** An origin server that thinks before it answers: whoever loses its patience with the one that fetches must not be sent it as well. */
import type { Play } from '../play.ts'
import { bootAll } from './files.ts'

const FILES = 6
/** Until the first byte, in ms: from a slow disk to a server that makes the file only now. */
const LEAST_THINKING_MS = 300
const MOST_THINKING_MS = 4000

export const slowOrigin: Play = {
  name: 'slow-origin',
  about: 'every node wants six files of which the origin server sends nothing for 0.3 to 4 s',
  nodes: 20,
  subnets: 1,
  bytes: 6_000_000,
  limits: { copies: 1, lossCopies: 4, packets: 60, busiest: 4, stallMs: MOST_THINKING_MS + 2000 },
  async act(stage, bytes) {
    const uris = Array.from({ length: FILES }, (_, at) => {
      const thinksMs = LEAST_THINKING_MS + ((MOST_THINKING_MS - LEAST_THINKING_MS) * at) / (FILES - 1)
      return stage.file(`/slow-${at}`, Math.ceil(bytes / FILES), { thinksMs })
    })
    await bootAll(stage, 1000)
    await stage.everywhere(async (site, node) => {
      await stage.soon(500)
      await Promise.all(uris.map((uri) => stage.want(site, node, uri)))
    })
  },
}
