/** Many clients that ask at the same moment, in a process of their own that does nothing but read. */
import { join } from 'node:path'
import { run } from './processes.ts'

export interface SwarmSettings {
  readonly port: number
  /** The whole head of the request that each of them sends; it has to say `Connection: close`. */
  readonly head: string
  readonly clients: number
  /** Of the body. */
  readonly bytes: number
}

/** Of one client, in ms from the moment when all of them ask; of the body. */
export interface SwarmResult {
  readonly firstByteMs: number
  readonly lastByteMs: number
}

/** @throws Error unless every client gets a whole 200. */
export async function swarm(settings: SwarmSettings): Promise<readonly SwarmResult[]> {
  const text = await run('python3', [join(import.meta.dirname, 'swarm.py'), JSON.stringify(settings)])
  return JSON.parse(text) as readonly SwarmResult[]
}
