/** The packages that are needed, each in a transaction of its own; what is here and right is not fetched again. */
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Cabinet, CabinetLimits } from '../../signing/cabinet/read.ts'
import type { Catalogue, CataloguePackage } from '../catalogue.ts'
import { readPlainFile, writeDurably } from '../files.ts'
import { insist, reasonOf, Refused } from '../refused.ts'
import type { PublisherTrust } from '../trust-file.ts'
import type { UpdateEvent } from './events.ts'
import type { Source } from './fetch-request.ts'
import type { Fetcher } from './fetcher.ts'
import { openPackage } from './open-package.ts'
import { noteProxyFailure, type Report } from './report.ts'

export interface DownloadSettings {
  readonly catalog: string
  readonly trust: PublisherTrust
  readonly limits: CabinetLimits
  readonly maxPackageBytes: number
  /** Less is refused; 0 for any. */
  readonly leastBytesPerS: number
  /** Where packages stay until they are installed. */
  readonly folder: string
}

export interface DownloadTools {
  readonly fetcher: Fetcher
  readonly emit: (event: UpdateEvent) => void
  /** Counts what comes. */
  readonly report: Report
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Each package as soon as it is here and right; not kept. @throws Refused, which ends all */
  readonly onPackage: (wanted: CataloguePackage, cabinet: Cabinet) => void
}

/** Transactions at once. */
export const PARALLEL = 3

/** Where a package stays until it is installed. @param sha256 of the package, lower-case hexadecimal */
export function keptPackage(folder: string, sha256: string): string {
  return join(folder, `${sha256}.cab`)
}

/** @throws Refused, Refusal: the first refusal ends all */
export async function downloadAll(
  needed: readonly CataloguePackage[],
  catalogue: Catalogue,
  settings: DownloadSettings,
  tools: DownloadTools,
): Promise<void> {
  const waiting = [...needed]
  const work = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      try {
        await download(next, catalogue, settings, tools)
      } catch (error) {
        waiting.length = 0
        throw named(next, error)
      }
    }
  }
  const results = await Promise.allSettled(Array.from({ length: PARALLEL }, work))
  const failed = results.find((result) => result.status === 'rejected')
  if (failed) throw failed.reason
}

/** Packages that nobody needs any more. */
export function clearDownloads(folder: string): void {
  if (existsSync(folder)) for (const name of readdirSync(folder)) rmSync(join(folder, name), { force: true })
}

function named({ component }: CataloguePackage, error: unknown): unknown {
  const reason = reasonOf(error)
  return reason === undefined || !(error instanceof Error)
    ? error
    : new Refused(reason, `${component}: ${error.message}`, { cause: error })
}

async function download(
  wanted: CataloguePackage,
  catalogue: Catalogue,
  settings: DownloadSettings,
  tools: DownloadTools,
): Promise<void> {
  const { maxPackageBytes, folder, trust, limits } = settings
  insist(
    wanted.size <= maxPackageBytes,
    'oversized',
    `${wanted.size} bytes, at most ${maxPackageBytes} are allowed`,
  )
  const open = (bytes: Buffer) => openPackage(bytes, wanted, catalogue, trust, limits, tools.now())
  const path = keptPackage(folder, wanted.sha256)
  const kept = readPlainFile(path)
  if (kept && createHash('sha256').update(kept).digest('hex') === wanted.sha256) {
    tools.report.received.kept += kept.length
    return finish(wanted, { bytes: kept, source: 'kept' }, open(kept), tools)
  }
  const { fetched, cabinet } = await fetchRight(wanted, settings, tools, open)
  writeDurably(path, fetched.bytes)
  return finish(wanted, fetched, cabinet, tools)
}

function finish(
  wanted: CataloguePackage,
  { bytes, source }: { readonly bytes: Buffer; readonly source: Source | 'kept' },
  cabinet: Cabinet,
  { emit, onPackage }: DownloadTools,
): void {
  const { component, version, url } = wanted
  emit({ event: 'package', component, version, url, bytes: bytes.length, source, signature: 'verified' })
  onPackage(wanted, cabinet)
}

/** A bad copy from a peer or a cache is no reason to go without: the origin server is asked once more. */
async function fetchRight(
  wanted: CataloguePackage,
  { catalog, leastBytesPerS }: DownloadSettings,
  { fetcher, emit, report }: DownloadTools,
  open: (bytes: Buffer) => Cabinet,
) {
  const { component, size } = wanted
  const request = {
    url: new URL(wanted.url, catalog).href,
    maxBytes: Math.max(2 * size, size + SLACK_BYTES),
    leastBytesPerS,
    onReceived: (source: Source, bytes: number) => void (report.received[source] += bytes),
    onProxyFailed: (detail: string) => noteProxyFailure(report, emit, detail),
    onProgress: sparingly(size, (bytes) => emit({ event: 'progress', component, bytes, total: size })),
  }
  const first = await fetcher.fetch({ ...request, isFresh: false })
  try {
    return { fetched: first, cabinet: open(first.bytes) }
  } catch (error) {
    const reason = reasonOf(error)
    if (reason === undefined || !(error instanceof Error) || first.source === 'internet') throw error
    emit({ event: 'retry', component, reason, detail: error.message })
    const second = await fetcher.fetch({ ...request, isFresh: true })
    return { fetched: second, cabinet: open(second.bytes) }
  }
}

/** Another file than the announced one is read so far, to say what is wrong with it. */
const SLACK_BYTES = 1_000_000

/** Twenty times for each file, however small the pieces are in which it comes. */
function sparingly(size: number, report: (bytes: number) => void): (bytes: number) => void {
  let next = 0
  return (bytes) => {
    if (bytes < next && bytes !== size) return
    next = bytes + size / 20
    report(bytes)
  }
}
