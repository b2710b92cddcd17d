/** Responses that a newer one has overtaken on their way: nothing older takes its place in the store. */
import type { Fields } from '../core/fields.ts'
import type { EpochMs } from '../core/clock.ts'
import type { Store } from '../core/store.ts'
import type { TargetUri } from '../core/target-uri.ts'

/** What was stored for the URI when a response came. */
export type StoredBefore = ReadonlySet<number>

export const NOTHING_BEFORE: StoredBefore = new Set()

export function storedFor(store: Pick<Store, 'lookup'>, uri: TargetUri): StoredBefore {
  const stored = store.lookup(uri)
  return stored.length === 0 ? NOTHING_BEFORE : new Set(stored.map(({ id }) => id))
}

/** Whether a newer response to the same has come and gone into the store while this one was on its way. */
export function isOvertaken(
  store: Pick<Store, 'lookup'>,
  {
    uri,
    selecting,
    responseTime,
  }: { readonly uri: TargetUri; readonly selecting: Fields; readonly responseTime: EpochMs },
  before: StoredBefore,
): boolean {
  return store.lookup(uri).some((each) => {
    const isNewer = !before.has(each.id) && each.responseTime > responseTime
    return isNewer && JSON.stringify(each.selecting) === JSON.stringify(selecting)
  })
}
