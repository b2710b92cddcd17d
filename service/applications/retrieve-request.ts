/** What an application asks for, checked and made into a request of this node. */
import { contentName } from '../../core/content-name.ts'
import type { Sha256 } from '../../core/digest.ts'
import { Fault } from '../../core/fault.ts'
import { endToEndFields, hasField, SELECTING_A_PART, type FieldLine, type Fields } from '../../core/fields.ts'
import { parseTargetUri, type TargetUri } from '../../core/target-uri.ts'
import { viaLine } from '../../proxy/via.ts'
import { namedContent, sha256From } from './content-uri.ts'
import { ORIGINS, type Origins, type RetrieveQuestion } from './retrieval-words.ts'

/** What is asked for: whatever a server sends for a URL, or content of which the digest is known. */
export type Wanted = WantedUrl | WantedContent

interface Terms {
  /** The URL, or the name of the content. */
  readonly uri: TargetUri
  readonly from: Origins
  /** The application's own fields. */
  readonly fields: Fields
}

export interface WantedUrl extends Terms {
  readonly kind: 'url'
  /** The URL as it was written. */
  readonly target: string
}

export interface WantedContent extends Terms {
  readonly kind: 'content'
  readonly sha256: Sha256
  /** URLs that may have it. */
  readonly places: readonly string[]
  readonly share: boolean
}

/** Fields that this node writes itself, or that would make the file another one. */
const NOT_THEIRS = [
  ...SELECTING_A_PART,
  'host',
  'content-length',
  'transfer-encoding',
  'connection',
  'via',
  'te',
]

const MAX_FIELDS = 64
const TOKEN = /^[!#$%&'*+.^_`|~\w-]{1,100}$/
const VALUE = /^[\t -~\u0080-\u00ff]{0,4000}$/
const MAX_URI = 8000

/** @throws Fault BAD_REQUEST saying what was expected. */
export function wantedFrom(question: unknown): Wanted {
  const asked = (question ?? {}) as Partial<Record<keyof RetrieveQuestion, unknown>>
  const terms = { from: originsFrom(asked.from), fields: fieldsFrom(asked.fields) }
  const { uri: written, share = true } = asked
  if (typeof written !== 'string' || written.length > MAX_URI)
    throw new Fault('BAD_REQUEST', 'expected { "uri": a URL or any other URI }')
  if (typeof share !== 'boolean') throw new Fault('BAD_REQUEST', 'share: expected true or false')
  const named = namedContent(written)
  const sha256 = agreed(sha256From(asked.digest), named?.sha256)
  const isUrl = /^https?:/i.test(written)
  const url = isUrl ? parseTargetUri(written) : undefined
  if (isUrl && url === undefined) throw new Fault('BAD_REQUEST', 'uri: expected a URL without userinfo')
  if (sha256 !== undefined) {
    const places = url === undefined ? (named?.places ?? []) : [written]
    return { kind: 'content', uri: contentName(sha256), sha256, places, share, ...terms }
  }
  if (url === undefined)
    throw new Fault('BAD_REQUEST', 'expected an http or https URL, or a digest: a mere name proves nothing')
  if (terms.from === 'lan')
    throw new Fault('BAD_REQUEST', 'from: expected a digest with "lan", because peers are not believed')
  return { kind: 'url', uri: url, target: written, ...terms }
}

function agreed(given: Sha256 | undefined, named: Sha256 | undefined): Sha256 | undefined {
  if (given === undefined || named === undefined || given === named) return given ?? named
  throw new Fault('BAD_REQUEST', 'digest: expected that of the name')
}

function originsFrom(from: unknown = 'anywhere'): Origins {
  const known = ORIGINS.find((each) => each === from)
  if (known !== undefined) return known
  throw new Fault('BAD_REQUEST', `from: expected ${ORIGINS.join(', ')}`)
}

function fieldsFrom(fields: unknown = []): Fields {
  if (!Array.isArray(fields) || fields.length > MAX_FIELDS)
    throw new Fault('BAD_REQUEST', `fields: expected at most ${MAX_FIELDS} pairs of name and value`)
  return fields.map((line: unknown) => {
    if (isFieldLine(line)) return line
    throw new Fault(
      'BAD_REQUEST',
      'fields: expected pairs of a name and a value, of those that say who asks or how',
    )
  })
}

function isFieldLine(line: unknown): line is FieldLine {
  if (!Array.isArray(line) || line.length !== 2) return false
  const [name, value] = line as readonly unknown[]
  const isWritten =
    typeof name === 'string' && TOKEN.test(name) && typeof value === 'string' && VALUE.test(value)
  return isWritten && !NOT_THEIRS.includes(name.toLowerCase())
}

/** The fields as an application of its own would have sent them. */
export function receivedFields({ fields, from }: Terms, agent: string): Fields {
  const usual: FieldLine[] = [
    ['Accept', '*/*'],
    // The file itself: digests are of that.
    ['Accept-Encoding', 'identity'],
    ['User-Agent', agent],
  ]
  const only: FieldLine[] = from === 'anywhere' ? [] : [['Cache-Control', 'only-if-cached']]
  return [...usual.filter(([name]) => !hasField(fields, name)), ...fields, ...only]
}

/** What of them goes to the origin server. */
export function forwardedFields(received: Fields, pseudonym: string): Fields {
  return [...endToEndFields(received), viaLine('1.1', pseudonym)]
}
