/** The applications of bench/lan: plain curl on every host, all files at once, each body's SHA-256 checked. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createReadStream, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { Host } from '../../test/lan/namespaces.ts'
import type { UpdateFile } from './update-files.ts'

export interface Application {
  /** Settles when nothing but curl itself is left to start. */
  readonly ready: Promise<unknown>
  /** Has curl ask. @returns when it asked and when it had everything, in seconds of the machine's clock. */
  readonly ask: () => Promise<{ readonly asked: number; readonly done: number }>
  /** @throws Error unless every file is right. */
  readonly check: () => Promise<void>
}

/**
 * Waits for a line, so that what starting a program costs lies before the moment of asking; then, where there is a `$1`, until somebody
 * listens at that port of its own host.
 */
const SCRIPT = `echo ready; read -r; asked=$EPOCHREALTIME; port=$1; shift
until [ -z "$port" ] || (: < /dev/tcp/127.0.0.1/$port) 2> /dev/null; do sleep 0.1; done
"$@"; code=$?; echo "$asked $EPOCHREALTIME $code"`

/** A host waits so long, in seconds: half a minute more than the line needs for a copy for each, and a quarter of that. */
export function mostSeconds(hosts: number, files: readonly UpdateFile[], lineMegabits: number): number {
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0)
  return Math.ceil(30 + (1.25 * hosts * bytes * 8) / (lineMegabits * 1e6))
}

/**
 * @param proxy of the form `http://address:port`; absent: asks the origin server itself.
 * @param maxSeconds then curl gives up.
 * @param portToCome it asks as soon as somebody listens there; absent: at once.
 */
export function application(
  host: Host,
  directory: string,
  origin: string,
  files: readonly UpdateFile[],
  proxy: string | undefined,
  maxSeconds: number,
  portToCome?: number,
): Application {
  const folder = join(directory, `${host.name}-files`)
  mkdirSync(folder, { recursive: true })
  const through = proxy === undefined ? [] : ['-x', proxy]
  const each = files.flatMap(({ sha256, path }) => ['-o', join(folder, sha256), `http://${origin}${path}`])
  const curl = [
    'curl',
    '-sSf',
    '--no-progress-meter',
    '-Z',
    '--parallel-immediate',
    '--parallel-max',
    '8',
    '--max-time',
    String(maxSeconds),
    ...through,
    ...each,
  ]
  const shell = host.start('bash', ['--norc', '-c', SCRIPT, 'ask', `${portToCome ?? ''}`, ...curl], {
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const ready = once(shell.stdout ?? shell, 'data')
  return { ready, ask: () => ask(shell, host.name), check: () => check(folder, files) }
}

async function ask(shell: ReturnType<Host['start']>, name: string) {
  const chunks: Buffer[] = []
  for (const stream of [shell.stdout, shell.stderr]) stream?.on('data', (chunk: Buffer) => chunks.push(chunk))
  const closed = once(shell, 'close')
  shell.stdin?.end('\n')
  await closed
  const text = Buffer.concat(chunks).toString()
  const [, asked, done, code] = /(\d+\.\d+) (\d+\.\d+) (\d+)\n/.exec(text) ?? []
  if (code !== '0') throw new Error(`curl on ${name} failed: ${text}`)
  return { asked: Number(asked), done: Number(done) }
}

async function check(folder: string, files: readonly UpdateFile[]): Promise<void> {
  for (const { sha256 } of files) {
    const hash = createHash('sha256')
    await pipeline(createReadStream(join(folder, sha256)), hash)
    if (hash.digest('hex') !== sha256)
      throw new Error(`${folder}/${sha256} is not what the origin server has`)
  }
  rmSync(folder, { recursive: true, force: true })
}
