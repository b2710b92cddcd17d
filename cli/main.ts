#!/usr/bin/env node
/**
 * The command line. One file per command; each returns the process's exit code.
 * 0: done. 1: it failed, and the message says why. 2: the command line or the configuration is wrong. 3: no node runs.
 */
import { describe, Fault } from '../core/fault.ts'
import { help } from './help.ts'
import { start } from './start.ts'
import { status } from './status.ts'
import { VERSION } from '../service/version.ts'

export const EXIT = { done: 0, failed: 1, usage: 2, notRunning: 3 } as const

type Command = (args: readonly string[]) => Promise<number> | number

const COMMANDS: Readonly<Record<string, Command>> = {
  start,
  status,
  help: () => say(help()),
  version: () => say(VERSION),
}

async function main(args: readonly string[]): Promise<number> {
  const [name = 'help', ...rest] = args
  const command = COMMANDS[ALIASES[name] ?? name]
  if (!command) return complain(`ihave: there is no command "${name}"; "ihave help" lists them`)
  try {
    return await command(rest)
  } catch (error) {
    return complain(`ihave ${name}: ${describe(error)}`, exitCodeOf(error))
  }
}

const ALIASES: Readonly<Record<string, string>> = {
  '--help': 'help',
  '-h': 'help',
  '--version': 'version',
  '-v': 'version',
}

function exitCodeOf(error: unknown): number {
  if (error instanceof Fault) {
    if (error.code === 'CONFIG_INVALID') return EXIT.usage
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

process.exitCode = await main(process.argv.slice(2))
