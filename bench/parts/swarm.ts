/** Many clients that ask at the same moment, in a process of their own that does nothing but read. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

export interface SwarmSettings {
  readonly port: number
  /** The whole head of the request that each of them sends. */
  readonly head: string
  readonly clients: number
  /** Of the body. */
  readonly bytes: number
}

/** Of one client, in ms from the moment when all of them ask. */
export interface SwarmResult {
  /** Of the body. */
  readonly firstByteMs: number
  readonly lastByteMs: number
}

/** @throws Error unless every client gets a whole 200. */
export async function swarm(settings: SwarmSettings): Promise<readonly SwarmResult[]> {
  const child = fork(join(import.meta.dirname, 'swarm-process.ts'), [JSON.stringify(settings)])
  const [results] = (await once(child, 'message')) as [readonly SwarmResult[] | { readonly error: string }]
  if ('error' in results) throw new Error(results.error)
  return results
}
