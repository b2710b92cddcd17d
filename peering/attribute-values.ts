/** The text inside the quotes of an XML attribute, to and from what it means (XML 1.0 3.3.3, 4.1, 4.6). */

/** What no value may hold, not even by reference: values end up in header fields, logs and terminals. */
export const UNPRINTABLE = /[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}]/u

const REFERENCE = /&(?:#(\d{1,7});|#x([\da-fA-F]{1,6});|(amp|lt|gt|quot|apos);)?/g

const PREDEFINED: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

/**
 * Resolves the five predefined entities and references to characters, once; white space becomes spaces first, as every
 * XML processor has it. @returns `undefined` for any other `&`.
 */
export function resolveValue(raw: string): string | undefined {
  let isKnown = true
  const resolve = (_: string, decimal?: string, hex?: string, name?: string) => {
    const character = name === undefined ? characterAt(decimal, hex) : PREDEFINED[name]
    isKnown &&= character !== undefined
    return character ?? ''
  }
  const value = raw.replaceAll(/[\t\n\r]/g, ' ').replaceAll(REFERENCE, resolve)
  return isKnown ? value : undefined
}

function characterAt(decimal: string | undefined, hex: string | undefined): string | undefined {
  const codePoint = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16)
  return codePoint <= 0x10ffff ? String.fromCodePoint(codePoint) : undefined // NaN: a bare ampersand
}

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }

/** For between double quotes. */
export function escapeValue(value: string): string {
  return value.replaceAll(/[&<>"]/g, (character) => ESCAPES[character] ?? character)
}
