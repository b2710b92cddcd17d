/** What `ihave site` asks for, in the running node or without one. */
import { hostname } from 'node:os'
import { Fault } from '../core/fault.ts'
import type { AuthorityRecord, RevokedMember } from '../site/authority.ts'
import type { Site, SiteStatus } from '../site/site.ts'

/** One thing that is asked of a site. */
export type SiteQuestion =
  | {
      readonly do: 'init'
      readonly site: string
      readonly name?: string
      readonly hours: number
      readonly uses: number
    }
  | { readonly do: 'invite'; readonly hours: number; readonly uses: number }
  | { readonly do: 'join'; readonly token: string; readonly name?: string }
  | { readonly do: 'leave'; readonly yes?: boolean }
  | { readonly do: 'revoke'; readonly member: string; readonly yes?: boolean }
  | { readonly do: 'status' }
  | { readonly do: 'backup' }
  | { readonly do: 'restore'; readonly record: AuthorityRecord; readonly name?: string }

export interface SiteAnswer {
  readonly token?: string
  readonly revoked?: RevokedMember
  readonly record?: AuthorityRecord
  /** `null`: the machine belongs to no site. */
  readonly status: SiteStatus | null
}

const HOUR_MS = 3_600_000

/** @throws Fault of the site, BAD_REQUEST for a question that is none. */
export async function askSite(site: Site, question: SiteQuestion): Promise<SiteAnswer> {
  const done = await doIt(site, question)
  return { ...done, status: site.status() ?? null }
}

/** The same for the control API. */
export function siteOperations(site: Site): (question: unknown) => AsyncIterable<SiteAnswer> {
  return async function* (question) {
    yield await askSite(site, question as SiteQuestion)
  }
}

async function doIt(site: Site, question: SiteQuestion): Promise<Omit<SiteAnswer, 'status'>> {
  switch (question?.do) {
    case 'init':
      return {
        token: await site.init(
          question.site,
          nameFrom(question),
          hoursFrom(question) * HOUR_MS,
          usesFrom(question),
        ),
      }
    case 'invite':
      return { token: await site.invite(hoursFrom(question) * HOUR_MS, usesFrom(question)) }
    case 'join':
      await site.join(question.token, nameFrom(question))
      return {}
    case 'leave':
      await site.leave(question.yes === true)
      return {}
    case 'revoke':
      return { revoked: await site.revoke(question.member, question.yes === true) }
    case 'status':
      return {}
    case 'backup':
      return { record: site.backup() }
    case 'restore':
      await site.restore(question.record, nameFrom(question))
      return {}
    case undefined:
      throw new Fault('BAD_REQUEST', 'expected { "do": what is to be done with the site }')
  }
}

/** The machine's own name, as far as a pass can hold it. */
function nameFrom({ name }: { readonly name?: string }): string {
  const own = hostname()
    .split('.')[0]
    ?.replaceAll(/[^\w.-]/g, '')
    .slice(0, 24)
  return name ?? (own === undefined || own === '' ? 'machine' : own)
}

function hoursFrom({ hours }: { readonly hours: number }): number {
  if (hours > 0 && hours <= 24 * 30) return hours
  throw new Fault('BAD_REQUEST', `expected --hours as a number from 1 to ${24 * 30}${got(hours)}`)
}

function usesFrom({ uses }: { readonly uses: number }): number {
  if (Number.isInteger(uses) && uses >= 1 && uses <= 1000) return uses
  throw new Fault('BAD_REQUEST', `expected --uses as a whole number from 1 to 1000${got(uses)}`)
}

/** What is no number has become NaN, or `null` on its way to the node: that is nothing that anybody has written. */
function got(value: number): string {
  return Number.isFinite(value) ? `, got ${value}` : ''
}
