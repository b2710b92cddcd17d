/** The benchmark's own Internet: an origin server in a process of its own, behind a line of known speed. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { keptWithUs } from './processes.ts'

export interface OriginSettings {
  /** What is under `/<anything>/` is read from here: one tree under any number of names that no cache has seen. */
  readonly root: string
  /** Of all its connections together; 0: as fast as it goes. */
  readonly bytesPerSecond: number
}

export interface Origin {
  /** `http://127.0.0.1:<port>` */
  readonly uri: string
  /** Bytes of bodies sent since the last call. */
  readonly sentBytes: () => Promise<number>
  readonly stop: () => void
}

export async function startOrigin(settings: OriginSettings): Promise<Origin> {
  const child = keptWithUs(fork(join(import.meta.dirname, 'origin-process.ts'), [JSON.stringify(settings)]))
  const [port] = (await once(child, 'message')) as [number]
  return {
    uri: `http://127.0.0.1:${port}`,
    async sentBytes() {
      child.send('count')
      const [bytes] = (await once(child, 'message')) as [number]
      return bytes
    },
    stop: () => void child.kill(),
  }
}
