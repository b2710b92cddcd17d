/**
 * An update in a thread of its own: unpacking, digests and syncing would hold up the proxy. It goes through the node's own
 * proxy, so that packages come from peers where they can.
 */
import { once } from 'node:events'
import { getCompileCacheDir } from 'node:module'
import { dirname } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { RunResult, UpdateEvent } from '../update/installer/events.ts'
import type { VerifiedCatalogue } from '../update/installer/believed-catalogue.ts'
import type { ProductConfig } from './config-updates.ts'
import type { HeadStart } from './head-start.ts'

/** What the thread is given (update-worker.ts). */
export interface ThreadTask {
  readonly config: ProductConfig
  readonly proxy: string
  /** What came of the head start (head-start.ts); what it brings later is sent after it, as `Came`. */
  readonly catalogue: Uint8Array | undefined
}

/** What it says. */
export type ThreadMessage =
  | { readonly kind: 'event'; readonly event: UpdateEvent }
  | { readonly kind: 'verified'; readonly verified: VerifiedCatalogue }
  | { readonly kind: 'result'; readonly result: RunResult }

/** The sources run as they are, and what is built from them as well: there this is part of a file in another folder. */
const PROGRAM = new URL(
  import.meta.url.endsWith('.ts') ? './update-worker.ts' : '../service/update-worker.js',
  import.meta.url,
)

/** What is done with what the thread says on its way. */
export interface Listening {
  readonly emit: (event: UpdateEvent) => void
  readonly onVerified: (verified: VerifiedCatalogue) => void
}

/** @throws Error where the thread fails, or was ended by `signal` */
export async function updateInThread(
  config: ProductConfig,
  proxy: string,
  begun: HeadStart,
  { emit, onVerified }: Listening,
  signal: AbortSignal,
): Promise<RunResult> {
  const task: ThreadTask = { config, proxy, catalogue: begun.catalogue }
  const worker = new Worker(PROGRAM, { workerData: task, env: environment() })
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
  begun.listen((came) => worker.postMessage(came))
  const end = () => void worker.terminate()
  signal.addEventListener('abort', end, { once: true })
  if (signal.aborted) end()
  let result: RunResult | undefined
  worker.on('message', (message: ThreadMessage) => {
    switch (message.kind) {
      case 'event':
        return emit(message.event)
      case 'verified':
        return onVerified(message.verified)
      case 'result':
        result = message.result
    }
  })
  try {
    await once(worker, 'exit')
  } finally {
    signal.removeEventListener('abort', end)
    begun.end()
  }
  if (result === undefined) throw new Error('the update was ended before it was done')
  return result
}

/** The thread loads what was compiled before, as the node does: half its start. It takes the variable away again. */
function environment(): NodeJS.ProcessEnv {
  const compiled = getCompileCacheDir()
  return compiled === undefined ? process.env : { ...process.env, [COMPILE_CACHE]: dirname(compiled) }
}

/** What Node looks for when a thread starts. */
export const COMPILE_CACHE = 'NODE_COMPILE_CACHE'
