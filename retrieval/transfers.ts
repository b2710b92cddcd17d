/**
 * What is on its way to this node's applications, for people who watch (R5.2, R12.2). It is put together when somebody looks: no request
 * pays for it.
 */
import type { TargetUri } from '../core/target-uri.ts'
import type { Address } from '../core/transport.ts'
import type { DownloadProgress } from '../peering/local-copies.ts'
import type { Retrieval } from './retrieval.ts'
import type { Retrievals } from './retrievals.ts'
import type { SourceKind } from './source.ts'

export interface Transfer extends DownloadProgress {
  readonly uri: TargetUri
  /** `asking`: none is named yet. */
  readonly source: SourceKind | 'asking'
  /** The machine that sends it; absent: it is no peer. */
  readonly peer?: Address | undefined
}

/** Each retrieval for all who wait for it; and each application's part of what comes in parts, small file, or response that is not kept. */
export function transfers({
  all,
  origins,
  passedOn,
  plain,
}: Pick<Retrievals, 'all' | 'origins' | 'passedOn' | 'plain'>): Transfer[] {
  const alone = [...origins.parts(), ...plain.all(), ...passedOn.all()]
  return [
    ...all()
      .filter(({ isPaused }) => !isPaused)
      .map(ofRetrieval),
    ...alone.map((each) => ({ uri: each.uri, source: 'internet' as const, ...each.shown() })),
  ]
}

function ofRetrieval(retrieval: Retrieval): Transfer {
  const { current, sender } = retrieval
  const { uri } = retrieval.request
  return { uri, source: current?.kind ?? 'asking', peer: sender, ...retrieval.shown() }
}
