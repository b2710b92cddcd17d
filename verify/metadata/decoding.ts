/** The text of an index from its stored bytes: content codings and compressed files undone, within bounds. */
import { Readable, type Duplex } from 'node:stream'
import {
  constants,
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createZstdDecompress,
} from 'node:zlib'
import { describe } from '../../core/fault.ts'
import type { Run } from '../run.ts'
import { UnreadableIndex } from './mention.ts'
import { BZIP2, unpackedBy, XZ } from './unpacking-programs.ts'

export interface Decoding {
  /** Bytes of the index when it is unpacked: a small file can hold an enormous one. */
  readonly maxDecodedBytes: number
  /** Runs the programs that unpack what Node.js cannot. */
  readonly run: Run
  /** Ends them. */
  readonly signal: AbortSignal
}

/** zstd may ask for a window of 128 MiB; indexes are packed with 8 or less. */
const MAX_ZSTD_WINDOW_LOG = 24

/** A text has no zero byte; a file of anything else that has none in so many bytes is rare. */
const HEAD_BYTES = 16_384

/**
 * @param coding the response's `Content-Encoding`.
 * @throws UnreadableIndex for what cannot be unpacked on this machine, is damaged, is larger than the bound, or is no text.
 */
export async function* decodedText(
  bytes: AsyncIterable<Uint8Array>,
  coding: string | undefined,
  { maxDecodedBytes, run, signal }: Decoding,
): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8')
  let decodedBytes = 0
  for await (const chunk of unpacked(uncoded(bytes, coding), { run, signal })) {
    // Names by digest do not tell what a file is: most that are no index are found out by their first bytes.
    if (decodedBytes < HEAD_BYTES && chunk.subarray(0, HEAD_BYTES).includes(0))
      throw new UnreadableIndex('not a text')
    decodedBytes += chunk.length
    if (decodedBytes > maxDecodedBytes)
      throw new UnreadableIndex(`more than ${maxDecodedBytes} bytes when unpacked`)
    yield decoder.decode(chunk, { stream: true })
  }
  yield decoder.decode()
}

function uncoded(bytes: AsyncIterable<Uint8Array>, coding = 'identity'): AsyncIterable<Uint8Array> {
  switch (coding.trim().toLowerCase()) {
    case 'identity':
    case '':
      return bytes
    case 'gzip':
    case 'x-gzip':
      return through(bytes, createGunzip())
    case 'deflate':
      return through(bytes, createInflate())
    case 'br':
      return through(bytes, createBrotliDecompress())
    case 'zstd':
      return through(bytes, zstd())
    default:
      throw new UnreadableIndex(`content coding ${coding}`)
  }
}

/** By the first bytes: names by digest do not tell how a file is packed. */
async function* unpacked(
  bytes: AsyncIterable<Uint8Array>,
  programs: Pick<Decoding, 'run' | 'signal'>,
): AsyncGenerator<Uint8Array> {
  const chunks = bytes[Symbol.asyncIterator]()
  try {
    let head: Uint8Array = new Uint8Array(0)
    while (head.length < MAGIC_BYTES) {
      const { value, done } = await chunks.next()
      if (done === true) break
      head = head.length === 0 ? value : Buffer.concat([head, value])
    }
    const rest = following(head, chunks)
    const magic = Buffer.from(head.subarray(0, MAGIC_BYTES)).toString('hex')
    if (magic.startsWith('1f8b')) yield* through(rest, createGunzip())
    else if (magic.startsWith('fd377a58')) yield* unpackedBy(XZ, rest, programs)
    else if (magic.startsWith('425a68')) yield* unpackedBy(BZIP2, rest, programs)
    else if (magic.startsWith('28b52ffd')) yield* through(rest, zstd())
    else yield* rest
  } finally {
    await chunks.return?.()
  }
}

const MAGIC_BYTES = 4

async function* following(head: Uint8Array, chunks: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  if (head.length > 0) yield head
  for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) yield next.value
}

function zstd(): Duplex {
  return createZstdDecompress({ params: { [constants.ZSTD_d_windowLogMax]: MAX_ZSTD_WINDOW_LOG } })
}

/** What goes wrong in reading the packed bytes is thrown as it is; what the unpacker says is about the index. */
async function* through(packed: AsyncIterable<Uint8Array>, unpacker: Duplex): AsyncGenerator<Uint8Array> {
  let failure: { readonly error: unknown } | undefined
  const source = Readable.from(packed, { objectMode: false })
  source.once('error', (error) => {
    failure = { error }
    unpacker.destroy(error)
  })
  try {
    for await (const chunk of source.pipe(unpacker)) yield chunk as Uint8Array
  } catch (error) {
    throw failure === undefined ? new UnreadableIndex(describe(error), { cause: error }) : failure.error
  } finally {
    source.destroy()
    unpacker.destroy()
  }
}
