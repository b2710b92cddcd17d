/**
 * Reads apt's `Packages` indexes (deb822 stanzas) from chunks of bytes: pure, and only the three fields that prove
 * something. It does not judge whether the index is trusted.
 */

/** One package file, as its stanza describes it. */
export interface IndexedFile {
  /** Relative to the repository's base URI, not percent-encoded: `pool/main/g/g++/g++_12_amd64.deb`. */
  readonly filename: string
  /** Bytes. */
  readonly size: number
  /** 64 lower-case hexadecimal digits. */
  readonly sha256: string
}

export interface AptIndexParser {
  /** The files whose stanzas end within these bytes, in order. The bytes are not kept. */
  push(bytes: Uint8Array): readonly IndexedFile[]
  /** The last stanza, which needs no empty line behind it. */
  end(): readonly IndexedFile[]
}

/** Bytes of the longest line that is kept; what a longer one says proves nothing. */
export const MAX_LINE_BYTES = 16_384

const NEWLINE = 0x0a
const NOTHING = new Uint8Array(0)

/**
 * A stanza counts when it has each of `Filename`, `Size` and `SHA256` exactly once and well-formed; any other is left
 * out, so that its file simply has no proof.
 */
export function aptIndexParser(): AptIndexParser {
  const stanza = new Stanza()
  let rest: Uint8Array = NOTHING

  return {
    push(bytes) {
      const files: IndexedFile[] = []
      let start = 0
      for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
        stanza.readLine(joined(rest, bytes.subarray(start, end)), files)
        rest = NOTHING
        start = end + 1
      }
      rest = new Uint8Array(joined(rest, bytes.subarray(start)).subarray(0, MAX_LINE_BYTES + 1))
      return files
    },
    end() {
      const files: IndexedFile[] = []
      stanza.readLine(rest, files)
      stanza.readLine(NOTHING, files)
      rest = NOTHING
      return files
    },
  }
}

function joined(head: Uint8Array, tail: Uint8Array): Uint8Array {
  return head.length === 0 ? tail : Buffer.concat([head, tail])
}

/** The stanza that is being read. */
class Stanza {
  readonly #values = new Map<FieldName, string>()
  #isAmbiguous = false

  /** Takes one line without its end; an empty one ends the stanza and adds its file to `files`. */
  readLine(line: Uint8Array, files: IndexedFile[]): void {
    if (line.length === 0) return this.#finish(files)
    // Nearly all of the million lines end here: none of our fields begins with another letter.
    if (line[0] !== 0x46 && line[0] !== 0x53) return
    const name = FIELD_NAMES.find((each) => startsWith(line, `${each}:`))
    if (name === undefined) return
    if (this.#values.has(name) || line.length > MAX_LINE_BYTES) this.#isAmbiguous = true
    const value = Buffer.from(line.buffer, line.byteOffset, line.length).toString('utf8', name.length + 1)
    this.#values.set(name, value.trim())
  }

  #finish(files: IndexedFile[]): void {
    const file = this.#isAmbiguous ? undefined : this.#file()
    if (file) files.push(file)
    this.#values.clear()
    this.#isAmbiguous = false
  }

  #file(): IndexedFile | undefined {
    const filename = this.#values.get('Filename') ?? ''
    const size = this.#values.get('Size') ?? ''
    const sha256 = (this.#values.get('SHA256') ?? '').toLowerCase()
    if (filename === '' || !/^\d{1,15}$/.test(size) || !/^[0-9a-f]{64}$/.test(sha256)) return undefined
    return { filename, size: Number(size), sha256 }
  }
}

const FIELD_NAMES = ['Filename', 'Size', 'SHA256'] as const
type FieldName = (typeof FIELD_NAMES)[number]

function startsWith(line: Uint8Array, prefix: string): boolean {
  for (let at = 0; at < prefix.length; at++) if (line[at] !== prefix.charCodeAt(at)) return false
  return true
}
