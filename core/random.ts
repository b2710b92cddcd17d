/** The `Random` seam: the only source of chance, so that a simulation can replay it from a seed. */
import { randomBytes, randomInt } from 'node:crypto'

export interface Random {
  /** A number in [0, 1), for delays and jitter. */
  fraction(): number
  /** An integer in [0, 2^32). */
  uint32(): number
  /** `bytes` random bytes as lower-case hexadecimal: names that nobody can guess. */
  hex(bytes: number): string
}

/** The operating system's randomness. */
export const systemRandom: Random = {
  fraction: () => randomInt(2 ** 47) / 2 ** 47,
  uint32: () => randomInt(2 ** 32),
  hex: (bytes) => fresh(bytes).toString('hex'),
}

/** The system is asked for so many bytes at once: the asking costs more than the bytes. */
const POOL_BYTES = 4096
let pool = Buffer.alloc(0)

/** Bytes that nobody has had. */
function fresh(bytes: number): Buffer {
  if (bytes > POOL_BYTES) return randomBytes(bytes)
  if (pool.length < bytes) pool = randomBytes(POOL_BYTES)
  const taken = pool.subarray(0, bytes)
  pool = pool.subarray(bytes)
  return taken
}

/** A repeatable sequence from a 32-bit seed (mulberry32): for simulations and tests, never for secrets. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  const uint32 = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) >>> 0
  }
  return {
    fraction: () => uint32() / 2 ** 32,
    uint32,
    hex: (bytes) =>
      Array.from({ length: bytes }, () => (uint32() >>> 24).toString(16).padStart(2, '0')).join(''),
  }
}
