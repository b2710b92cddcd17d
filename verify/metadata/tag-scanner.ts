/**
 * The tags of XML and HTML from pieces of text: enough for indexes, no more. Declarations (`<!DOCTYPE`, `<!ENTITY`) are
 * refused in XML, so there is no entity to expand (V§5); what stands in comments is passed over.
 */
import { UnreadableIndex } from './mention.ts'

export interface TagEvents {
  /** @param name without its prefix, in lower case. */
  open(name: string, tag: Tag): void
  close(name: string): void
  /** What stands between two tags, entities decoded; `undefined` when it is too long to keep. */
  text(text: string | undefined): void
}

/** One start tag. */
export interface Tag {
  /** The value of an attribute by its name in lower case, without prefix; `undefined` when it is absent or doubled. */
  attribute(name: string): string | undefined
}

/** Characters of the longest tag, and of the longest text between two that is kept. */
export const MAX_TAG = 16_384

export class TagScanner {
  readonly #events: TagEvents
  readonly #language: 'xml' | 'html'
  /** Begins with `<` as long as there is an unfinished tag; otherwise it is text. */
  #rest = ''
  #isTextTooLong = false
  /** Elements that are open; `undefined` as long as none has been. HTML leaves ends out, and counts none. */
  #depth: number | undefined

  constructor(language: 'xml' | 'html', events: TagEvents) {
    this.#language = language
    this.#events = events
  }

  /** @throws UnreadableIndex for a tag without an end, and for declarations in XML. */
  push(text: string): void {
    const all = this.#rest + text
    let at = 0
    for (;;) {
      const start = all.indexOf('<', at)
      if (start < 0) return this.#keepText(all.slice(at))
      const end = endOfTag(all, start)
      if (end < 0) {
        if (start > at) this.#text(all.slice(at, start))
        return this.#keepTag(all.slice(start))
      }
      this.#text(all.slice(at, start))
      this.#tag(all.slice(start, end))
      at = end
    }
  }

  /** @throws UnreadableIndex when a tag is cut, and in XML when an element is not closed, or there is none. */
  end(): void {
    if (this.#rest.startsWith('<')) throw new UnreadableIndex('a tag that is cut')
    if (this.#language === 'xml' && this.#depth !== 0)
      throw new UnreadableIndex(this.#depth === undefined ? 'no element' : 'an element that is not closed')
    this.#text(this.#rest)
    this.#rest = ''
  }

  #keepText(text: string): void {
    this.#isTextTooLong ||= text.length > MAX_TAG
    this.#rest = this.#isTextTooLong ? '' : text
  }

  #keepTag(tag: string): void {
    if (tag.length > MAX_TAG) throw new UnreadableIndex(`a tag of more than ${MAX_TAG} characters`)
    this.#rest = tag
  }

  #text(text: string): void {
    const isTooLong = this.#isTextTooLong || text.length > MAX_TAG
    this.#isTextTooLong = false
    if (isTooLong) this.#events.text(undefined)
    else if (text !== '') this.#events.text(decoded(text))
  }

  #tag(tag: string): void {
    const second = tag.charCodeAt(1)
    if (second === QUESTION) return
    if (second === EXCLAMATION) {
      if (tag.startsWith('<![CDATA[')) return this.#events.text(tag.slice(9, -3))
      if (tag.startsWith('<!--')) return
      if (this.#language === 'xml') throw new UnreadableIndex('a declaration in XML')
      return
    }
    const [, slash, written] = NAME.exec(tag) ?? []
    if (written === undefined) {
      if (this.#language === 'html') return
      throw new UnreadableIndex('a tag without a name')
    }
    const name = localName(written)
    if (slash === '/') return this.#close(name)
    this.#depth = (this.#depth ?? 0) + 1
    this.#events.open(name, { attribute: (wanted) => attributeOf(tag, written.length + 1, wanted) })
    if (tag.endsWith('/>')) this.#close(name)
  }

  #close(name: string): void {
    const depth = (this.#depth ?? 0) - 1
    if (this.#language === 'xml' && depth < 0) throw new UnreadableIndex('an end without a beginning')
    this.#depth = depth
    this.#events.close(name)
  }
}

/** Just behind the tag that begins at `start`; -1 when its end has not come. */
function endOfTag(text: string, start: number): number {
  const second = text.charCodeAt(start + 1)
  // Most are plain tags.
  if (second !== EXCLAMATION && second !== QUESTION) return endOfPlainTag(text, start)
  for (const [opening, closing] of UNITS) {
    if (text.startsWith(opening, start)) {
      const end = text.indexOf(closing, start + opening.length)
      return end < 0 ? -1 : end + closing.length
    }
    // It may still become one.
    if (opening.startsWith(text.slice(start, start + opening.length))) return -1
  }
  return endOfPlainTag(text, start)
}

/** A `>` in quotes ends nothing. */
function endOfPlainTag(text: string, start: number): number {
  let quote = 0
  for (let at = start + 1; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (quote !== 0) quote = code === quote ? 0 : quote
    else if (code === DOUBLE_QUOTE || code === SINGLE_QUOTE) quote = code
    else if (code === GREATER) return at + 1
  }
  return -1
}

const EXCLAMATION = 0x21
const DOUBLE_QUOTE = 0x22
const SINGLE_QUOTE = 0x27
const GREATER = 0x3e
const QUESTION = 0x3f

const UNITS = [
  ['<!--', '-->'],
  ['<![CDATA[', ']]>'],
  ['<?', '?>'],
] as const

const NAME = /^<(\/?)([A-Za-z_][\w.:-]*)/
const ATTRIBUTE = /([^\s=<>"'/]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'<>]+)))?/g

function attributeOf(tag: string, from: number, wanted: string): string | undefined {
  const values: string[] = []
  for (const [, name = '', double, single, bare] of tag.slice(from).matchAll(ATTRIBUTE)) {
    if (localName(name) === wanted) values.push(decoded(double ?? single ?? bare ?? ''))
  }
  // Of two, nobody knows which one the application reads.
  return values.length === 1 ? values[0] : undefined
}

function localName(name: string): string {
  return name.slice(name.indexOf(':') + 1).toLowerCase()
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

/** The five predefined entities and characters by number; others stay as they are. */
function decoded(text: string): string {
  if (!text.includes('&')) return text
  return text.replace(
    /&(?:#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6})|([a-z]{2,4}));/g,
    (whole, decimal, hex, name) => {
      if (typeof name === 'string') return ENTITIES[name] ?? whole
      const code = typeof decimal === 'string' ? Number(decimal) : Number.parseInt(String(hex), 16)
      return code <= 0x10ffff ? String.fromCodePoint(code) : whole
    },
  )
}
