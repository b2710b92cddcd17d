/** The seam to other programs, so that tests need none. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { Readable } from 'node:stream'
import { isMissing } from '../core/error-code.ts'

/**
 * Runs a program without a shell and gives its standard output, chunk by chunk, as fast as it is taken. Giving the
 * iteration up, or `signal`, ends the program.
 * @throws CommandFailed when it cannot be started, is ended by a signal, or ends with another status than 0; and what
 * `input` throws.
 */
export type Run = (program: string, args: readonly string[], options: RunOptions) => AsyncIterable<Uint8Array>

interface RunOptions {
  /** Added to this process's environment. */
  readonly env: Readonly<Record<string, string>>
  readonly signal: AbortSignal
  /** Its standard input, as fast as it takes it; absent: none. */
  readonly input?: AsyncIterable<Uint8Array>
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
export const runOnMachine: Run = async function* (program, args, { env, signal, input }) {
  const child = spawn(program, args, {
    env: { ...process.env, ...env },
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    signal,
  })
  // Listened to from the start: `error` may come before the first byte is read, and tells more than a broken stream.
  const ended = once(child, 'close').catch(notRun(program))
  ended.catch(() => {})
  let complaint = ''
  child.stderr?.on('data', (bytes: Buffer) => {
    complaint = (complaint + bytes.toString()).slice(0, MAX_COMPLAINT_CHARACTERS)
  })
  const fed = feed(child, input)
  try {
    if (child.stdout !== null) yield* child.stdout
    const [status] = await ended
    fed.throwIfBroken()
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
    fed.close()
    await ended.catch(() => {})
  }
}

/** That a program takes no more is no fault of its input: its status tells what it thinks of it. */
function feed(child: ChildProcess, input: AsyncIterable<Uint8Array> | undefined): Feeding {
  const { stdin } = child
  if (stdin === null || input === undefined) return { throwIfBroken: () => {}, close: () => {} }
  let broken: { readonly error: unknown } | undefined
  const source = Readable.from(input, { objectMode: false })
  source.once('error', (error) => {
    broken = { error }
    child.kill()
  })
  stdin.on('error', () => {})
  source.pipe(stdin)
  return {
    throwIfBroken() {
      if (broken !== undefined) throw broken.error
    },
    close: () => void source.destroy(),
  }
}

interface Feeding {
  /** @throws what reading the input threw. */
  readonly throwIfBroken: () => void
  readonly close: () => void
}

function notRun(program: string): (cause: unknown) => never {
  return (cause) => {
    throw new CommandFailed(`${program} cannot be run`, { isMissing: isMissing(cause), cause })
  }
}
