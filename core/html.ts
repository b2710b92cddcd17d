/** Text in pages: what somebody else wrote is no markup. */

/** For an element's content, or an attribute's value in quotes. */
export function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
