/** Empties a segment: its live bodies are appended to the newest one, then the index follows. */
import type { FileHandle } from 'node:fs/promises'
import type { Place } from './place.ts'
import type { Move, PlacedBody, PlaceIndex } from './place-index.ts'

/** Bytes of bodies that are moved at once, and their number. */
const PORTION_BYTES = 1024 * 1024
const PORTION_BODIES = 64

/** What is needed of the segment files. */
export interface MovedFiles {
  use<Result>(place: Place, work: (file: FileHandle) => Promise<Result>): Promise<Result>
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

function* portions(bodies: readonly PlacedBody[]): Generator<readonly PlacedBody[]> {
  let portion: PlacedBody[] = []
  let bytes = 0
  for (const body of bodies) {
    portion.push(body)
    bytes += body.size
    if (bytes < PORTION_BYTES && portion.length < PORTION_BODIES) continue
    yield portion
    portion = []
    bytes = 0
  }
  if (portion.length > 0) yield portion
}

async function movePortion(
  bodies: readonly PlacedBody[],
  files: MovedFiles,
  index: PlaceIndex,
): Promise<void> {
  const copies = await Promise.allSettled(bodies.map((body) => copy(body, files)))
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

async function copy(body: PlacedBody, files: MovedFiles): Promise<Move> {
  const bytes = await files.use(body.place, (file) => readAll(file, body))
  return { body, to: await files.append(bytes) }
}

/** Where a file ends early, what was there is lost; the copy is as wrong as the original. */
async function readAll(file: FileHandle, { size, place }: PlacedBody): Promise<Uint8Array> {
  const buffer = Buffer.alloc(size)
  for (let done = 0; done < size;) {
    const { bytesRead } = await file.read(buffer, done, size - done, place.start + done)
    if (bytesRead === 0) break
    done += bytesRead
  }
  return buffer
}
