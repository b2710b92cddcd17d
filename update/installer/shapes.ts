/** What this program has written below an installation's folder; whatever looks otherwise was damaged by somebody else. */
import { isCount, isRecord, isText, isYesOrNo, listOf, recordOf, withMembers } from '../../core/shapes.ts'
import type { HistoryEntry } from './history.ts'
import type { InstalledSet, Journal, UpdaterState } from './installation.ts'

const isFile = withMembers({ name: isText, size: isCount, sha256: isText, isExecutable: isYesOrNo })
const isComponent = withMembers({
  component: isText,
  version: isText,
  sha256: isText,
  files: listOf(isFile),
})
const hasSetMembers = withMembers({
  id: isText,
  product: isText,
  released: isText,
  number: isCount,
  components: listOf(isComponent),
})
const isRemembered = withMembers({ root: isText, timestamp: isCount, snapshot: isCount, targets: isCount })
const hasStateMembers = withMembers(
  { refused: recordOf(isCount) },
  {
    catalog: isText,
    product: isText,
    remembered: isRemembered,
    expiresAt: isCount,
    lastCheck: withMembers({ at: isCount, outcome: isText, detail: isText }),
    heldBack: withMembers({ number: isCount, reason: isText }),
  },
)
export function isSet(value: unknown): value is InstalledSet {
  return hasSetMembers(value)
}

export function isState(value: unknown): value is UpdaterState {
  return hasStateMembers(value)
}

export function isJournal(value: unknown): value is Journal {
  if (!isRecord(value) || !isText(value['id'])) return false
  const isConfirming =
    value['phase'] === 'confirming' && withMembers({ kind: isText }, { from: isText })(value)
  return (
    value['phase'] === 'staging' || (isConfirming && ['update', 'rollback'].includes(String(value['kind'])))
  )
}

export function isHistoryEntry(value: unknown): value is HistoryEntry {
  if (!isRecord(value) || !isCount(value['at'])) return false
  switch (value['kind']) {
    case 'installed':
      return withMembers({ id: isText, components: listOf(isRecord) }, { from: isText })(value)
    case 'rolled-back':
      return withMembers({ from: isText, reason: isText }, { id: isText })(value)
    default:
      return value['kind'] === 'refused' && withMembers({ reason: isText, detail: isText })(value)
  }
}
