/** What the commands of `ihave update` have in common, and how their options become settings. */
import { existsSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { Fault } from '../core/fault.ts'
import type { OwnCommand } from '../update/installer/command.ts'
import type { ConfirmSettings } from '../update/installer/confirm.ts'
import type { Options } from './command.ts'

export const INTO_OPTION = {
  into: { type: 'string', value: 'FOLDER', meaning: 'where the product is installed' },
} as const satisfies Options

export const COMMAND_OPTIONS = {
  'install-command': {
    type: 'string',
    value: 'PROGRAM|JSON',
    meaning:
      'run after the switch, in the new set’s folder, without a shell; a list in JSON gives it arguments',
  },
  'check-command': {
    type: 'string',
    value: 'PROGRAM|JSON',
    meaning: 'likewise: says by its exit code whether the new set works; if not, the old one is put back',
  },
  'time-limit': { type: 'string', value: 'SECONDS', meaning: 'of each command (if nothing is said, 60)' },
  keep: {
    type: 'string',
    value: 'N',
    meaning: 'former sets that stay for going back (if nothing is said, 2)',
  },
} as const satisfies Options

/** @throws Fault BAD_REQUEST */
export function intoFrom(value: string | undefined): string {
  if (value === undefined || value === '') throw new Fault('BAD_REQUEST', 'expected --into FOLDER')
  return resolve(value)
}

/** A folder in which something was installed. @throws Fault BAD_REQUEST, NOT_FOUND */
export function installedIn(value: string | undefined): string {
  const into = intoFrom(value)
  if (!existsSync(resolve(into, '.ihave')))
    throw new Fault('NOT_FOUND', `nothing was installed in ${into} by "ihave update"`)
  return into
}

interface CommandValues {
  readonly 'install-command'?: string | undefined
  readonly 'check-command'?: string | undefined
  readonly 'time-limit'?: string | undefined
}

/** A time limit that is none is refused, also where there is no command. @throws Fault BAD_REQUEST */
export function commandsFrom(values: CommandValues): ConfirmSettings {
  const limitMs = numberFrom('--time-limit', values['time-limit'], 60, 86_400) * 1000
  return {
    installCommand: commandFrom('--install-command', values['install-command'], limitMs),
    checkCommand: commandFrom('--check-command', values['check-command'], limitMs),
  }
}

function commandFrom(name: string, text: string | undefined, limitMs: number): OwnCommand | undefined {
  if (text === undefined) return undefined
  return { words: text.startsWith('[') ? wordsOf(name, text) : [text], limitMs }
}

function wordsOf(name: string, text: string): readonly string[] {
  const words: unknown = parsed(name, text)
  if (Array.isArray(words) && words.length > 0 && words.every((word) => typeof word === 'string'))
    return words
  throw new Fault(
    'BAD_REQUEST',
    `${name}: expected a list of words such as ["/opt/x/check", "--quick"], got ${text}`,
  )
}

function parsed(name: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new Fault('BAD_REQUEST', `${name}: expected a program, or a list in JSON, got ${text}`, { cause })
  }
}

/** @throws Fault BAD_REQUEST */
export function numberFrom(name: string, text: string | undefined, otherwise: number, most: number): number {
  if (text === undefined) return otherwise
  const number = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
  if (number <= most) return number
  throw new Fault('BAD_REQUEST', `${name}: expected a number up to ${most}, got "${text}"`)
}

/** @throws Fault BAD_REQUEST */
export function fileFrom(name: string, path: string): string {
  const found = statSync(path, { throwIfNoEntry: false })
  if (found === undefined) throw new Fault('BAD_REQUEST', `${name}: there is no ${path}`)
  if (found.isDirectory()) throw new Fault('BAD_REQUEST', `${name}: expected a file, ${path} is a folder`)
  return path
}
