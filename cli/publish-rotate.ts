/** `ihave publish rotate`: a new key in the place of one. */
import { parseArgs } from 'node:util'
import { systemClock } from '../core/clock.ts'
import { Fault } from '../core/fault.ts'
import { JSON_OPTION, type Command, type Options } from './command.ts'
import { EXIT } from './exit.ts'
import {
  AT_OPTION,
  daysFrom,
  KEYS_OPTION,
  keysFrom,
  siteFrom,
  timeFrom,
  VALID_OPTION,
} from './publish-options.ts'

const OPTIONS = {
  ...KEYS_OPTION,
  key: {
    type: 'string',
    value: 'NAME',
    meaning: 'root, targets, snapshot, timestamp; or packages, catalog: a trial’s certificates',
  },
  ...VALID_OPTION,
  ...AT_OPTION,
  ...JSON_OPTION,
} as const satisfies Options

export const publishRotate: Command = {
  operands: 'SITE',
  about: 'replaces a key; updaters follow by themselves',
  details: `Needs keys/offline: the new key is told to updaters by a new root, signed by the root keys of before and of now.
Also renews the root, which lasts a year. The catalogue is refreshed at once.`,
  options: OPTIONS,
  run,
}

async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true })
  const site = siteFrom(positionals)
  const keys = keysFrom(values.keys)
  const at = timeFrom(values.at, process.env, systemClock.wall())
  const [{ rotate, ROTATABLE }, { refresh }, { loadSite }] = await Promise.all([
    import('../update/publisher/rotate.ts'),
    import('../update/publisher/release.ts'),
    import('../update/publisher/site.ts'),
  ])
  const what = ROTATABLE.find((each) => each === values.key)
  if (what === undefined)
    throw new Fault(
      'BAD_REQUEST',
      `--key: expected one of ${ROTATABLE.join(', ')}, got "${values.key ?? ''}"`,
    )
  rotate(site, keys, what, at)
  if (loadSite(site).released !== undefined)
    refresh(site, { keys, at, validDays: daysFrom(values['valid-days']) })
  process.stdout.write(values.json ? `${JSON.stringify({ rotated: what })}\n` : `${what} has a new key.\n`)
  return EXIT.done
}
