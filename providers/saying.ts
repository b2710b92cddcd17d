/** What a node says of functions: puts words into packets, and keeps answers as short as their questions (V§4). */
import type { Address } from '../core/transport.ts'
import type { Extras } from '../peering/packets.ts'
import type { News } from './news.ts'
import { writeWord, type FunctionWord } from './words.ts'

/** Sends an application packet, to everybody or to one. */
export type Say = (name: string, extras: Extras, to?: Address) => void

type Response = Extract<FunctionWord, { readonly kind: 'response' }>

export class Saying {
  readonly #say: Say
  readonly #news: News

  constructor(say: Say, news: News) {
    this.#say = say
    this.#news = news
  }

  /** To everybody. */
  broadcast(word: FunctionWord): void {
    this.#news.count(`said: ${word.kind}`)
    this.#say(...writeWord(word))
  }

  /** Leaves the pass out where there is no room for it. @param maxBytes of the datagram. */
  answer(response: Response, to: Address, maxBytes: number): void {
    const words = [writeWord(response), writeWord({ ...response, pass: undefined })]
    const said = words.find((each) => lengthOf(each) <= maxBytes)
    this.#news.count(said === undefined ? 'not answered: the question was too short' : 'said: response')
    if (said !== undefined) this.#say(...said, to)
  }
}

/** `<service type="" version="1.0" ID="4294967295" node="…"/>` and the signature behind it. */
const AROUND_BYTES = 270

/** Bytes of a datagram, at most. */
function lengthOf([name, extras]: ReturnType<typeof writeWord>): number {
  const attributes = extras.map(([key, value]) => key.length + value.length + ' =""'.length)
  return attributes.reduce((sum, each) => sum + each, AROUND_BYTES + name.length)
}
