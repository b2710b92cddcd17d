/** `ihave site …`: makes a site of the machines of a LAN, lets machines in, throws them out. */
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { parseArgs } from '../core/node-util.ts'
import { systemClock } from '../core/clock.ts'
import { errorCode, isMissing } from '../core/error-code.ts'
import { describe, Fault } from '../core/fault.ts'
import { systemRandom } from '../core/random.ts'
import { noTransport } from '../core/transport.ts'
import type { Config } from '../service/config.ts'
import { ask, controlPath, OPERATIONS, whoListens } from '../service/control.ts'
import { askSite, type SiteAnswer, type SiteQuestion } from '../service/site-operations.ts'
import type { AuthorityRecord } from '../site/authority.ts'
import { parseRecord, siteFiles } from '../site/site-files.ts'
import { Site } from '../site/site.ts'
import { JSON_OPTION, type Command, type Options } from './command.ts'
import { CONFIG_OPTION, configFrom } from './config-option.ts'
import { EXIT } from './exit.ts'

const COMMON = { ...CONFIG_OPTION, ...JSON_OPTION } as const satisfies Options
const NAME = {
  name: {
    type: 'string',
    value: 'NAME',
    meaning: 'what the site calls this machine; its host name unless given',
  },
} as const satisfies Options
const TOKEN = {
  hours: { type: 'string', value: 'N', meaning: 'how long the token lets machines in; 24 unless given' },
  uses: { type: 'string', value: 'N', meaning: 'how many machines it lets in; 1 unless given' },
} as const satisfies Options

const YES = {
  yes: { type: 'boolean', meaning: 'even if the site loses its authority by it' },
} as const satisfies Options

export const siteInit = siteCommand({
  operands: 'SITE',
  about: 'makes a site and its authority on this machine, prints a token',
  options: { ...COMMON, ...NAME, ...TOKEN },
  question: (operand, values) => ({ do: 'init', site: operand, ...named(values), ...forToken(values) }),
  text: tokenText,
})

export const siteInvite = siteCommand({
  about: 'prints another token; where "ihave site init" was run',
  options: { ...COMMON, ...TOKEN },
  question: (_, values) => ({ do: 'invite', ...forToken(values) }),
  text: tokenText,
})

export const siteJoin = siteCommand({
  operands: 'TOKEN',
  about: 'makes this machine a member; its node must be running',
  options: { ...COMMON, ...NAME },
  question: (operand, values) => ({ do: 'join', token: operand, ...named(values) }),
  text: ({ status }) => `joined the site "${status?.name}" as ${status?.memberName}\n`,
})

export const siteLeave = siteCommand({
  about: 'forgets the site, with all its keys on this machine',
  details:
    'Others believe this machine until its pass runs out, or "ihave site revoke" is run where the authority is.\n' +
    'To join again it needs a token that lets somebody in ("ihave site invite"). Where the authority is, it wants --yes.',
  options: { ...COMMON, ...YES },
  question: (_, { yes }) => ({ do: 'leave', yes: yes === true }),
  text: () => 'left the site\n',
})

export const siteRevoke = siteCommand({
  operands: 'MEMBER',
  about: 'throws a member out, by its name or the beginning of its ID',
  details:
    'One that "ihave site status" does not list is called by all of its ID.\n' +
    'Tokens that are open then let nobody in any more: it may have kept the one that it came by.',
  options: { ...COMMON, ...YES },
  question: (operand, { yes }) => ({ do: 'revoke', member: operand, yes: yes === true }),
  text: ({ revoked }) =>
    `revoked ${revoked?.name} (${revoked?.id}); the others are told as they are heard\n` +
    ((revoked?.voided ?? 0) > 0
      ? 'the open invitations are void as well; make a new one with "ihave site invite" for machines that are still to join\n'
      : ''),
})

export const siteStatus = siteCommand({
  about: 'which site this machine belongs to, and who else',
  options: COMMON,
  question: () => ({ do: 'status' }),
  text: statusText,
})

export const siteBackup = siteCommand({
  operands: 'FILE',
  about: 'writes the authority to a file, for a safe place',
  details:
    'Whoever has the file can let machines in and throw members out. Keep it off the network.\n' +
    'What happens later is not in it: make another after each join and each revocation.',
  options: COMMON,
  question: () => ({ do: 'backup' }),
  after: ({ record }, file) => writeNew(file, `${JSON.stringify(record, undefined, 2)}\n`),
  text: ({ status }) =>
    `written, as the site is now (${new Date().toISOString()}, members: ${status?.members.length}); keep it where no network reaches\n` +
    'with each machine that joins or is revoked it goes out of date: make another then\n',
})

export const siteRestore = siteCommand({
  operands: 'FILE',
  about: 'takes on the authority from a backup',
  options: { ...COMMON, ...NAME },
  question: (operand, values) => ({ do: 'restore', record: recordFrom(operand), ...named(values) }),
  details:
    'Only where the old authority is gone for good: two that live would give out deny lists of the same number.\n' +
    'Tokens from before the backup let nobody in any more; "ihave site invite" makes a new one.',
  text: ({ status }) =>
    `this machine has the authority of the site "${status?.name}" now\n` +
    'tokens from before let nobody in any more: "ihave site invite" makes a new one\n' +
    'the machine that had the authority must not use it again: there may be only one\n' +
    'members admitted after the backup are listed by "ihave site status" when they have been heard, within a minute or so\n',
})

/**
 * Never over another backup: that may be the only one.
 * @throws Fault BAD_REQUEST when there is such a file, or no place for one; STORE_FAILED when the disk does not take it.
 */
