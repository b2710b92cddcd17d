/** What happened, one line of JSON each, for people and programs. A line that a power cut left half is passed over. */
import { appendSynced, readPlainFile } from '../files.ts'
import type { RefusalReason } from '../refused.ts'
import type { InstalledSet } from './installation.ts'
import { isHistoryEntry } from './shapes.ts'

/** What is installed became another. */
export type HistoryChange =
  | {
      readonly kind: 'installed'
      readonly id: string
      readonly from: string | undefined
      readonly components: readonly { readonly component: string; readonly version: string }[]
      /** Bytes by where they came from. */
      readonly received: Readonly<Record<string, number>>
    }
  | {
      readonly kind: 'rolled-back'
      readonly id: string | undefined
      readonly from: string
      readonly reason: string
    }

export type HistoryEntry = { /** Milliseconds since 1970. */ readonly at: number } & (
  | HistoryChange
  | { readonly kind: 'refused'; readonly reason: RefusalReason; readonly detail: string }
)

export function appendHistory(path: string, entry: HistoryEntry): void {
  appendSynced(path, `${JSON.stringify(entry)}\n`)
}

/** The oldest first. */
export function readHistory(path: string): readonly HistoryEntry[] {
  const text = readPlainFile(path)?.toString('utf8') ?? ''
  return text.split('\n').flatMap((line) => parsed(line))
}

function parsed(line: string): readonly HistoryEntry[] {
  try {
    return [JSON.parse(line)].filter((each) => isHistoryEntry(each))
  } catch {
    return []
  }
}

export function componentsOf({ components }: InstalledSet): { component: string; version: string }[] {
  return components.map(({ component, version }) => ({ component, version }))
}
