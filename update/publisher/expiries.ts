/** When updaters stop believing what is public, and what renews it. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseMetadata, ROLES, type Role } from '../tuf/metadata.ts'
import { DAY_MS } from './root.ts'
import { loadSite, METADATA, type Site } from './site.ts'

/** What expires: TUF's roles, and the certificates of packages and catalogue. */
export type Expiring = Role | 'packages' | 'catalog'

export interface Expiry {
  readonly what: Expiring
  /** Milliseconds since 1970. */
  readonly expiresAt: number
  /** Whole days; negative: since when. */
  readonly daysLeft: number
  readonly state: 'valid' | 'soon' | 'expired'
  /** The command of `ihave publish` that renews it. */
  readonly renewal: 'refresh' | 'rotate --key root' | 'rotate --key packages' | 'rotate --key catalog'
  /** Components that are to be added and released again after it, too: packages keep the signature that they have. */
  readonly components: readonly string[]
}

/** From this many days on it is said to be soon: what is renewed daily, and what somebody has to think of. */
const SOON_DAYS = { online: 3, offline: 30 }

/** Of what is public at `now` (milliseconds since 1970); before the first release that is the root. @throws Fault BAD_REQUEST */
export function expiriesOf(folder: string, now: number): readonly Expiry[] {
  const site = loadSite(folder)
  const roles = ROLES.flatMap((role) => {
    const expiresAt = roleExpiry(folder, role)
    return expiresAt === undefined ? [] : [expiry(role, expiresAt, now)]
  })
  const { catalogueCertificateUntil: until } = site
  const catalog = until === undefined ? [] : [expiry('catalog', until, now)]
  return [...roles, ...packagesExpiry(site, now), ...catalog]
}

function roleExpiry(folder: string, role: Role): number | undefined {
  const path = join(folder, METADATA, `${role}.json`)
  if (!existsSync(path)) return undefined
  return Date.parse(parseMetadata(readFileSync(path), role).signed.expires)
}

function packagesExpiry({ published = {}, packages }: Site, now: number): readonly Expiry[] {
  const known = packages.flatMap(({ component }) => {
    const certificateUntil = published[component]?.certificateUntil
    return certificateUntil === undefined ? [] : [{ component, certificateUntil }]
  })
  if (known.length === 0) return []
  const first = expiry('packages', Math.min(...known.map(({ certificateUntil }) => certificateUntil)), now)
  const due = known.filter((each) => expiry('packages', each.certificateUntil, now).state !== 'valid')
  return [{ ...first, components: due.map(({ component }) => component) }]
}

function expiry(what: Expiring, expiresAt: number, now: number): Expiry {
  const isOnline = what === 'snapshot' || what === 'timestamp'
  const daysLeft = Math.floor((expiresAt - now) / DAY_MS)
  const soonDays = isOnline ? SOON_DAYS.online : SOON_DAYS.offline
  const state = expiresAt <= now ? 'expired' : daysLeft < soonDays ? 'soon' : 'valid'
  return { what, expiresAt, daysLeft, state, renewal: RENEWALS[what], components: [] }
}

const RENEWALS: Readonly<Record<Expiring, Expiry['renewal']>> = {
  root: 'rotate --key root',
  targets: 'rotate --key root',
  snapshot: 'refresh',
  timestamp: 'refresh',
  packages: 'rotate --key packages',
  catalog: 'rotate --key catalog',
}
