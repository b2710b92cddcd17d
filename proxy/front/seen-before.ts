/**
 * Which texts have been seen lately, without keeping them: what comes once is not worth remembering, and to remember it for
 * a while costs the collection of garbage most. It may be wrong about one text in thousands, either way.
 */

const SLOTS = 8_192

export class SeenBefore {
  readonly #hashes = new Int32Array(SLOTS)

  /** Whether this text was probably seen lately; from now on it has been. */
  again(text: string): boolean {
    const hash = hashOf(text)
    const slot = hash & (SLOTS - 1)
    const isKnown = this.#hashes[slot] === hash
    this.#hashes[slot] = hash
    return isKnown
  }
}

/** FNV-1a. */
function hashOf(text: string): number {
  let hash = 0x81_1c_9d_c5 | 0
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01_00_01_93)
  return hash
}
