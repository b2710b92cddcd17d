/** The table with which the commands of `ihave publish` end: when what is public expires, and what is to be done. */
import type { Expiry } from '../update/publisher/expiries.ts'
import { dateText } from './publish-options.ts'

/** @param site as it is to stand in the commands that are named */
export function expiryLines(expiries: readonly Expiry[], site: string): readonly string[] {
  return [
    'expires',
    ...expiries.map((each) =>
      `  ${NAMES[each.what].padEnd(23)} ${dateText(each.expiresAt)}  ${left(each)}${warning(each, site)}`.trimEnd(),
    ),
  ]
}

/** For programs. */
export function expiryJson(expiries: readonly Expiry[]) {
  return expiries.map((each) => ({ ...each, expires: new Date(each.expiresAt).toISOString() }))
}

const NAMES: Readonly<Record<Expiry['what'], string>> = {
  root: 'root',
  targets: 'targets',
  snapshot: 'snapshot',
  timestamp: 'timestamp',
  packages: 'packages’ certificate',
  catalog: 'catalogue’s certificate',
}

function left({ daysLeft, state }: Expiry): string {
  if (state === 'expired') return `${-daysLeft - 1} days ago`
  return daysLeft === 0 ? 'today' : `${daysLeft} days left`
}

function warning({ state, renewal, components }: Expiry, site: string): string {
  if (state === 'valid') return ''
  const [command = '', ...options] = renewal.split(' ')
  const again =
    components.length === 0 ? '' : ` (unless you did), then add and release ${components.join(', ')} again`
  const what = `ihave publish ${[command, site, ...options].join(' ')}${again}`
  return state === 'soon' ? `  SOON: ${what}` : `  EXPIRED, updaters refuse it: ${what}`
}
