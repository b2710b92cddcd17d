/**
 * Bytes of a representation from the origin server, with the two misfortunes that nobody needs to see: what was left
 * here may be of a version that is no more, and an origin server may answer the question for the rest with nonsense.
 */
import { Fault } from '../core/fault.ts'
import type { ByteSpan } from '../core/ranges.ts'
import type { Ask } from './leading.ts'
import type { Opened, OpenedCopy, OriginCopies } from './origin-copies.ts'
import { rangeField } from './part-source.ts'
import { WHOLE } from './plan.ts'

/** The whole. @throws Fault when the origin server does not answer. */
export function openWhole(origins: OriginCopies, ask: Ask): Promise<Opened> {
  return openSpans(origins, ask, () => [WHOLE])
}

/**
 * Whatever of it `spansOf` says, of which the first missing byte is known to come.
 * @throws Fault when the origin server does not answer.
 */
export async function openSpans(
  origins: OriginCopies,
  ask: Ask,
  spansOf: (opened: OpenedCopy) => readonly ByteSpan[],
): Promise<Opened> {
  const opened = await origins.open(ask)
  const rest = ask.want === 'whole' ? restOf(opened) : undefined
  const joined = await begun(origins, opened, spansOf)
  if (typeof joined === 'object') return joined
  // What was left here of another version has gone: the same question is answered with the version of today.
  const again = joined === 'changed' ? await origins.open(ask) : await origins.alone({ ...ask, rest })
  const renewed = await begun(origins, again, spansOf)
  if (typeof renewed === 'object') return renewed
  return origins.alone({ ...ask, unstorable: 'the origin server does not answer consistently' })
}

/** `Range` for what is missing of a part that nothing can be joined to, where that is one run of bytes. */
function restOf(opened: Opened): string | undefined {
  if (opened.kind === 'direct' || opened.of.isContinuable) return undefined
  const { size } = opened.of.copy
  if (size === undefined || opened.of.flights.length > 0) return undefined
  const [hole, ...others] = opened.of.copy.missing({ start: 0, end: size })
  const isRest = hole !== undefined && others.length === 0 && hole.end - hole.start < size
  return isRest ? rangeField(hole, size) : undefined
}

/** @returns `'refused'` when it cannot be had this way, `'changed'` when the origin server has another version. */
async function begun(
  origins: OriginCopies,
  opened: Opened,
  spansOf: (opened: OpenedCopy) => readonly ByteSpan[],
): Promise<Opened | 'changed' | 'refused'> {
  if (opened.kind === 'direct') return opened
  const { use, of } = opened
  const spans = spansOf(opened)
  if (!use.canHave(spans)) {
    use.leave()
    return 'refused'
  }
  use.want(spans)
  try {
    await use.begun.promise
    return opened
  } catch (error) {
    const code = error instanceof Fault ? error.code : undefined
    // Before the last use leaves: what is left of another version is not kept for the next request.
    if (code === 'RESPONSE_CHANGED') origins.abandon(of)
    use.leave()
    if (code === 'RESPONSE_CHANGED') return 'changed'
    // What it says instead is for this application.
    if (code === 'RESPONSE_INVALID' || code === 'RESPONSE_INCOMPLETE') return 'refused'
    throw error
  }
}
