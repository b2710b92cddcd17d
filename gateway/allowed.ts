/**
 * Which URLs a gateway gets for others (R10.4): those of updates, as its own rules name them, and nothing that could be
 * anybody's own. The machine that asks judges by its own rules too, before it tells anybody what it wants.
 */
import { withoutFields, type Fields } from '../core/fields.ts'
import type { Policy } from '../core/policy.ts'
import { parseTargetUri, type TargetUri } from '../core/target-uri.ts'
import { mayNameToLan } from '../cache/semantics/sharing-gate.ts'
import { MAX_TARGET_CHARACTERS, type Refusal } from './wire.ts'

export type Permission =
  | { readonly kind: 'allowed'; readonly uri: TargetUri; readonly url: URL }
  | {
      readonly kind: 'refused'
      readonly reason: Extract<Refusal, 'no-url' | 'https' | 'not-shared' | 'credentials'>
      readonly detail: string
    }

/** @param target as the application wrote it. @param fields of the application's request. */
export function permission(
  target: string,
  fields: Fields,
  policyFor: (uri: TargetUri) => Policy,
): Permission {
  const uri = target.length > MAX_TARGET_CHARACTERS ? undefined : parseTargetUri(target)
  if (uri === undefined) return refused('no-url', 'it is too long, has userinfo, or is none')
  const url = new URL(uri)
  if (url.protocol !== 'http:') return refused('https', 'https is between a program and its server')
  const policy = policyFor(uri)
  if (!(policy.gateway ?? policy.share))
    return refused('not-shared', `the rule "${policy.rule}" does not share it`)
  // Whether it may be stored is another question than whether it is anybody's own.
  const telling = withoutFields(fields, ['cache-control', 'pragma'])
  const gate = mayNameToLan({ method: 'GET', uri: target, fields: telling }, { share: true }, false)
  return gate.kind === 'share' ? { kind: 'allowed', uri, url } : refused('credentials', gate.reason)
}

function refused(reason: Extract<Permission, { kind: 'refused' }>['reason'], detail: string): Permission {
  return { kind: 'refused', reason, detail }
}
