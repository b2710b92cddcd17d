/** Nix's base-32: its own alphabet (without e, o, t, u), least significant digit last. */

const ALPHABET = '0123456789abcdfghijklmnpqrsvwxyz'
const DIGITS = 52

/**
 * The SHA-256, as lower-case hexadecimal, that 52 digits of Nix's base-32 stand for; `undefined` when they stand for
 * none. The digits are read from the last to the first, and fill the bytes from the lowest bit up: 52 × 5 bits are
 * four more than 256, and those four must be zero.
 */
export function sha256FromNixBase32(text: string): string | undefined {
  if (text.length !== DIGITS) return undefined
  const bytes = new Uint8Array(33)
  for (let place = 0; place < DIGITS; place++) {
    const digit = ALPHABET.indexOf(text.charAt(DIGITS - 1 - place))
    if (digit < 0) return undefined
    const shifted = digit << ((place * 5) % 8)
    const at = Math.floor((place * 5) / 8)
    bytes[at] = (bytes[at] ?? 0) | (shifted & 0xff)
    bytes[at + 1] = (bytes[at + 1] ?? 0) | (shifted >> 8)
  }
  return bytes[32] === 0 ? Buffer.from(bytes.subarray(0, 32)).toString('hex') : undefined
}
