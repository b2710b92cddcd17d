/** `ihave help`, and the help text of each command, from the tables of the commands. */
import { VERSION } from '../service/version.ts'
import type { Command, Option, Options } from './command.ts'

export type Commands = Readonly<Record<string, Command>>

/** What there is. */
export function help(commands: Commands): string {
  return `ihave ${VERSION}: every machine on a LAN downloads each update once

${listed(commands)}

ihave COMMAND --help   its options
ihave help settings    everything that can be configured
ihave version

Without --config, ./proxy.config.yaml is used where there is one, else the defaults. Every setting can also be given
in the environment: IHAVE_PROXY_LISTEN=127.0.0.1:3129. docs/configuration.md explains them all.

exit codes: 0 done; 1 it failed; 2 wrong command line or configuration; 3 no node is running`
}

/** The commands of one group: `ihave site …`. */
export function groupHelp(group: string, commands: Commands): string {
  return `ihave ${group} …

${listed(commands)}

ihave ${group} COMMAND --help   its options`
}

function listed(commands: Commands): string {
  const lines = Object.entries(commands).map(
    ([name, { operands = '', about }]) => [`ihave ${name} ${operands}`.trimEnd(), about] as const,
  )
  return aligned(lines)
}

/** What one command is told and tells. */
export function commandHelp(name: string, command: Command): string {
  const options = Object.entries(command.options).map(
    ([each, option]) => [`  ${written(each, option)}`, option.meaning] as const,
  )
  const details = command.details === undefined ? '' : `\n${command.details}\n`
  return `ihave ${usage(name, command)}\n  ${command.about}\n${details}\n${aligned(options)}`
}

function usage(name: string, { operands, options }: Command): string {
  return [name, ...(operands === undefined ? [] : [operands]), ...inBrackets(options)].join(' ')
}

function inBrackets(options: Options): string[] {
  return Object.entries(options).map(([name, { value }]) => `[${withValue(`--${name}`, value)}]`)
}

function written(name: string, { short, value }: Option): string {
  return withValue([...(short === undefined ? [] : [`-${short}`]), `--${name}`].join(', '), value)
}

function withValue(option: string, value: string | undefined): string {
  return value === undefined ? option : `${option} ${value}`
}

/** Two columns. */
function aligned(lines: readonly (readonly [string, string])[]): string {
  const width = Math.max(...lines.map(([first]) => first.length))
  return lines.map(([first, second]) => `${first.padEnd(width)}  ${second}`).join('\n')
}
