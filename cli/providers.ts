/** `ihave providers` and `ihave elect`: who performs which function for the LAN. */
import { parseArgs } from '../core/node-util.ts'
import { Fault } from '../core/fault.ts'
import { formatDuration } from '../core/units.ts'
import { ask, askStatus, controlPath, OPERATIONS } from '../service/control.ts'
import type { FunctionStatus, ProviderStatus } from '../service/function-operations.ts'
import { JSON_OPTION, type Command } from './command.ts'
import { CONFIG_OPTION, configFrom } from './config-option.ts'
import { EXIT } from './exit.ts'

const OPTIONS = { ...CONFIG_OPTION, ...JSON_OPTION } as const

export const providers: Command = {
  about: 'who performs which function for the LAN, why, and since when',
  options: OPTIONS,
  async run(args) {
    const { values } = parseArgs({ args: [...args], options: OPTIONS })
    const known: FunctionStatus[] = []
    for await (const each of ask(controlPath(configFrom(values.config)), OPERATIONS.functions))
      known.push(each as FunctionStatus)
    if (values.json) process.stdout.write(`${JSON.stringify(known, undefined, 2)}\n`)
    else
      process.stdout.write(
        known.length === 0 ? await whyNone(values.config) : known.map(functionText).join(''),
      )
    return EXIT.done
  },
}

async function whyNone(config: string | undefined): Promise<string> {
  const { whyAlone } = await askStatus(controlPath(configFrom(config)))
  return `no functions are known${whyAlone === undefined ? '' : `: ${whyAlone}`}\n`
}

export const elect: Command = {
  operands: 'FUNCTION',
  about: 'lets the nodes of the LAN elect who performs a function',
  details: 'Exit code 1: nobody stands for it.',
  options: OPTIONS,
  async run(args) {
    const { values, positionals } = parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true })
    const [name] = positionals
    if (name === undefined || positionals.length !== 1)
      throw new Fault('BAD_REQUEST', 'expected one FUNCTION')
    const path = controlPath(configFrom(values.config))
    for await (const line of ask(path, OPERATIONS.elect, { function: name })) {
      const won = line as FunctionStatus
      process.stdout.write(values.json ? `${JSON.stringify(won, undefined, 2)}\n` : functionText(won))
      return won.provider === null ? EXIT.failed : EXIT.done
    }
    throw new Fault('NODE_UNREACHABLE', `the node at ${path} gave no answer`)
  },
}

/** Who, where, why, since when. */
export function functionText({ function: name, provider, phase, ownValue, note }: FunctionStatus): string {
  const own = ownValue === null ? '' : `; this node would stand with ${ownValue}`
  const more = note === null ? '' : `: ${note}`
  if (provider === null)
    return `${name.padEnd(NAME)} nobody${phase === 'idle' ? more : `, but that is being found out (${phase})`}${own}\n`
  const { node, isThisNode, location, sinceMs } = provider
  const who = isThisNode
    ? 'this node'
    : provider.source === 'configured'
      ? 'a configured one'
      : node.slice(0, 12)
  const since = sinceMs === null ? '' : `, for ${formatDuration(sinceMs)}`
  return `${name.padEnd(NAME)} ${who} at ${location}, ${whyText(provider)}${since}${isThisNode ? '' : own}${more}\n`
}

/** Cells of a name. */
const NAME = 18

function whyText({ source, value, term, member, heardMsAgo }: ProviderStatus): string {
  if (source === 'configured') return 'designated in the configuration'
  const stranger = source === 'self' ? 'without a site' : 'a stranger: only a hint'
  const trust = member === null ? stranger : `member ${member.slice(0, 12)}`
  const how = source === 'third party' ? 'told by a third party' : 'elected'
  const heard = source === 'self' || heardMsAgo === null ? '' : `, heard ${formatDuration(heardMsAgo)} ago`
  return `${how} in term ${term} with ${value} (${trust})${heard}`
}
