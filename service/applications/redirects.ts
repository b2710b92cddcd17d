/** Redirects that an application would follow, and some that nobody should (RFC 9110 15.4). */
import type { Answer } from '../../core/answer.ts'
import { Fault } from '../../core/fault.ts'
import { fieldValue, withoutFields } from '../../core/fields.ts'
import { parseTargetUri } from '../../core/target-uri.ts'
import type { Wanted } from './retrieve-request.ts'

/** As many as browsers follow. */
export const MAX_REDIRECTS = 20

const REDIRECTS = [301, 302, 303, 307, 308]

/** Who somebody is, is told to the server that it was meant for and no other. */
const CREDENTIALS = ['authorization', 'cookie', 'proxy-authorization']

/**
 * What is wanted in place of `wanted`; `undefined` when the answer is no redirect.
 * @throws Fault RESPONSE_INVALID for one that leads nowhere, or from `https:` to where everybody could change the bytes.
 */
export function redirected({ status, fields }: Answer, wanted: Wanted): Wanted | undefined {
  if (!REDIRECTS.includes(status)) return undefined
  const location = fieldValue(fields, 'location') ?? ''
  const target = URL.canParse(location, wanted.uri) ? new URL(location, wanted.uri).href : undefined
  const uri = target === undefined ? undefined : parseTargetUri(target)
  if (target === undefined || uri === undefined)
    throw new Fault(
      'RESPONSE_INVALID',
      `expected a redirect to an http or https URL, got "${location.slice(0, 200)}"`,
    )
  if (wanted.uri.startsWith('https:') && !uri.startsWith('https:'))
    throw new Fault('RESPONSE_INVALID', 'a redirect from https to http is not followed')
  const isElsewhere = new URL(uri).origin !== new URL(wanted.uri).origin
  return {
    ...wanted,
    uri,
    target,
    fields: isElsewhere ? withoutFields(wanted.fields, CREDENTIALS) : wanted.fields,
  }
}
