/** Copies that an application announces. */
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { Fault } from '../core/fault.ts'
import type { AnnouncedCopy, AnnounceLine, AnnounceQuestion } from '../service/applications/copies.ts'
import { OPERATIONS } from '../service/control.ts'
import type { Channel } from './channel.ts'

/** A file of the application: its path, its bytes, or what gives them. */
export type CopySource = string | Uint8Array | AsyncIterable<Uint8Array>

/** @throws Fault; the file system's own errors, and what `source` throws. */
export async function announced(
  channel: Channel,
  source: CopySource,
  question: AnnounceQuestion,
  signal: AbortSignal,
): Promise<AnnouncedCopy> {
  const asked = { ...question, ...(await sizeOf(source)) }
  // The node would wait for bytes that do not come any more: the question ends with them.
  const failed = new AbortController()
  const until = AbortSignal.any([signal, failed.signal])
  let sending: Promise<void> | undefined
  try {
    for await (const each of channel.ask(OPERATIONS.announce, asked, until)) {
      const line = each as AnnounceLine
      switch (line.kind) {
        case 'needed':
          sending = channel.send(line.id, watched(source, failed), until)
          // What the node has against them is told here, too.
          sending.catch(() => {})
          break
        case 'announced': {
          await sending
          const { name, digest, size } = line
          return { name, digest, size }
        }
      }
    }
  } catch (error) {
    throw failed.signal.aborted ? failed.signal.reason : error
  }
  throw new Fault('NODE_UNREACHABLE', 'the node ended its answer early')
}

/** The bytes of `source`; what it throws is what the application is told. */
async function* watched(source: CopySource, failed: AbortController): AsyncGenerator<Uint8Array> {
  try {
    yield* bytesOf(source)
  } catch (error) {
    failed.abort(error)
    throw error
  }
}

async function sizeOf(source: CopySource): Promise<{ readonly size?: number }> {
  if (typeof source === 'string') return sizeOfFile(source)
  return source instanceof Uint8Array ? { size: source.length } : {}
}

async function sizeOfFile(path: string): Promise<{ readonly size: number }> {
  const found = await stat(path)
  if (!found.isFile()) throw new Fault('BAD_REQUEST', `expected a file, ${path} is none`)
  return { size: found.size }
}

function bytesOf(source: CopySource): AsyncIterable<Uint8Array> {
  if (typeof source === 'string') return createReadStream(source)
  return source instanceof Uint8Array ? one(source) : source
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
