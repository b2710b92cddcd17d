/** Text from strangers on a terminal: a certificate's name, a URL, what a command said. */

/** Neither a command to the terminal nor a line of its own: control characters, and those that turn or hide text, become visible. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, escaped)
}

/** Lines as they are written to a terminal, each ended. */
export function printableLines(lines: readonly string[]): string {
  return lines.map((line) => `${printable(line)}\n`).join('')
}

function escaped(character: string): string {
  if (character === '\n') return String.raw`\n`
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`
}
