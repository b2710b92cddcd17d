/** What an application asks for, checked and made into a request of this node. */
import { Fault } from '../../core/fault.ts'
import { endToEndFields, hasField, type FieldLine, type Fields } from '../../core/fields.ts'
import { parseTargetUri, type TargetUri } from '../../core/target-uri.ts'
import { viaLine } from '../../proxy/via.ts'
import { SELECTING_A_PART } from '../../retrieval/origin-source.ts'
import { ORIGINS, type Origins, type RetrieveQuestion } from './retrieval-words.ts'

/** A URL that is asked for. */
export interface Wanted {
  readonly uri: TargetUri
  /** The same as it was written. */
  readonly target: string
  readonly from: Origins
  /** The application's own fields. */
  readonly fields: Fields
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

/** @throws Fault BAD_REQUEST saying what was expected. */
export function wantedFrom(question: unknown): Wanted {
  const asked = (question ?? {}) as Partial<Record<keyof RetrieveQuestion, unknown>>
  const { uri: target, from = 'anywhere', fields = [] } = asked
  const uri = typeof target === 'string' ? parseTargetUri(target) : undefined
  if (typeof target !== 'string' || uri === undefined)
    throw new Fault('BAD_REQUEST', 'expected { "uri": an http or https URL without userinfo }')
  return { uri, target, from: originsFrom(from), fields: fieldsFrom(fields) }
}

function originsFrom(from: unknown): Origins {
  const known = ORIGINS.find((each) => each === from)
  if (known !== undefined) return known
  throw new Fault('BAD_REQUEST', `from: expected ${ORIGINS.join(', ')}`)
}

function fieldsFrom(fields: unknown): Fields {
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
export function receivedFields({ fields, from }: Wanted, agent: string): Fields {
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
