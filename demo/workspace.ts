/** What a demonstration leaves behind: nothing. Its directory and its processes end with it, in every case. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Workspace {
  /** A new directory of its own. */
  readonly directory: string
  /** Ends everything early, when the user has had enough. */
  readonly signal: AbortSignal
  /** Has this done at the end; what began last ends first. */
  atEnd(end: () => Promise<void>): void
}

/** Runs `work` in a new workspace and takes it down again, also when `work` throws. */
export async function inWorkspace<T>(
  signal: AbortSignal,
  work: (workspace: Workspace) => Promise<T>,
): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'ihave-demo-'))
  const endings = [() => rm(directory, { recursive: true, force: true, maxRetries: 3 })]
  try {
    return await work({ directory, signal, atEnd: (end) => void endings.push(end) })
  } finally {
    const failures = await takeDown(endings)
    // oxlint-disable-next-line no-unsafe-finally -- a process or directory left behind must not go unnoticed
    if (failures.length > 0) throw new AggregateError(failures, 'the demo left something behind')
  }
}

/** Every ending has its turn, whatever became of the others. */
async function takeDown(endings: (() => Promise<void>)[]): Promise<unknown[]> {
  const failures: unknown[] = []
  for (const end of endings.toReversed()) await end().catch((error: unknown) => failures.push(error))
  return failures
}
