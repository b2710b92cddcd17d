/** Whose signatures count (R8.2): the files of certificates and revocation lists that the configuration names. */
import { readFileSync, statSync } from 'node:fs'
import type { Clock, Monotonic } from '../core/clock.ts'
import { errorCode } from '../core/error-code.ts'
import { describe, Fault } from '../core/fault.ts'
import type { Policy } from '../core/policy.ts'
import { checkKey } from '../signing/algorithms.ts'
import { readPemCertificates, type Certificate } from '../signing/certificate.ts'
import type { Trust } from '../signing/chain.ts'
import { readRevocationList } from '../signing/revocation.ts'
import type { Signers } from '../verify/signature/signers.ts'

export interface TrustedSignersSettings {
  /** For rules that say where a signature is, and name no signers themselves. */
  readonly signers: readonly string[] | 'none'
  readonly revocations: readonly string[] | 'none'
}

export interface TrustedSignersComponents {
  readonly clock: Clock
  /** A file has changed and cannot be read: what it said before stays in force. */
  readonly onTrouble: (detail: string) => void
}

/** How often it is looked whether a file has changed, in ms: revocation lists do. */
const LOOK_MS = 60_000

const OF_NOBODY =
  'it says where the signature is ("signature"), but neither its "signers" nor "verification.signers" name anybody whose signature counts'

interface Loaded {
  readonly trust: Trust
  /** Of all files, as they were read. */
  readonly stamp: string
  readonly lookedAt: Monotonic
}

export class TrustedSigners implements Signers {
  readonly #settings: TrustedSignersSettings
  readonly #components: TrustedSignersComponents
  readonly #loaded = new Map<string, Loaded>()

  /**
   * @param policies the rules, of which each may name signers of its own
   * @throws Fault CONFIG_INVALID where a file cannot be read or says nothing, or a rule wants signatures of nobody
   */
  constructor(
    settings: TrustedSignersSettings,
    policies: readonly Policy[],
    components: TrustedSignersComponents,
  ) {
    this.#settings = settings
    this.#components = components
    const own = policies.flatMap(({ signers }) => (signers === undefined ? [] : [signers]))
    readLists(listed(settings.revocations))
    for (const paths of [listed(settings.signers), ...own]) if (paths.length > 0) this.#load(paths, '')
    for (const policy of policies) {
      const isVain = policy.signature !== undefined && this.#signersOf(policy).length === 0
      if (isVain) throw new Fault('CONFIG_INVALID', `rule ${policy.rule}: ${OF_NOBODY}`)
    }
  }

  trustFor(policy: Policy): Trust | undefined {
    const paths = this.#signersOf(policy)
    if (paths.length === 0) return undefined
    const loaded = this.#loaded.get(paths.join('\0'))
    const now = this.#components.clock.monotonic()
    if (loaded !== undefined && now - loaded.lookedAt < LOOK_MS) return loaded.trust
    return this.#look(paths, loaded)
  }

  #look(paths: readonly string[], loaded: Loaded | undefined): Trust | undefined {
    try {
      return this.#load(paths, loaded?.stamp ?? '', loaded?.trust)
    } catch (error) {
      this.#components.onTrouble(describe(error))
      const lookedAt = this.#components.clock.monotonic()
      if (loaded !== undefined) this.#loaded.set(paths.join('\0'), { ...loaded, lookedAt })
      return loaded?.trust
    }
  }

  /** Not every program is made by those who are named here: a rule says which are. */
  #signersOf({ signers, signature }: Policy): readonly string[] {
    return signers ?? (signature === undefined ? [] : listed(this.#settings.signers))
  }

  #load(paths: readonly string[], known: string, before?: Trust): Trust {
    const lists = listed(this.#settings.revocations)
    const stamp = [...paths, ...lists].map(stampOf).join(' ')
    const isSame = before !== undefined && stamp === known
    const trust = isSame ? before : readFiles(paths, lists)
    const lookedAt = this.#components.clock.monotonic()
    this.#loaded.set(paths.join('\0'), { trust, stamp, lookedAt })
    return trust
  }
}

function listed(paths: readonly string[] | 'none'): readonly string[] {
  return paths === 'none' ? [] : paths
}

function stampOf(path: string): string {
  const { mtimeMs, size, ino } = statSync(path, { throwIfNoEntry: false }) ?? {}
  return `${mtimeMs} ${size} ${ino}`
}

function readFiles(paths: readonly string[], lists: readonly string[]): Trust {
  const certificates = paths.flatMap((path) =>
    named(path, 'signers', (bytes) => {
      const found = readPemCertificates(bytes.toString('latin1'))
      if (found.length === 0) throw new Error('expected a certificate in PEM, found none')
      for (const each of found) mustCount(each)
      return found
    }),
  )
  return { certificates, revocations: readLists(lists) }
}

function readLists(lists: readonly string[]): Trust['revocations'] {
  return lists.map((path) => named(path, 'revocations', (bytes) => readRevocationList(bytes)))
}

/** A key that is too weak would refuse every file later, one by one. */
function mustCount({ name, key }: Certificate): void {
  try {
    checkKey(key)
  } catch (cause) {
    throw new Error(`the certificate of "${name}": ${describe(cause)}`, { cause })
  }
}

function named<Value>(path: string, what: string, read: (bytes: Buffer) => Value): Value {
  try {
    return read(readFileSync(path))
  } catch (cause) {
    throw new Fault('CONFIG_INVALID', `${what}: ${path}: ${plainly(cause)}`, { cause })
  }
}

/** What the operating system says of a file, in words. */
const WORDS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'this user may not read it',
  EISDIR: 'it is a directory',
  ENOTDIR: 'it is in a file, not in a directory',
}

function plainly(error: unknown): string {
  return WORDS[errorCode(error)] ?? describe(error)
}
