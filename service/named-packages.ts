/**
 * What a catalogue of a product names, by its bytes alone: nothing is verified, because all that comes of it is that files are
 * fetched ahead which the rules allow. Only those beside the catalogue count, so that nobody is sent elsewhere.
 */
import { readCabinet, unpackFile } from '../signing/cabinet/read.ts'
import { CATALOGUE, readCatalogue } from '../update/catalogue.ts'

const LIMITS = { maxFiles: 20, maxUnpackedBytes: 4_000_000 }

/** Absolute URLs; none for whatever is no catalogue. */
export function namedPackages(catalogue: string, bytes: Buffer): readonly string[] {
  try {
    const content = unpackFile(readCabinet(bytes, LIMITS), CATALOGUE)
    if (content === undefined) return []
    const urls = readCatalogue(content).packages.map(({ url }) => new URL(url, catalogue))
    return urls.filter(({ origin }) => origin === new URL(catalogue).origin).map(({ href }) => href)
  } catch {
    return [] // another kind of index, or a damaged one: there is nothing to fetch ahead
  }
}
