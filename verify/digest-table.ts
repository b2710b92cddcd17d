/** Very many digests in little memory: 40 bytes each beside the key. */

/** What an index says about one file. */
export interface ListedDigest {
  /** SHA-256 as lower-case hexadecimal. */
  readonly hex: string
  /** Bytes. */
  readonly size: number
}

export interface DigestTable {
  /** Keys held. */
  readonly count: number
  /** Keys that came when the table was full. */
  readonly leftOut: number
  /** Remembers what a key's file is; a key that comes twice with different digests proves nothing any more. */
  add(key: string, listed: ListedDigest): void
  /** `undefined`: never heard of; `'contradiction'`: listed with different digests. */
  find(key: string): ListedDigest | 'contradiction' | undefined
}

const RECORD_BYTES = 40
const HASH_BYTES = 32
const CONTRADICTED_SIZE = -1

/** An empty table for at most `maxDigests` keys; those beyond are left out, and have no proof. */
export function digestTable(maxDigests: number): DigestTable {
  const places = new Map<string, number>()
  let leftOut = 0
  let records = Buffer.alloc(1024 * RECORD_BYTES)

  const read = (at: number): ListedDigest | 'contradiction' => {
    const size = records.readDoubleLE(at + HASH_BYTES)
    return size === CONTRADICTED_SIZE
      ? 'contradiction'
      : { hex: records.toString('hex', at, at + HASH_BYTES), size }
  }

  return {
    get count() {
      return places.size
    },
    get leftOut() {
      return leftOut
    },
    add(key, listed) {
      const known = places.get(key)
      if (known !== undefined) {
        if (!isSame(read(known), listed)) records.writeDoubleLE(CONTRADICTED_SIZE, known + HASH_BYTES)
        return
      }
      if (places.size >= maxDigests) {
        leftOut++
        return
      }
      const at = places.size * RECORD_BYTES
      if (at === records.length) records = Buffer.concat([records], records.length * 2)
      records.write(listed.hex, at, 'hex')
      records.writeDoubleLE(listed.size, at + HASH_BYTES)
      places.set(flat(key), at)
    },
    find(key) {
      const at = places.get(key)
      return at === undefined ? undefined : read(at)
    },
  }
}

/** Whether two indexes agree about a file. */
export function isSame(one: ListedDigest | 'contradiction', other: ListedDigest | 'contradiction'): boolean {
  if (one === 'contradiction' || other === 'contradiction') return false
  return one.hex === other.hex && one.size === other.size
}

/** A copy that does not keep alive the longer string that it was cut from (as V8's slices do). */
function flat(text: string): string {
  return Buffer.from(text, 'utf8').toString('utf8')
}
