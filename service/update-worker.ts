/** The thread of an update (update-thread.ts). */
import { parentPort, workerData } from 'node:worker_threads'
import { systemClock } from '../core/clock.ts'
import { begunFetcher } from '../update/installer/begun-fetcher.ts'
import { commandRunner } from '../update/installer/command.ts'
import type { VerifiedCatalogue } from '../update/installer/believed-catalogue.ts'
import type { Source } from '../update/installer/fetch-request.ts'
import { httpFetcher } from '../update/installer/fetcher.ts'
import { update } from '../update/installer/updater.ts'
import type { Came } from './head-start.ts'
import { productSettings } from './product-settings.ts'
import { COMPILE_CACHE, type ThreadMessage, type ThreadTask } from './update-thread.ts'

const { config, proxy, catalogue } = workerData as ThreadTask
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
const say = (message: ThreadMessage) => parentPort?.postMessage(message)
// For this thread, not for the owner's commands.
delete process.env[COMPILE_CACHE]
const cameFrom = new Map<string, Source>()
parentPort?.on('message', ({ url, source }: Came) => cameFrom.set(url, source)).unref()
const fetcher = begunFetcher(httpFetcher(proxy, systemClock), {
  catalog: config.catalog,
  bytes: catalogue && Buffer.from(catalogue),
  cameFrom: (url) => cameFrom.get(url),
})
try {
  const tools = {
    clock: systemClock,
    fetcher,
    run: commandRunner(systemClock),
    emit: (event: Extract<ThreadMessage, { kind: 'event' }>['event']) => say({ kind: 'event', event }),
    onVerified: (verified: VerifiedCatalogue) => say({ kind: 'verified', verified }),
  }
  say({ kind: 'result', result: await update(productSettings(config), tools) })
} finally {
  await fetcher.close()
}
