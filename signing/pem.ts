/** Bytes between lines that say what they are (RFC 7468). */

export function toPem(label: string, der: Uint8Array): string {
  const base64 = Buffer.from(der)
    .toString('base64')
    .replace(/.{1,64}/g, '$&\n')
  return `-----BEGIN ${label}-----\n${base64}-----END ${label}-----\n`
}

/** The content of each block with this label; other blocks are left aside. */
export function pemBlocks(text: string, label: string): readonly Buffer[] {
  const blocks = text.matchAll(new RegExp(`-----BEGIN ${label}-----([^-]*)-----END ${label}-----`, 'g'))
  return Array.from(blocks, ([, base64 = '']) => Buffer.from(base64, 'base64'))
}
