/** The machine's own programs. */
import { execFile, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { tmpdir } from 'node:os'
import type { Sha256 } from '../core/digest.ts'

export interface ProgramOptions {
  readonly directory: string
  readonly environment?: Readonly<Record<string, string>>
  readonly signal: AbortSignal
}

const MAX_OUTPUT_BYTES = 64 * 1024 * 1024
/** Of what a program complains, this much goes into the message. */
const MAX_COMPLAINT_CHARACTERS = 600

/**
 * Runs a program to its end; when it is aborted, it has ended before this rejects.
 * @returns its standard output.
 * @throws Error with what it said when it ends with another status than 0; what `signal` was aborted with.
 */
export async function runProgram(
  program: string,
  args: readonly string[],
  { directory, environment, signal }: ProgramOptions,
): Promise<string> {
  signal.throwIfAborted()
  const options = { cwd: directory, env: plainEnvironment(environment), signal, maxBuffer: MAX_OUTPUT_BYTES }
  const { promise, resolve } = Promise.withResolvers<Ended>()
  const child = execFile(program, args, options, (error, stdout, stderr) =>
    resolve({ error, stdout, stderr }),
  )
  const closed = new Promise((over) => child.once('close', over))
  const { error, stdout, stderr } = await promise
  await closed
  signal.throwIfAborted()
  if (!error) return stdout
  const complaint = stderr.trim().slice(-MAX_COMPLAINT_CHARACTERS) || error.message
  throw new Error(`${program}: ${complaint}`, { cause: error })
}

interface Ended {
  readonly error: Error | null
  readonly stdout: string
  readonly stderr: string
}

/** No proxy settings and nobody's configuration: what the demo shows must not depend on them. */
export function plainEnvironment(more: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  return { PATH: process.env['PATH'], HOME: tmpdir(), TMPDIR: tmpdir(), LC_ALL: 'C', ...more }
}

export function isInstalled(program: string): boolean {
  return spawnSync(program, ['--version'], { stdio: 'ignore' }).error === undefined
}

export async function sha256Of(file: string): Promise<Sha256> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer)
  return hash.digest('hex') as Sha256
}
