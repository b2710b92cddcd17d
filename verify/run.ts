/** The seam to other programs, so that tests need none. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'

/**
 * Runs a program without a shell and gives its standard output, chunk by chunk, as fast as it is taken. Giving the
 * iteration up, or `signal`, ends the program.
 * @throws CommandFailed when it cannot be started, is ended by a signal, or ends with another status than 0.
 */
export type Run = (program: string, args: readonly string[], options: RunOptions) => AsyncIterable<Uint8Array>

interface RunOptions {
  /** Added to this process's environment. */
  readonly env: Readonly<Record<string, string>>
  readonly signal: AbortSignal
}

export class CommandFailed extends Error {
  /** There is no such program on this machine. */
  readonly isMissing: boolean

  constructor(message: string, options: { isMissing: boolean; cause?: unknown }) {
    super(message, { cause: options.cause })
    this.name = 'CommandFailed'
    this.isMissing = options.isMissing
  }
}

/** Of what a program says on standard error, this much is kept for the message. */
const MAX_COMPLAINT_CHARACTERS = 500

/** Programs of this machine. */
export const runOnMachine: Run = async function* (program, args, { env, signal }) {
  const child = spawn(program, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    signal,
  })
  // Listened to from the start: `error` may come before the first byte is read, and tells more than a broken stream.
  const ended = once(child, 'close').catch(notRun(program))
  ended.catch(() => {})
  let complaint = ''
  child.stderr.on('data', (bytes: Buffer) => {
    complaint = (complaint + bytes.toString()).slice(0, MAX_COMPLAINT_CHARACTERS)
  })
  try {
    yield* child.stdout
    const [status] = await ended
    if (status !== 0)
      throw new CommandFailed(`${program}: ${complaint.trim() || (status ?? 'ended by a signal')}`, {
        isMissing: false,
      })
  } catch (error) {
    child.kill()
    await ended
    throw error
  } finally {
    child.kill()
    await ended.catch(() => {})
  }
}

function notRun(program: string): (cause: unknown) => never {
  return (cause) => {
    const isMissing = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT'
    throw new CommandFailed(`${program} cannot be run`, { isMissing, cause })
  }
}
