/** An origin server of made-up bodies (content.ts) in a process of its own, behind a line of known speed. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { freeLowPort, keptWithUs } from './processes.ts'

export interface Counts {
  readonly requests: number
  /** Of bodies. */
  readonly bytes: number
}

export interface ContentOrigin {
  /** `http://127.0.0.1:<port>` */
  readonly uri: string
  /** What it has answered since the last call. */
  readonly counts: () => Promise<Counts>
  /** Of all its connections together from now on; 0: as fast as it goes. */
  readonly setSpeed: (bytesPerSecond: number) => void
  readonly stop: () => void
}

export async function startContentOrigin(): Promise<ContentOrigin> {
  const port = await freeLowPort() // for apt-cacher-ng
  const child = keptWithUs(fork(join(import.meta.dirname, 'content-origin-process.ts'), [String(port)]))
  await once(child, 'message')
  return {
    uri: `http://127.0.0.1:${port}`,
    async counts() {
      child.send('count')
      const [counts] = (await once(child, 'message')) as [Counts]
      return counts
    },
    setSpeed: (bytesPerSecond) => void child.send({ bytesPerSecond }),
    stop: () => void child.kill(),
  }
}
