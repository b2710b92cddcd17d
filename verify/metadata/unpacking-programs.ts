/**
 * xz and bzip2, which Node.js cannot unpack, by the machine's own programs. Whoever gets indexes so packed (apt, dnf) has
 * them; each runs as a process of its own, so that neither the requests nor this process's memory feel it.
 *
 * Stops a bomb: the text is counted as it comes and the program is ended at the bound; what it may take of the machine's
 * memory is bounded too.
 */
import { CommandFailed, type Run } from '../run.ts'
import { UnreadableIndex } from './mention.ts'

export interface UnpackingProgram {
  readonly name: string
  readonly args: readonly string[]
  /** What the user's settings say to the program does not count here. */
  readonly env: Readonly<Record<string, string>>
}

/** `xz -9`, the most that is made in practice, takes 65 MiB to unpack. */
const MAX_XZ_MEMORY = '80MiB'

export const XZ: UnpackingProgram = {
  name: 'xz',
  args: [
    '--decompress',
    '--stdout',
    '--format=xz',
    '--threads=1',
    `--memlimit-decompress=${MAX_XZ_MEMORY}`,
    '--no-warn',
  ],
  env: { LC_ALL: 'C', XZ_DEFAULTS: '', XZ_OPT: '' },
}

/** It takes 4 MB whatever comes. */
export const BZIP2: UnpackingProgram = {
  name: 'bzip2',
  args: ['--decompress', '--stdout'],
  env: { LC_ALL: 'C', BZIP: '', BZIP2: '' },
}

/**
 * @throws UnreadableIndex when the program finds fault with the bytes, needs more memory than it may have, or is not on this
 * machine; why `signal` was aborted; and what reading `packed` throws.
 */
export async function* unpackedBy(
  { name, args, env }: UnpackingProgram,
  packed: AsyncIterable<Uint8Array>,
  { run, signal }: { readonly run: Run; readonly signal: AbortSignal },
): AsyncGenerator<Uint8Array> {
  try {
    yield* run(name, args, { env, signal, input: packed })
  } catch (error) {
    signal.throwIfAborted()
    if (!(error instanceof CommandFailed)) throw error
    const reason = error.isMissing ? `packed with ${name}, which this machine does not have` : error.message
    throw new UnreadableIndex(reason, { cause: error })
  }
}
