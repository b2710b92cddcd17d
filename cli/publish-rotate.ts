/** `ihave publish rotate`: a new key in the place of one. */
import { parseArgs } from '../core/node-util.ts'
import { systemClock } from '../core/clock.ts'
import { printableLines } from '../core/printable.ts'
import { Fault } from '../core/fault.ts'
import { JSON_OPTION, type Command, type Options } from './command.ts'
import { EXIT } from './exit.ts'
import { expiryJson, expiryLines } from './publish-expiries.ts'
import {
  AT_OPTION,
  daysFrom,
  pair,
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
    meaning: 'root, targets, snapshot, timestamp; or packages, catalog: with a certificate',
  },
  certificate: {
    type: 'string',
    value: 'FILE',
    meaning: 'with packages or catalog: the new one in PEM, followed by those above it (a trial’s is made)',
  },
  'private-key': { type: 'string', value: 'FILE', meaning: 'its private key in PEM' },
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
  const own = pair(values.certificate, values['private-key'], '--certificate and --private-key')
  rotate(site, what, { keys, at, validDays: daysFrom(values['valid-days']), own })
  const expiries = expiriesOf(site, at)
  const lines = [
    `${what} has a new key.`,
    ...NEXT[what === 'packages' ? what : 'others'],
    ...expiryLines(expiries, site),
  ]
  const json = { rotated: what, expiries: expiryJson(expiries) }
  process.stdout.write(values.json ? `${JSON.stringify(json, undefined, 2)}\n` : printableLines(lines))
  return EXIT.done
}

const NEXT = {
  packages: [
    'Packages that are public keep the signature that they have: "ihave publish add" and "release" sign anew.',
  ],
  others: [],
}
