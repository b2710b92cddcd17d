/** What a step cost, from the node's own numbers before and after it. */
import { systemClock } from '../core/clock.ts'
import type { Status } from '../service/status.ts'
import { until, type Machine } from './machine.ts'
import type { LoggedRequest } from './request-log.ts'
import type { Received, Step } from './result.ts'

/** Does `work` and tells what went through the machine's node meanwhile. */
export async function measured(
  machine: Machine,
  what: string,
  work: () => Promise<void>,
  signal: AbortSignal,
): Promise<Step> {
  const before = await machine.status()
  const earlier = (await machine.requests()).length
  const begunAt = systemClock.monotonic()
  await work()
  const elapsedMs = Math.round(systemClock.monotonic() - begunAt)
  const after = await settledStatus(machine, signal)
  const requests = (await machine.requests()).slice(earlier)
  return {
    what,
    elapsedMs,
    received: difference(after.totals.receivedBytes, before.totals.receivedBytes),
    cachedBytes: bytesFromCache(requests),
    deliveredBytes: after.totals.deliveredBytes - before.totals.deliveredBytes,
  }
}

/** The application has its bytes a moment before the node has stored and counted them. */
async function settledStatus(machine: Machine, signal: AbortSignal): Promise<Status> {
  let last = await machine.status()
  const isSettled = async () => {
    const earlier = JSON.stringify(last.totals)
    last = await machine.status()
    return last.transfers.length === 0 && JSON.stringify(last.totals) === earlier
  }
  await until(`${machine.name} to finish`, isSettled, signal)
  return last
}

function difference(after: Received, before: Received): Received {
  return {
    internet: after.internet - before.internet,
    peer: after.peer - before.peer,
    'in-progress': after['in-progress'] - before['in-progress'],
  }
}

function bytesFromCache(requests: readonly LoggedRequest[]): number {
  const cached = requests.filter(({ source }) => source === 'hit' || source === 'validated')
  return cached.reduce((sum, { bytes }) => sum + bytes, 0)
}
