/**
 * Field lines that many stored responses have, each kept in memory once: most lines of a response are those of its neighbours as well. Of
 * 4,096 responses that were looked up (index-database.ts) that is 4 MB.
 */
import { LRUCache } from 'lru-cache'
import type { FieldLine, Fields } from '../core/fields.ts'

/** Lines that are known at once: what is in each response stays among them, whatever comes beside it. */
export const MAX_LINES = 512

/** In characters; what is longer is seldom said twice. */
const LONGEST_VALUE = 100

export class SharedLines {
  readonly #known = new LRUCache<string, FieldLine>({ max: MAX_LINES })

  /** The same lines; those that are known are the very same objects. */
  of(fields: Fields): Fields {
    return fields.map((line) => this.#shared(line))
  }

  #shared(line: FieldLine): FieldLine {
    const [name, value] = line
    if (value.length > LONGEST_VALUE) return line
    const key = `${name}\n${value}` // which neither of them can hold
    const known = this.#known.get(key)
    if (known !== undefined) return known
    this.#known.set(key, line)
    return line
  }
}
