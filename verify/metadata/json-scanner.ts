/**
 * JSON (RFC 8259) from pieces of text, value by value, without ever holding the whole: a packument can have megabytes of
 * which a few hundred bytes per version matter. Memory is bounded by the nesting and by the longest string that is kept.
 *
 * It is no validator: what it takes for a number or a word is not looked at closely, because nothing here reads one that
 * would matter. Several documents may follow each other, one per line, as in the crates index.
 */
import { UnreadableIndex } from './mention.ts'

/** Names and places from the root to a value. The array is the scanner's own and changes when it goes on. */
export type JsonPath = readonly (string | number)[]

export interface JsonEvents {
  /** A string, or the text of a number or a word; a string that is too long to keep is `undefined`. */
  value(path: JsonPath, value: string | undefined): void
  /** The object or array at `path` is over. */
  close(path: JsonPath): void
}

/** Characters of the longest string that is kept; what a longer one says proves nothing. */
export const MAX_JSON_STRING = 8192
export const MAX_JSON_DEPTH = 64

const QUOTE = 0x22
const BACKSLASH = 0x5c

type Expecting = 'value' | 'name' | 'colon' | 'next'

export class JsonScanner {
  readonly #events: JsonEvents
  readonly #path: (string | number)[] = []
  readonly #kinds: ('object' | 'array')[] = []
  #expecting: Expecting = 'value'
  /** Inside a string: what came of it so far, escapes unread. */
  #string: string | undefined
  #isStringTooLong = false
  #isEscaped = false
  /** Inside a number or a word. */
  #word = ''

  constructor(events: JsonEvents) {
    this.#events = events
  }

  /** @throws UnreadableIndex for what cannot be JSON. */
  push(text: string): void {
    let at = 0
    while (at < text.length) at = this.#string === undefined ? this.#step(text, at) : this.#inString(text, at)
  }

  /** @throws UnreadableIndex when a value is not closed. */
  end(): void {
    this.#endWord()
    if (this.#string !== undefined || this.#kinds.length > 0) throw new UnreadableIndex('JSON that is cut')
  }

  /** Takes text up to the end of the string, or of the text. @returns where it stopped. */
  #inString(text: string, start: number): number {
    let at = start
    for (; at < text.length; at++) {
      const code = text.charCodeAt(at)
      if (this.#isEscaped) this.#isEscaped = false
      else if (code === BACKSLASH) this.#isEscaped = true
      else if (code === QUOTE) break
    }
    this.#keep(text, start, at)
    if (at === text.length) return at
    this.#endString()
    return at + 1
  }

  #keep(text: string, start: number, end: number): void {
    const kept = this.#string ?? ''
    this.#isStringTooLong ||= kept.length + end - start > MAX_JSON_STRING
    this.#string = this.#isStringTooLong ? '' : kept + text.slice(start, end)
  }

  #endString(): void {
    const value = this.#isStringTooLong ? undefined : unescaped(this.#string ?? '')
    this.#string = undefined
    if (this.#expecting === 'name') {
      // A name that is too long is no name that anybody looks for.
      this.#path.push(value ?? '')
      this.#expecting = 'colon'
    } else this.#value(value)
  }

  #step(text: string, at: number): number {
    const character = text[at] ?? ''
    switch (character) {
      case '"':
        this.#beginString()
        return at + 1
      case '{':
      case '[':
        this.#open(character === '{' ? 'object' : 'array')
        return at + 1
      case '}':
      case ']':
        this.#endWord()
        this.#close(character === '}' ? 'object' : 'array')
        return at + 1
      case ',':
        this.#endWord()
        this.#comma()
        return at + 1
      case ':':
        this.#must(this.#expecting === 'colon' && this.#word === '', 'a colon out of place')
        this.#expecting = 'value'
        return at + 1
      case ' ':
      case '\t':
      case '\n':
      case '\r':
        this.#endWord()
        return at + 1
      default:
        this.#addToWord(character)
        return at + 1
    }
  }

  #beginString(): void {
    const isPlace = this.#expecting === 'value' || this.#expecting === 'name'
    this.#must(isPlace && this.#word === '', 'a string out of place')
    this.#string = ''
    this.#isStringTooLong = false
  }

  #open(kind: 'object' | 'array'): void {
    this.#must(this.#expecting === 'value' && this.#word === '', 'a bracket out of place')
    this.#must(this.#kinds.length < MAX_JSON_DEPTH, `JSON that is nested more than ${MAX_JSON_DEPTH} times`)
    this.#kinds.push(kind)
    if (kind === 'array') this.#path.push(0)
    this.#expecting = kind === 'object' ? 'name' : 'value'
  }

  #close(kind: 'object' | 'array'): void {
    this.#must(this.#kinds.pop() === kind, 'a closing bracket out of place')
    const isAfterName = kind === 'object' && this.#expecting === 'name'
    this.#must(this.#expecting === 'next' || isAfterName || kind === 'array', 'an object that ends early')
    if (kind === 'array') this.#path.pop()
    this.#events.close(this.#path)
    this.#ended()
  }

  #comma(): void {
    this.#must(this.#expecting === 'next' && this.#kinds.length > 0, 'a comma out of place')
    const kind = this.#kinds.at(-1)
    if (kind === 'object') this.#expecting = 'name'
    else {
      this.#path.push(Number(this.#path.pop()) + 1)
      this.#expecting = 'value'
    }
  }

  #addToWord(character: string): void {
    this.#must(this.#expecting === 'value' && this.#word.length < 64, 'something that is no JSON')
    this.#must(/[-+.\w]/.test(character), 'something that is no JSON')
    this.#word += character
  }

  #endWord(): void {
    if (this.#word === '') return
    const word = this.#word
    this.#word = ''
    this.#value(word)
  }

  #value(value: string | undefined): void {
    this.#must(this.#expecting === 'value', 'a value out of place')
    this.#events.value(this.#path, value)
    this.#ended()
  }

  /** A value is over: an object's member leaves the path with it, and after a document may come another. */
  #ended(): void {
    const kind = this.#kinds.at(-1)
    if (kind === 'object') this.#path.pop()
    this.#expecting = kind === undefined ? 'value' : 'next'
  }

  #must(isSo: boolean, otherwise: string): void {
    if (!isSo) throw new UnreadableIndex(`expected JSON, found ${otherwise}`)
  }
}

/** What a string says; one whose escapes make no sense is no string that anybody looks for. */
function unescaped(raw: string): string | undefined {
  if (!raw.includes('\\')) return raw
  try {
    const value: unknown = JSON.parse(`"${raw}"`)
    return typeof value === 'string' ? value : undefined
  } catch {
    return undefined
  }
}
