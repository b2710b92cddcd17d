/** `ihave update now`: the running node checks its products at once. */
import { parseArgs } from '../core/node-util.ts'
import { printableLines } from '../core/printable.ts'
import { controlPath } from '../service/control.ts'
import type { ProductResult } from '../service/product-updates.ts'
import { checkUpdates } from '../service/remote-cache.ts'
import { JSON_OPTION, type Command } from './command.ts'
import { CONFIG_OPTION, configFrom } from './config-option.ts'
import { EXIT } from './exit.ts'

const OPTIONS = { ...CONFIG_OPTION, ...JSON_OPTION } as const

export const updateNow: Command = {
  about: 'makes the running node check its products now',
  details: `The products are those of "updates" in the node's configuration. Exit code 1 means that one was refused.`,
  options: OPTIONS,
  run,
}

async function run(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...args], options: OPTIONS })
  let isRefused = false
  let products = 0
  for await (const each of checkUpdates(controlPath(configFrom(values.config)))) {
    products += 1
    isRefused ||= each.result === undefined || each.result.outcome === 'refused'
    process.stdout.write(values.json ? `${JSON.stringify(each)}\n` : resultLine(each))
  }
  // In JSON no line at all says it.
  if (products === 0 && values.json !== true)
    process.stdout.write('the node has no products to check: its configuration has no "updates"\n')
  return isRefused ? EXIT.failed : EXIT.done
}

export function resultLine({ name, result }: ProductResult): string {
  if (result === undefined)
    return printableLines([`${name}: it could not be checked; the node’s log says why`])
  const reason = result.reason === undefined ? '' : ` (${result.reason})`
  return printableLines([`${name}: ${result.outcome}${reason}: ${result.detail}`])
}
