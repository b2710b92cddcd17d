/**
 * Names under which applications of this machine have announced copies (R11.1), beside the names of their content. They are
 * told to peers who ask by them, and to nobody here: who says that a file is at some URL does not speak for its server.
 */
import { contentName } from '../core/content-name.ts'
import type { Sha256 } from '../core/digest.ts'
import type { TargetUri } from '../core/target-uri.ts'

/** Names at once; the oldest is forgotten first. */
export const MAX_ANNOUNCED = 10_000

export interface AnnouncedNames {
  /** A later announcement of the same name takes its place. */
  add(uri: string, sha256: Sha256): void
  /** @returns whether it was announced for this content. */
  remove(uri: string, sha256: Sha256): boolean
  /** The name of the content that was announced as `uri`. */
  contentOf(uri: string): TargetUri | undefined
  all(): Iterable<string>
}

export function announcedNames(): AnnouncedNames {
  const announced = new Map<string, TargetUri>()
  return {
    add(uri, sha256) {
      announced.delete(uri)
      announced.set(uri, contentName(sha256))
      const [oldest] = announced.keys()
      if (announced.size > MAX_ANNOUNCED && oldest !== undefined) announced.delete(oldest)
    },
    remove: (uri, sha256) => announced.get(uri) === contentName(sha256) && announced.delete(uri),
    contentOf: (uri) => announced.get(uri),
    all: () => announced.keys(),
  }
}