function writeNew(file: string, text: string): void {
  try {
    writeFileSync(file, text, { mode: 0o600, flag: 'wx' })
  } catch (cause) {
    const why = PLAIN_REASONS[errorCode(cause)]?.(file)
    if (why !== undefined) throw new Fault('BAD_REQUEST', why, { cause })
    throw new Fault('STORE_FAILED', `${file} cannot be written: ${describe(cause)}`, { cause })
  }
}

/** What an operating system says in codes. */
const PLAIN_REASONS: Readonly<Record<string, (file: string) => string>> = {
  EEXIST: (file) => `${file} is there already: expected the name of a new file`,
  ENOENT: (file) => `${dirname(resolve(file))} does not exist: expected a file in a folder that does`,
  ENOTDIR: (file) => `${dirname(resolve(file))} is no folder: expected a file in a folder`,
  EACCES: (file) => `${file} cannot be written: this user may not write there`,
}

type Values = Readonly<Record<string, string | boolean | undefined>>

interface SiteCommand {
  readonly operands?: string
  readonly about: string
  readonly details?: string
  readonly options: Options
  readonly question: (operand: string, values: Values) => SiteQuestion
  readonly after?: (answer: SiteAnswer, operand: string) => void
  readonly text: (answer: SiteAnswer) => string
}

function siteCommand({ question, text, after, ...command }: SiteCommand): Command {
  const { operands, options } = command
  return {
    ...command,
    async run(args) {
      const parsed = parseArgs({ args: [...args], options, allowPositionals: true })
      const values: Values = parsed.values
      const { positionals } = parsed
      if (positionals.length !== (operands === undefined ? 0 : 1))
        throw new Fault('BAD_REQUEST', `expected ${operands ?? 'no operand'}`)
      const [operand = ''] = positionals
      const config = configFrom(typeof values['config'] === 'string' ? values['config'] : undefined)
      const answer = await withSite(config, question(operand, values))
      after?.(answer, operand)
      const { record: _, ...shown } = answer
      process.stdout.write(
        values['json'] === true ? `${JSON.stringify(shown, undefined, 2)}\n` : text(answer),
      )
      return EXIT.done
    },
  }
}

/** Asks the running node; where none runs, the files alone, which is enough for all but joining. */
async function withSite(config: Config, question: SiteQuestion): Promise<SiteAnswer> {
  const socket = controlPath(config)
  const who = await whoListens(socket)
  if (who === 'somebody') {
    for await (const answer of ask(socket, OPERATIONS.site, question)) return answer as SiteAnswer
    throw new Fault('NODE_UNREACHABLE', `the node at ${socket} gave no answer`)
  }
  if (who !== 'nobody') throw new Fault('STORE_FAILED', `cannot reach ${socket}: ${who.error}`)
  if (question.do === 'join')
    throw new Fault('NODE_UNREACHABLE', 'no node is running: "ihave start", then join')
  const site = new Site(
    { ...config.site, address: () => noTransport.address },
    { clock: systemClock, random: systemRandom, files: siteFiles(config.site.directory), log: () => {} },
  )
  await site.load()
  return askSite(site, question)
}

function named({ name }: Values): { readonly name?: string } {
  return typeof name === 'string' ? { name } : {}
}

/** @throws Fault BAD_REQUEST for what is no number: it is told as it was written. */
function numberFrom(option: string, text: string): number {
  if (text.trim() !== '' && Number.isFinite(Number(text))) return Number(text)
  throw new Fault('BAD_REQUEST', `expected a number for --${option}, got "${text}"`)
}

function forToken({ hours = '24', uses = '1' }: Values): { readonly hours: number; readonly uses: number } {
  return { hours: numberFrom('hours', String(hours)), uses: numberFrom('uses', String(uses)) }
}

/** @throws Fault BAD_REQUEST for a file that is not there, or cannot be read; CONFIG_INVALID for one that is no backup. */
function recordFrom(file: string): AuthorityRecord {
  return parseRecord(textOf(file), BACKUP_PARTS, {
    file,
    expected: 'the record of a site, as "ihave site backup" writes it',
  }) as AuthorityRecord
}

const BACKUP_PARTS = ['name', 'key', 'until', 'secret', 'members', 'tokens']

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    const isAbsent = isMissing(cause)
    const why = isAbsent ? 'there is no such file' : `it cannot be read: ${describe(cause)}`
    throw new Fault('BAD_REQUEST', `${file}: ${why}`, { cause })
  }
}

function tokenText({ token, status }: SiteAnswer): string {
  return `On each machine of the site "${status?.name}", while this one runs:\n\n  ihave site join ${token}\n`
}

export function statusText({ status }: SiteAnswer): string {
  if (status === null) return 'this machine belongs to no site\n'
  const until = new Date(status.passUntil).toISOString().slice(0, 10)
  const lines = [
    `site       ${status.name} (${status.site})`,
    `member     ${status.memberName} (${status.member}), pass until ${until}${status.isRevoked ? ', REVOKED' : ''}`,
    `deny list  number ${status.denyList}, ${status.denied} members; secret ${status.epoch}`,
    status.isAuthority
      ? 'authority  here; members that were let in:'
      : 'members    heard since the node started; the machine that has the authority lists all:',
    ...status.members.map(
      ({ id, name, isRevoked, isLearnt, until: end }) =>
        `  ${name} (${id.slice(0, 12)}) until ${new Date(end).toISOString().slice(0, 10)}${isLearnt === true ? ', admitted after the backup' : ''}${isRevoked ? ', revoked' : ''}`,
    ),
    ...(status.invitations ?? []).map(
      ({ until: end, uses }) =>
        `invitation open until ${new Date(end).toISOString().slice(0, 16).replace('T', ' ')} UTC, for ${uses} more machine${uses === 1 ? '' : 's'}`,
    ),
  ]
  return `${lines.join('\n')}\n`
}
