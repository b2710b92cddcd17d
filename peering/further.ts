/**
 * Many names in one packet: how `more` is written in questions and their answers (docs/protocol.md, "Many questions at
 * once"), and from such a packet to the single ones that it stands for.
 *
 * The first question, answer or end is where it always was, so nodes of the patents read that one.
 */
import { COUNT, URI, whole, type Syntax } from './attributes.ts'
import type {
  DownloadingPacket,
  EndRequestPacket,
  FurtherDownload,
  FurtherOffer,
  FurtherQuestion,
  LocalAlias,
  RequestId,
  RequestPacket,
  ResponsePacket,
} from './packets.ts'

/** One packet has so many beside its first: their shortest answers are never longer than the question (V§4). */
export const MAX_FURTHER = 10

const ID = whole<RequestId>(0, 2 ** 32 - 1)

/** `BEGINNING ID.REST ID.REST`: every name begins alike, and no two are the same. */
export const FURTHER_QUESTIONS: Syntax<readonly FurtherQuestion[]> = {
  parse(value) {
    const [beginning = '', ...entries] = value.split(' ')
    const questions = entriesOf(entries, (rest) => URI.parse(beginning + rest))
    const list = questions?.map(([id, href]) => ({ id, href }))
    return list && new Set(list.map(({ href }) => href)).size === list.length ? list : undefined
  },
  print(questions) {
    const beginning = sameBeginning(questions.map(({ href }) => href))
    const entries = questions.map(({ id, href }) => `${id}.${href.slice(beginning.length)}`)
    return [beginning, ...entries].join(' ')
  },
}

/** `ID.ALIAS.SIZE`, the size being empty where it is not told. */
export const FURTHER_OFFERS: Syntax<readonly FurtherOffer[]> = {
  parse(value) {
    const offers = entriesOf(value.split(' '), offerIn)
    return offers?.map(([id, offer]) => ({ id, ...offer }))
  },
  print: (offers) => offers.map(({ id, alias, size = '' }) => `${id}.${shortAlias(alias)}.${size}`).join(' '),
}

function offerIn(text: string): Omit<FurtherOffer, 'id'> | undefined {
  const [short = '', sizeText, ...others] = text.split('.')
  if (sizeText === undefined || others.length > 0) return undefined
  const [alias, size] = [longAlias(short), countIn(sizeText)]
  return alias === undefined || size === 'none' ? undefined : { alias, size }
}

/** `ID.RECEIVED.TOTAL.RATE.ALIAS`, of which the last three may be empty. */
export const FURTHER_DOWNLOADS: Syntax<readonly FurtherDownload[]> = {
  parse(value) {
    const downloads = entriesOf(value.split(' '), downloadIn)
    return downloads?.map(([id, download]) => ({ id, ...download }))
  },
  print: (downloads) => downloads.map(downloadText).join(' '),
}

function downloadIn(text: string): Omit<FurtherDownload, 'id'> | undefined {
  const [received = '', total = '', rate = '', short, ...others] = text.split('.')
  const receivedBytes = COUNT.parse(received)
  const [totalBytes, bytesPerSecond] = [countIn(total), countIn(rate)]
  const alias = short === '' ? undefined : longAlias(short ?? '')
  const isPlace = short === '' || alias !== undefined
  if (receivedBytes === undefined || totalBytes === 'none' || bytesPerSecond === 'none') return undefined
  return isPlace && others.length === 0 ? { alias, receivedBytes, totalBytes, bytesPerSecond } : undefined
}

function downloadText(download: FurtherDownload): string {
  const { id, alias, receivedBytes, totalBytes, bytesPerSecond } = download
  const counts = [receivedBytes, totalBytes, bytesPerSecond].map((count) =>
    count === undefined ? '' : COUNT.print(count),
  )
  return [id, ...counts, alias === undefined ? '' : shortAlias(alias)].join('.')
}

