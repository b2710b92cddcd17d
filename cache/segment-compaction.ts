/** Empties a segment: its live bodies are appended to the newest one, then the index follows. */
import { read } from 'node:fs'
import { promisify } from '../core/node-util.ts'
import type { OpenFile } from './open-files.ts'
import type { Place } from './place.ts'
import type { Move, PlacedBody, PlaceIndex } from './place-index.ts'
import { storeFault } from './store-fault.ts'

/** Bytes that are read at once, unless one body has more, and bodies that are moved at once: until they are freed they are there twice. */
const PORTION_BYTES = 256 * 1024
const PORTION_BODIES = 64

/** What is needed of the segment files. */
export interface MovedFiles {
  /** The segment there is open until `letGo` is called. @throws Fault STORE_FAILED. */
  hold(place: Place): Promise<OpenFile>
  append(bytes: Uint8Array): Promise<Place>
  settle(place: Place): void
  free(place: Place, size: number): Promise<void>
}

/**
 * The bytes are copied unseen: whether they are right is found out by whoever reads them, as everywhere. A body that is
 * removed or replaced meanwhile stays so.
 * @throws Fault STORE_FULL, STORE_FAILED; what was moved until then is moved.
 */
export async function emptySegment(
  segment: number,
  files: MovedFiles,
  index: PlaceIndex,
  signal: AbortSignal,
): Promise<void> {
  for (const portion of portions(index.bodiesIn(segment))) {
    if (signal.aborted) return
    await movePortion(portion, files, index)
  }
}

/** Cuts where the bodies, and what lies between them, are as much as is read at once. */
function* portions(bodies: readonly PlacedBody[]): Generator<readonly PlacedBody[]> {
  let portion: PlacedBody[] = []
  for (const body of bodies) {
    const start = portion[0]?.place.start ?? body.place.start
    if (body.place.start + body.size - start > PORTION_BYTES || portion.length === PORTION_BODIES) {
      yield portion
      portion = []
    }
    portion.push(body)
  }
  if (portion.length > 0) yield portion
}

async function movePortion(
  bodies: readonly PlacedBody[],
  files: MovedFiles,
  index: PlaceIndex,
): Promise<void> {
  const bytes = await readPortion(bodies, files)
  const copies = await Promise.allSettled(bodies.map((body, at) => copy(body, bytes[at], files)))
  const moves = copies.flatMap((each) => (each.status === 'fulfilled' ? each.value : []))
  let moved: ReadonlySet<string> = new Set()
  try {
    moved = index.move(moves)
  } finally {
    for (const { body, to } of moves) {
      void files.free(moved.has(body.digest) ? body.place : to, body.size)
      files.settle(to)
    }
  }
  for (const each of copies) if (each.status === 'rejected') throw each.reason
}

async function copy(body: PlacedBody, bytes: Uint8Array | undefined, files: MovedFiles): Promise<Move> {
  return { body, to: await files.append(bytes ?? Buffer.alloc(body.size)) }
}

/** The bytes of the bodies, in their order. Where the file ends early, the copies are as wrong as the originals. */
async function readPortion(bodies: readonly PlacedBody[], files: MovedFiles): Promise<Uint8Array[]> {
  const first = bodies[0]?.place
  if (first === undefined) return []
  const ends = bodies.map(({ size, place }) => place.start + size)
  const buffer = Buffer.alloc(Math.max(...ends) - first.start)
  const file = await files.hold(first)
  try {
    await readAll(buffer, file.fd, first.start)
  } catch (error) {
    throw storeFault(`cannot read ${file.path}`, error)
  } finally {
    file.letGo()
  }
  return bodies.map(({ size, place }) => buffer.subarray(place.start - first.start).subarray(0, size))
}

const readInto = promisify(read)

async function readAll(buffer: Buffer, fd: number, start: number): Promise<void> {
  for (let done = 0; done < buffer.length;) {
    const { bytesRead } = await readInto(fd, buffer, done, buffer.length - done, start + done)
    if (bytesRead === 0) return
    done += bytesRead
  }
}
