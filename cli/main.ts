#!/usr/bin/env node
/** The command line. One file per command; each returns the process's exit code (exit.ts). */
import { describe, Fault } from '../core/fault.ts'
import { settingsHelp } from '../service/settings-reference.ts'
import { VERSION } from '../service/version.ts'
import { cacheLs } from './cache-ls.ts'
import { cachePurge } from './cache-purge.ts'
import { cacheVerify } from './cache-verify.ts'
import { EXIT } from './exit.ts'
import { commandHelp, help, type Commands } from './help.ts'
import {
  siteBackup,
  siteInit,
  siteInvite,
  siteJoin,
  siteLeave,
  siteRestore,
  siteRevoke,
  siteStatus,
} from './site.ts'
import { start } from './start.ts'
import { status } from './status.ts'

const COMMANDS: Commands = {
  start,
  status,
  'cache ls': cacheLs,
  'cache purge': cachePurge,
  'cache verify': cacheVerify,
  'site init': siteInit,
  'site invite': siteInvite,
  'site join': siteJoin,
  'site leave': siteLeave,
  'site revoke': siteRevoke,
  'site status': siteStatus,
  'site backup': siteBackup,
  'site restore': siteRestore,
}

async function main(args: readonly string[]): Promise<number> {
  const page = PAGES.get(args.join(' '))
  if (page !== undefined) return say(page())
  const name = [args.slice(0, 2).join(' '), args[0] ?? ''].find((each) => Object.hasOwn(COMMANDS, each))
  const command = COMMANDS[name ?? '']
  if (name === undefined || command === undefined)
    return complain(`ihave: ${unknown(args[0] ?? '')}; "ihave help" lists them`)
  const rest = args.slice(name.split(' ').length)
  if (rest.some((each) => each === '--help' || each === '-h')) return say(commandHelp(name, command))
  try {
    return await command.run(rest)
  } catch (error) {
    return complain(`ihave ${name}: ${describe(error)}`, exitCodeOf(error))
  }
}

function unknown(first: string): string {
  const longer = Object.keys(COMMANDS).filter((each) => each.startsWith(`${first} `))
  return longer.length > 0 ? `expected ${longer.join(', ')}` : `there is no command "${first}"`
}

const overview = () => help(COMMANDS)
const version = () => VERSION

/** What is only printed. */
const PAGES = new Map([
  ['', overview],
  ['help', overview],
  ['--help', overview],
  ['-h', overview],
  ['help settings', settingsHelp],
  ['version', version],
  ['--version', version],
  ['-v', version],
])

function exitCodeOf(error: unknown): number {
  if (error instanceof Fault) {
    if (error.code === 'CONFIG_INVALID' || error.code === 'BAD_REQUEST') return EXIT.usage
    return error.code === 'UNREACHABLE' ? EXIT.notRunning : EXIT.failed
  }
  const isUsage =
    error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS')
  return isUsage ? EXIT.usage : EXIT.failed
}

function say(text: string): number {
  process.stdout.write(`${text}\n`)
  return EXIT.done
}

function complain(text: string, code: number = EXIT.usage): number {
  process.stderr.write(`${text}\n`)
  return code
}

// Whoever reads may have seen enough (`| head`).
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
})
process.exitCode = await main(process.argv.slice(2))
