/** What metadata must look like before anything in it is looked at: whoever answers for the publisher's server may write anything. */
import { isCount, isRecord, isText, listOf, recordOf, withMembers, type Shape } from '../../core/shapes.ts'
import type { Role } from './metadata.ts'

/** More signatures than keys are somebody's trick to keep a reader busy. */
const MAX_SIGNATURES = 64

const isVersion: Shape = (value) => isCount(value) && value !== 0
const isDate: Shape = (value) => typeof value === 'string' && !Number.isNaN(Date.parse(value))

const FILE = { length: isCount, hashes: withMembers({ sha256: isText }) }
const isVersioned = withMembers({ ...FILE, version: isVersion })
const isRole = withMembers({ keyids: listOf(isText), threshold: isVersion })
const COMMON = { spec_version: isText, version: isVersion, expires: isDate }

const SIGNED: Readonly<Record<Role, Shape>> = {
  root: withMembers({
    ...COMMON,
    keys: recordOf(withMembers({ keytype: isText, scheme: isText, keyval: withMembers({ public: isText }) })),
    roles: withMembers({ root: isRole, targets: isRole, snapshot: isRole, timestamp: isRole }),
  }),
  targets: withMembers({ ...COMMON, targets: recordOf(withMembers(FILE)) }),
  snapshot: withMembers({ ...COMMON, meta: withMembers({ 'targets.json': isVersioned }) }),
  timestamp: withMembers({ ...COMMON, meta: withMembers({ 'snapshot.json': isVersioned }) }),
}

const areSignatures = listOf(withMembers({ keyid: isText, sig: isText }), MAX_SIGNATURES)

/** Whether it is metadata of this role, whatever it says. */
export function isMetadata(value: unknown, role: Role): value is object {
  const isSigned: Shape = (signed) => isRecord(signed) && signed['_type'] === role && SIGNED[role](signed)
  return withMembers({ signatures: areSignatures, signed: isSigned })(value)
}
