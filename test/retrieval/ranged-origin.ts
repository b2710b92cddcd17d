/** A file on an origin server that knows ranges, conditions and validators, as a test tells it. */
import { fieldValue, type Fields } from '../../core/fields.ts'
import { parseRange } from '../../core/ranges.ts'
import type { UpstreamRequest } from '../../core/upstream.ts'
import { Flow, type Answering, type Reply } from './upstreams.ts'

export interface RangedFile {
  body: Uint8Array
  /** Validators and whatever else every response has. */
  fields: Fields
  readonly cacheControl?: string
}

/** Bytes of which no two pieces are equal. */
export function distinctBytes(length: number, version = 0): Buffer {
  const bytes = Buffer.alloc(length)
  for (let at = 0; at + 4 <= length; at += 4) bytes.writeUInt32LE((at + version * 0x1000_0001) >>> 0, at)
  return bytes
}

/** The file's answers; `sent` counts the bytes of bodies that were handed over. */
export class RangedOrigin {
  readonly file: RangedFile
  sent = 0
  /** The `Range` of each request. */
  readonly asked: (string | undefined)[] = []

  constructor(file: RangedFile) {
    this.file = file
  }

  readonly answer: Answering = (request) => this.reply(request)

  reply({ fields: asked }: UpstreamRequest): Reply {
    const { body, fields, cacheControl = 'max-age=60' } = this.file
    const described: Fields = [['Cache-Control', cacheControl], ...fields]
    this.asked.push(fieldValue(asked, 'range'))
    const tag = fieldValue(fields, 'etag')
    if (tag !== undefined && fieldValue(asked, 'if-none-match') === tag)
      return { status: 304, fields: described }
    const condition = fieldValue(asked, 'if-range')
    const isSame =
      condition === undefined || condition === tag || condition === fieldValue(fields, 'last-modified')
    const spans = isSame ? parseRange(fieldValue(asked, 'range') ?? '', body.length) : undefined
    if (spans?.length === 0) return { status: 416, fields: [['Content-Range', `bytes */${body.length}`]] }
    const [span = { start: 0, end: body.length }] = spans ?? []
    const part = body.subarray(span.start, span.end)
    const sized: Fields = [...described, ['Content-Length', String(part.length)]]
    if (spans === undefined) return { status: 200, fields: sized, body: this.#flow(part) }
    const range = `bytes ${span.start}-${span.end - 1}/${body.length}`
    return { status: 206, fields: [...sized, ['Content-Range', range]], body: this.#flow(part) }
  }

  #flow(part: Uint8Array): Flow {
    const flow = new Flow()
    for (let at = 0; at < part.length; at += 65_536) flow.push(part.subarray(at, at + 65_536))
    const count = (bytes: number) => void (this.sent += bytes)
    return Object.assign(flow.end(), {
      async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
        for await (const chunk of Flow.prototype[Symbol.asyncIterator].call(flow)) {
          count(chunk.length)
          yield chunk
        }
      },
    })
  }
}
