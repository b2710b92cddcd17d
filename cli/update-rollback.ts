/** `ihave update rollback`: the set before is put back. */
import { parseArgs } from '../core/node-util.ts'
import { systemClock } from '../core/clock.ts'
import { JSON_OPTION, type Command, type Options } from './command.ts'
import { COMMAND_OPTIONS, commandsFrom, installedIn, INTO_OPTION, numberFrom } from './update-options.ts'
import { emitter, exitCode } from './update-run.ts'

const OPTIONS = {
  ...INTO_OPTION,
  to: {
    type: 'string',
    value: 'SET',
    meaning: 'a set that is still there (if nothing is said, the one before)',
  },
  ...COMMAND_OPTIONS,
  ...JSON_OPTION,
} as const satisfies Options

export const updateRollback: Command = {
  about: 'puts the former set back',
  details: `The release that is left is not installed again by itself; the next one is. "ihave update run --again" takes it all the same.
Where the former set does not pass --check-command, what was installed is put back, and the exit code is 1.`,
  options: OPTIONS,
  run,
}

async function run(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...args], options: OPTIONS })
  const [{ rollback }, { DEFAULT_LIMITS }, { commandRunner }] = await Promise.all([
    import('../update/installer/rollback.ts'),
    import('../update/installer/updater.ts'),
    import('../update/installer/command.ts'),
  ])
  const settings = {
    into: installedIn(values.into),
    keep: numberFrom('--keep', values.keep, DEFAULT_LIMITS.keep, 100),
    ...commandsFrom(values),
  }
  const tools = { clock: systemClock, run: commandRunner(systemClock), emit: emitter(values.json ?? false) }
  return exitCode(await rollback(settings, tools, values.to))
}
