/** `ihave publish rotate`: a new key in the place of one. */
import { parseArgs } from 'node:util'
import { systemClock } from '../core/clock.ts'
import { Fault } from '../core/fault.ts'
import { JSON_OPTION, type Command, type Options } from './command.ts'
import { EXIT } from './exit.ts'
import { expiryJson, expiryLines } from './publish-expiries.ts'
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
Also renews root and targets, which last a year. All of it becomes public in the same step; what is broken off is gone on with by
the next command.`,
  options: OPTIONS,
  run,
}

async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true })
  const site = siteFrom(positionals)
  const keys = keysFrom(values.keys)
  const at = timeFrom(values.at, process.env, systemClock.wall())
  const [{ rotate, ROTATABLE }, { expiriesOf }] = await Promise.all([
    import('../update/publisher/rotate.ts'),
    import('../update/publisher/expiries.ts'),
  ])
  const what = ROTATABLE.find((each) => each === values.key)
  if (what === undefined)
    throw new Fault(
      'BAD_REQUEST',
      `--key: expected one of ${ROTATABLE.join(', ')}, got "${values.key ?? ''}"`,
    )
  rotate(site, keys, what, at, daysFrom(values['valid-days']))
  const expiries = expiriesOf(site, at)
  const lines = [
    `${what} has a new key.`,
    ...NEXT[what === 'packages' ? what : 'others'],
    ...expiryLines(expiries, site),
  ]
  const json = { rotated: what, expiries: expiryJson(expiries) }
  process.stdout.write(values.json ? `${JSON.stringify(json, undefined, 2)}\n` : `${lines.join('\n')}\n`)
  return EXIT.done
}

const NEXT = {
  packages: [
    'Packages that are public keep the signature that they have: "ihave publish add" and "release" sign anew.',
  ],
  others: [],
}
