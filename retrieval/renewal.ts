/** Stored responses brought up to date by what the origin server says without sending them again (RFC 9111 3.2). */
import type { EpochMs } from '../core/clock.ts'
import { withoutFields, type Fields } from '../core/fields.ts'
import type { ResponseHead, Store, StoredResponse } from '../core/store.ts'
import { dated } from '../cache/semantics/http-date.ts'
import { wantsNoneStored } from '../cache/semantics/storable.ts'
import { freshened, headConfirms } from '../cache/semantics/validation.ts'
import { isSameSelection, matches } from '../cache/semantics/vary.ts'
import { admit } from './admission.ts'
import type { RetrievalRequest } from './request.ts'

/** A 304, or a 200 to HEAD. */
export interface Update {
  readonly fields: Fields
  readonly requestTime: EpochMs
  readonly responseTime: EpochMs
}

export interface Renewed {
  /** For whoever the update was sent to. */
  readonly response: StoredResponse
  /** For everybody else: without what is that one's alone. */
  readonly forOthers: StoredResponse
  /** An update may also take back the permission to store, or vary by something else (RFC 9111 4.1, 4.3.4). */
  readonly mayStay: boolean
}

/** Updates `known`, which is stored, unless that forbids to store it. What may not stay is the caller's to remove, once it has been delivered. */
export function renew(
  store: Store,
  known: StoredResponse,
  { fields: news, ...times }: Update,
  request: RetrievalRequest,
): Renewed {
  const fields = dated(freshened(standing(known), news), times.responseTime)
  const isOnlyForOne = wantsNoneStored(request.fields)
  const asked = isOnlyForOne ? withoutFields(request.fields, ['cache-control', 'pragma']) : request.fields
  const admission = admit({ ...request, fields: asked }, { status: known.status, fields, ...times })
  // Nobody else is given what is not to be stored, not even until it is removed.
  if (admission.kind !== 'admitted' || isOnlyForOne) {
    const response = { ...known, fields, ...times, shareable: false }
    return { response, forOthers: response, mayStay: admission.kind === 'admitted' }
  }
  const shareable = known.shareable && admission.isShareable
  const forOthers = store.freshen(known, { fields: admission.fields, ...times, shareable })
  const mayStay = isSameSelection(admission.selecting, known.selecting)
  return { response: { ...forOthers, fields }, forOthers, mayStay }
}

/** What a peer has said of a file, and of how long it is fresh, counts no more when the origin server has spoken. */
function standing({ fields, source }: StoredResponse): Fields {
  return source === 'peer' ? fields.filter(([name]) => name.toLowerCase() === 'content-type') : fields
}

/**
 * A 200 to HEAD updates the stored responses that a GET would have been answered with, or shows that they are outdated
 * (RFC 9111 4.3.5), also those of which only a part is here. What peers said of their copies is no measure, and a file that never changes cannot be outdated.
 */
export function heedHead(store: Store, update: Update, request: RetrievalRequest): void {
  const { uri, fields, policy } = request
  const couldAnswer = ({ selecting, source, status }: ResponseHead) =>
    matches(selecting, fields) && source === 'internet' && status === 200 && !policy.immutable
  const known = store.lookup(uri).filter(couldAnswer)
  const inPart = store.partials(uri).filter(couldAnswer)
  if ([...known, ...inPart].some((each) => !headConfirms(update.fields, each))) return void store.remove(uri)
  for (const each of known) renew(store, each, update, request)
}
