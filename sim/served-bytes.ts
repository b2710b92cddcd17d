/** How machines that are not our nodes serve bytes from memory. */
import { bodyOf, type Answer } from '../core/answer.ts'
import { fieldValue, type Fields } from '../core/fields.ts'
import { contentRange, parseRange, type ByteSpan } from '../core/ranges.ts'
import type { FileRequest } from '../peering/file-server.ts'
import { RESOURCE_FIELD } from '../peering/peer-answer.ts'

/** The whole, or the one range that was asked for. */
export function served(request: FileRequest, bytes: Uint8Array): Answer {
  const span = spanOf(request, bytes)
  const confirmed = confirming(request)
  if (span === undefined)
    return { status: 200, fields: [...sized(bytes.length), ...confirmed], body: bodyOf(bytes) }
  return {
    status: 206,
    fields: [
      ...sized(span.end - span.start),
      ...confirmed,
      ['Content-Range', contentRange(span, bytes.length)],
    ],
    body: bodyOf(bytes.subarray(span.start, span.end)),
  }
}

/** The bytes that `served` answers with. */
export function wanted(request: FileRequest, bytes: Uint8Array): Uint8Array {
  const span = spanOf(request, bytes)
  return span ? bytes.subarray(span.start, span.end) : bytes
}

/** There is no such thing here. */
export const NOT_FOUND: Answer = { status: 404, fields: [['Content-Length', '0']] }

function spanOf({ fields }: FileRequest, bytes: Uint8Array): ByteSpan | undefined {
  return parseRange(fieldValue(fields, 'range') ?? '', bytes.length)?.[0]
}

/** That it is what was asked for, true or not. */
function confirming({ fields }: FileRequest): Fields {
  const resource = fieldValue(fields, RESOURCE_FIELD)
  return resource === undefined ? [] : [[RESOURCE_FIELD, resource]]
}

function sized(bytes: number) {
  return [['Content-Length', String(bytes)] as const]
}
