/** Copies that an application announces. */
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { Fault } from '../core/fault.ts'
import type { AnnouncedCopy, AnnounceLine, AnnounceQuestion } from '../service/applications/copies.ts'
import { OPERATIONS } from '../service/control.ts'
import type { Channel } from './channel.ts'

/** A file of the application: its path, its bytes, or what gives them. */
export type CopySource = string | Uint8Array | AsyncIterable<Uint8Array>

/** @throws Fault; the file system's own errors. */
export async function announced(
  channel: Channel,
  source: CopySource,
  question: AnnounceQuestion,
  signal: AbortSignal,
): Promise<AnnouncedCopy> {
  const asked = { ...question, ...(await sizeOf(source)) }
  let sending: Promise<void> | undefined
  for await (const each of channel.ask(OPERATIONS.announce, asked, signal)) {
    const line = each as AnnounceLine
    switch (line.kind) {
      case 'needed':
        sending = channel.send(line.id, bytesOf(source), signal)
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
  throw new Fault('UNREACHABLE', 'the node ended its answer early')
}

async function sizeOf(source: CopySource): Promise<{ readonly size?: number }> {
  if (typeof source === 'string') return { size: (await stat(source)).size }
  return source instanceof Uint8Array ? { size: source.length } : {}
}

function bytesOf(source: CopySource): AsyncIterable<Uint8Array> {
  if (typeof source === 'string') return createReadStream(source)
  return source instanceof Uint8Array ? one(source) : source
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