/** The numbers of questions that are over. */
export const FURTHER_ENDS: Syntax<readonly RequestId[]> = {
  parse: (value) => entriesOf(value.split(' '), () => true)?.map(([id]) => id),
  print: (ids) => ids.join(' '),
}

/** What stands behind each number, when all of it can be read, no number comes twice, and there are not too many. */
function entriesOf<V>(
  entries: readonly string[],
  read: (text: string) => V | undefined,
): [RequestId, V][] | undefined {
  if (entries.length > MAX_FURTHER) return undefined
  const found = new Map<RequestId, V>()
  for (const entry of entries) {
    const [digits = ''] = entry.split('.', 1)
    const id = ID.parse(digits)
    const value = read(entry.slice(digits.length + 1))
    if (id === undefined || value === undefined) return undefined
    found.set(id, value)
  }
  return found.size > 0 && found.size === entries.length ? [...found] : undefined
}

function countIn(text: string): number | undefined | 'none' {
  return text === '' ? undefined : (COUNT.parse(text) ?? 'none')
}

function sameBeginning(names: readonly string[]): string {
  const [first = ''] = names
  const differs = (at: number) => names.some((name) => name[at] !== first[at])
  let length = 0
  while (length < first.length && !differs(length)) length++
  return first.slice(0, length)
}

/** 32 bytes in 43 characters in the place of 64. */
function shortAlias(alias: LocalAlias): string {
  return Buffer.from(alias, 'hex').toString('base64url')
}

/** `undefined` for what is no alias, or is one in another spelling. */
function longAlias(short: string): LocalAlias | undefined {
  if (!/^[\w-]{43}$/.test(short)) return undefined
  const alias = Buffer.from(short, 'base64url').toString('hex') as LocalAlias
  return shortAlias(alias) === short ? alias : undefined
}

/** Each question of a packet by itself. */
export function questionsIn(packet: RequestPacket): readonly RequestPacket[] {
  if (packet.more.length === 0) return [packet]
  const first = { ...packet, more: [] }
  return [first, ...packet.more.map(({ id, href }) => ({ ...first, id, href }))]
}

/** Each "I found" of a packet by itself. */
export function endsIn(packet: EndRequestPacket): readonly EndRequestPacket[] {
  if (packet.more.length === 0) return [packet]
  const first = { ...packet, more: [] }
  return [first, ...packet.more.map((id) => ({ ...first, id, href: undefined }))]
}

/** Each "I have" of a packet by itself; all copies are on the same port. */
export function offersIn(packet: ResponsePacket): readonly ResponsePacket[] {
  if (packet.more.length === 0) return [packet]
  const untold = { digest: undefined, etag: undefined, lastModified: undefined, ageSeconds: undefined }
  const first = { ...packet, more: [] }
  const further = { ...first, ...untold, version: undefined }
  return [
    first,
    ...packet.more.map(({ id, alias, size }) => ({
      ...further,
      id,
      size,
      location: besides(packet.location, alias),
    })),
  ]
}

/**
 * Each "I am downloading" of a packet by itself. @param resourceOf what was asked by this number; whose question is not open
 * any more is left out.
 */
export function downloadsIn(
  packet: DownloadingPacket,
  resourceOf: (id: RequestId) => string | undefined,
): readonly DownloadingPacket[] {
  if (packet.more.length === 0) return [packet]
  const first = { ...packet, more: [] }
  const further = packet.more.flatMap(({ id, alias, ...progress }) => {
    const resource = resourceOf(id)
    const isPlaced = alias !== undefined && packet.location !== undefined
    const location = isPlaced ? besides(packet.location, alias) : undefined
    return resource === undefined ? [] : [{ ...first, ...progress, id, resource, location }]
  })
  return [first, ...further]
}

/** Another alias of the same node. */
function besides(location: string, alias: LocalAlias): string {
  return new URL(`/${alias}`, location).href
}
