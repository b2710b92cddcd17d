/**
 * Where a membership rests: `member.json`, and `authority.json` on the machine that has the authority. Readable by their owner
 * alone, replaced as a whole, so that neither a crash nor a full disk leaves half of one.
 */
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { isMissing } from '../core/error-code.ts'
import { describe, Fault } from '../core/fault.ts'
import type { AuthorityRecord } from './authority.ts'
import type { MemberRecord } from './membership.ts'

/** What is known of a site on this machine. */
export interface SiteState {
  readonly member: MemberRecord | undefined
  readonly authority: AuthorityRecord | undefined
}

export interface SiteFiles {
  /** @throws Fault CONFIG_INVALID for a file that is damaged, or that others may read. */
  load(): Promise<SiteState>
  /** What is `undefined` is removed. @throws Fault STORE_FAILED. */
  save(state: SiteState): Promise<void>
}

const MEMBER = 'member.json'
const AUTHORITY = 'authority.json'

export function siteFiles(directory: string): SiteFiles {
  return {
    async load() {
      const member = await read(join(directory, MEMBER), ['name', 'authority', 'key', 'pass', 'secret'])
      const authority = await read(join(directory, AUTHORITY), [
        'name',
        'key',
        'until',
        'secret',
        'members',
        'tokens',
      ])
      return {
        member: member as MemberRecord | undefined,
        authority: authority as AuthorityRecord | undefined,
      }
    },
    async save({ member, authority }) {
      try {
        await mkdir(directory, { recursive: true, mode: 0o700 })
        await write(join(directory, AUTHORITY), authority)
        await write(join(directory, MEMBER), member)
      } catch (cause) {
        throw new Fault(
          'STORE_FAILED',
          `${directory}: the site's files cannot be written: ${describe(cause)}`,
          { cause },
        )
      }
    },
  }
}

/** For simulations and tests. */
export function siteMemory(state: SiteState = { member: undefined, authority: undefined }): SiteFiles {
  let kept = state
  return {
    load: async () => kept,
    save: async (changed) => void (kept = changed),
  }
}

/** Where a record was found, and what would be one there. */
export interface RecordPlace {
  readonly file: string
  readonly expected: string
}

/** The record of a site, with at least these parts. @throws Fault CONFIG_INVALID when the text is none. */
export function parseRecord(text: string, names: readonly string[], { file, expected }: RecordPlace): object {
  try {
    const record: unknown = JSON.parse(text)
    if (typeof record === 'object' && record !== null && names.every((name) => Object.hasOwn(record, name)))
      return record
  } catch {
    // told below, like every other damage
  }
  throw new Fault('CONFIG_INVALID', `${file} is damaged: expected ${expected}`)
}

async function read(file: string, names: readonly string[]): Promise<object | undefined> {
  try {
    const { mode } = await stat(file)
    if (process.platform !== 'win32' && (mode & 0o077) !== 0)
      throw new Fault('CONFIG_INVALID', `${file} holds a key and can be read by others: chmod 600 ${file}`)
    return parseRecord(await readFile(file, 'utf8'), names, {
      file,
      expected: 'the record of a site; restore it from a backup',
    })
  } catch (error) {
    if (isMissing(error)) return undefined
    if (error instanceof Fault) throw error
    throw new Fault('CONFIG_INVALID', `site.directory: ${file} cannot be read: ${describe(error)}`, {
      cause: error,
    })
  }
}

async function write(file: string, record: object | undefined): Promise<void> {
  if (record === undefined) return rm(file, { force: true })
  const draft = `${file}.new`
  const handle = await open(draft, 'w', 0o600)
  try {
    await handle.writeFile(`${JSON.stringify(record, undefined, 2)}\n`)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(draft, file)
}
