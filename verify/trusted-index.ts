/** The seam of V2: indexes that this machine trusts, and that no peer supplied. */
import type { TargetUri } from '../core/target-uri.ts'
import type { ListedDigest } from './digest-table.ts'

export interface TrustedIndex {
  /** Returns at once; reading goes on behind it. */
  start(): Promise<void>
  /** Safe at any moment; ends whatever is being read and whoever waits for it. */
  stop(): Promise<void>
  /** What the index says of this URI's bytes; `undefined` when it says nothing. May wait a bounded time. */
  find(uri: TargetUri): Promise<ListedDigest | undefined>
  /** The same, at once. */
  known(uri: TargetUri): ListedDigest | undefined
}

/** A machine without any. */
export const noIndex: TrustedIndex = {
  start: async () => {},
  stop: async () => {},
  find: async () => undefined,
  known: () => undefined,
}
