/** One reading of apt's lists: from what apt trusts to tables of digests, in small slices of time. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe } from '../core/fault.ts'
import { aptIndexParser, type IndexedFile } from './apt-index.ts'
import { listedKey } from './apt-uri.ts'
import type { Apt, AptTarget } from './apt.ts'
import { digestTable, type DigestTable } from './digest-table.ts'
import type { ListsFiles } from './lists-files.ts'

/** A list as it was when it was read. */
export interface ReadList {
  readonly target: AptTarget
  readonly stamp: string | undefined
  readonly table: DigestTable
}

export interface ReadingComponents {
  readonly apt: Apt
  readonly files: ListsFiles
  /** A list that could not be read: its files have no proof. */
  readonly onFailure: (file: string, reason: string) => void
}

/** Bytes parsed before the event loop gets its turn: about 1 ms of work. */
const SLICE_BYTES = 65_536

/**
 * Reads every trusted list that changed since `earlier`, and takes the others over. A list that cannot be read whole
 * is left out, not half believed.
 * @param maxDigests over all lists.
 * @throws CommandFailed when apt does not tell its targets, or `signal` aborts meanwhile.
 */
export async function readLists(
  components: ReadingComponents,
  earlier: readonly ReadList[],
  maxDigests: number,
  signal: AbortSignal,
): Promise<readonly ReadList[]> {
  const lists: ReadList[] = []
  let room = maxDigests
  for (const target of await components.apt.targets(signal)) {
    const list =
      (await takeOver(components, earlier, target)) ?? (await readList(components, target, room, signal))
    if (list === undefined) continue
    lists.push(list)
    room -= list.table.count
  }
  return lists
}

async function takeOver(
  { files }: ReadingComponents,
  earlier: readonly ReadList[],
  target: AptTarget,
): Promise<ReadList | undefined> {
  const known = earlier.find(
    (each) => each.target.file === target.file && each.target.repository === target.repository,
  )
  if (known?.stamp === undefined) return undefined
  return known.stamp === (await files.stamp(target.file)) ? known : undefined
}

async function readList(
  { apt, files, onFailure }: ReadingComponents,
  target: AptTarget,
  room: number,
  signal: AbortSignal,
): Promise<ReadList | undefined> {
  const table = digestTable(room)
  // Before its bytes: a list that changes while it is read is read again.
  const stamp = await files.stamp(target.file)
  try {
    await fill(table, target.repository, apt.cat(target.file, signal))
    if (table.leftOut > 0) onFailure(target.file, `${table.leftOut} digests are beyond the bound`)
    return { target, stamp, table }
  } catch (error) {
    if (signal.aborted) throw error
    onFailure(target.file, describe(error))
    return undefined
  }
}

async function fill(
  table: DigestTable,
  repository: string,
  chunks: AsyncIterable<Uint8Array>,
): Promise<void> {
  const parser = aptIndexParser()
  const add = ({ filename, sha256, size }: IndexedFile) => {
    const key = listedKey(repository, filename)
    if (key !== undefined) table.add(key, { hex: sha256, size })
  }
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length; at += SLICE_BYTES) {
      parser.push(chunk.subarray(at, at + SLICE_BYTES)).forEach(add)
      await nextTurn()
    }
  }
  parser.end().forEach(add)
}
