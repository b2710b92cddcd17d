#!/usr/bin/env node
/** The command line. One file per command; each returns the process's exit code (exit.ts). */
import { describe, Fault } from '../core/fault.ts'
import { printableLines } from '../core/printable.ts'
import type { Command } from './command.ts'
import { EXIT } from './exit.ts'

/** Each is loaded when it is wanted: a node starts without the others. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  start: async () => (await import('./start.ts')).start,
  status: async () => (await import('./status.ts')).status,
  peers: async () => (await import('./peers.ts')).peers,
  providers: async () => (await import('./providers.ts')).providers,
  elect: async () => (await import('./providers.ts')).elect,
  'cache ls': async () => (await import('./cache-ls.ts')).cacheLs,
  'cache purge': async () => (await import('./cache-purge.ts')).cachePurge,
  'cache verify': async () => (await import('./cache-verify.ts')).cacheVerify,
  'publish init': async () => (await import('./publish-init.ts')).publishInit,
  'publish add': async () => (await import('./publish-add.ts')).publishAdd,
  'publish release': async () => (await import('./publish-release.ts')).publishRelease,
  'publish refresh': async () => (await import('./publish-release.ts')).publishRefresh,
  'publish rotate': async () => (await import('./publish-rotate.ts')).publishRotate,
  'publish list': async () => (await import('./publish-list.ts')).publishList,
  'update check': async () => (await import('./update-run.ts')).updateCheck,
  'update run': async () => (await import('./update-run.ts')).updateRun,
  'update now': async () => (await import('./update-now.ts')).updateNow,
  'update status': async () => (await import('./update-status.ts')).updateStatus,
  'update history': async () => (await import('./update-status.ts')).updateHistory,
  'update rollback': async () => (await import('./update-rollback.ts')).updateRollback,
  'site init': async () => (await import('./site.ts')).siteInit,
  'site invite': async () => (await import('./site.ts')).siteInvite,
  'site join': async () => (await import('./site.ts')).siteJoin,
  'site leave': async () => (await import('./site.ts')).siteLeave,
  'site revoke': async () => (await import('./site.ts')).siteRevoke,
  'site status': async () => (await import('./site.ts')).siteStatus,
  'site backup': async () => (await import('./site.ts')).siteBackup,
  'site restore': async () => (await import('./site.ts')).siteRestore,
}

async function main(args: readonly string[]): Promise<number> {
  const page = PAGES.get(args.join(' '))
  if (page !== undefined) return say(await page())
  const group = groupOf(args)
  if (group !== undefined) return say(await groupPage(group))
  const name = [args.slice(0, 2).join(' '), args[0] ?? ''].find((each) => Object.hasOwn(COMMANDS, each))
  const load = COMMANDS[name ?? '']
  if (name === undefined || load === undefined)
    return complain(`ihave: ${unknown(args[0] ?? '')}; "ihave help" lists them`)
  const rest = args.slice(name.split(' ').length)
  const command = await load()
  if (rest.some((each) => each === '--help' || each === '-h')) {
    const { commandHelp } = await import('./help.ts')
    return say(commandHelp(name, command))
  }
  try {
    return await command.run(rest)
  } catch (error) {
    return complain(`ihave ${name}: ${describe(error)}`, exitCodeOf(error))
  }
}

/** Of `ihave site --help`: `site`, which is no command by itself. */
function groupOf(args: readonly string[]): string | undefined {
  const [first = '', second = ''] = args[0] === 'help' ? [args[1], '--help'] : args
  const isAsking = args.length === 2 && ['--help', '-h', 'help'].includes(second)
  return isAsking && inGroup(first).length > 0 ? first : undefined
}

function inGroup(group: string): readonly string[] {
  return Object.keys(COMMANDS).filter((each) => each.startsWith(`${group} `))
}

function unknown(first: string): string {
  const longer = inGroup(first)
  return longer.length > 0 ? `expected ${longer.join(', ')}` : `there is no command "${first}"`
}

const overview = async () => {
  const { help } = await import('./help.ts')
  return help(await loaded(Object.keys(COMMANDS)))
}
const groupPage = async (group: string) => {
  const { groupHelp } = await import('./help.ts')
  return groupHelp(group, await loaded(inGroup(group)))
}
async function loaded(names: readonly string[]): Promise<Readonly<Record<string, Command>>> {
  const commands = names.map(async (name) => [name, await COMMANDS[name]?.()] as const)
  const found = (await Promise.all(commands)).flatMap(([name, each]) => (each ? [[name, each] as const] : []))
  return Object.fromEntries(found)
}
const settings = async () => (await import('../service/settings-reference.ts')).settingsHelp()
const version = async () => (await import('../service/version.ts')).VERSION

/** What is only printed. */
const PAGES = new Map([
  ['', overview],
  ['help', overview],
  ['--help', overview],
  ['-h', overview],
  ['help settings', settings],
  ['version', version],
  ['--version', version],
  ['-v', version],
])

function exitCodeOf(error: unknown): number {
  if (error instanceof Fault) {
    if (error.code === 'CONFIG_INVALID' || error.code === 'BAD_REQUEST') return EXIT.usage
    return error.code === 'NODE_UNREACHABLE' ? EXIT.notRunning : EXIT.failed
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
  process.stderr.write(printableLines(text.split('\n')))
  return code
}

// Whoever reads may have seen enough (`| head`), and a terminal may have gone.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE' && error.code !== 'EIO') throw error
})
process.exitCode = await main(process.argv.slice(2))
