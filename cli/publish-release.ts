/** `ihave publish release` and `refresh`: what was added becomes public; what would expire is renewed. */
import { parseArgs } from '../core/node-util.ts'
import { systemClock } from '../core/clock.ts'
import { printableLines } from '../core/printable.ts'
import { Fault } from '../core/fault.ts'
import { formatBytes } from '../core/units.ts'
import type { Release } from '../update/publisher/release.ts'
import { JSON_OPTION, type Command, type Options } from './command.ts'
import { EXIT } from './exit.ts'
import { expiryJson, expiryLines } from './publish-expiries.ts'
import {
  AT_OPTION,
  dateText,
  daysFrom,
  KEYS_OPTION,
  keysFrom,
  siteFrom,
  timeFrom,
  VALID_OPTION,
} from './publish-options.ts'

const REFRESH_OPTIONS = {
  ...KEYS_OPTION,
  ...VALID_OPTION,
  ...AT_OPTION,
  ...JSON_OPTION,
} as const satisfies Options

const RELEASE_OPTIONS = {
  ...KEYS_OPTION,
  compression: {
    type: 'string',
    value: 'mszip|store',
    meaning: 'of the packages (if nothing is said, mszip)',
  },
  'base-url': {
    type: 'string',
    value: 'URL',
    meaning: 'where the packages are, if not beside the catalogue; ends in "/"',
  },
  ...VALID_OPTION,
  ...AT_OPTION,
  ...JSON_OPTION,
} as const satisfies Options

export const publishRelease: Command = {
  operands: 'SITE',
  about: 'makes signed packages and the signed catalogue, ready for any web server',
  details: `Each package gets a name of its own by the minute of release, such as vsasap.200101131511.cab. The same files,
keys and --at give the same bytes (with RSA; P-256 signatures differ each time).`,
  options: RELEASE_OPTIONS,
  run: runRelease,
}

export const publishRefresh: Command = {
  operands: 'SITE',
  about: 'renews the catalogue before updaters stop believing it',
  details: `Needs keys/online and publisher.pem only. Run it daily where the web server is.`,
  options: REFRESH_OPTIONS,
  run: runRefresh,
}

async function runRelease(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: RELEASE_OPTIONS,
    allowPositionals: true,
  })
  const { release } = await import('../update/publisher/release.ts')
  const [site, at] = [siteFrom(positionals), timeFrom(values.at, process.env, systemClock.wall())]
  const made = release(site, {
    keys: keysFrom(values.keys),
    at,
    compression: compressionFrom(values.compression),
    validDays: daysFrom(values['valid-days']),
    baseUrl: baseUrlFrom(values['base-url']),
  })
  return tell(made, site, at, values.json)
}

async function runRefresh(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: REFRESH_OPTIONS,
    allowPositionals: true,
  })
  const { refresh } = await import('../update/publisher/release.ts')
  const [site, at] = [siteFrom(positionals), timeFrom(values.at, process.env, systemClock.wall())]
  const made = refresh(site, { keys: keysFrom(values.keys), at, validDays: daysFrom(values['valid-days']) })
  return tell(made, site, at, values.json)
}

async function tell(made: Release, site: string, at: number, isJson: boolean | undefined): Promise<number> {
  const { expiriesOf } = await import('../update/publisher/expiries.ts')
  const expiries = expiriesOf(site, at)
  const lines = [
    ...made.packages.map(({ url, version, size }) => `${url}  ${version}  ${formatBytes(size)}`),
    `myupdate.cab  release ${made.released} of ${made.product}, ${made.catalogueBytes} bytes`,
    `Updaters believe it until ${dateText(made.expiresAt)}: "ihave publish refresh" before that.`,
    ...expiryLines(expiries, site),
  ]
  const json = { ...made, expiries: expiryJson(expiries) }
  process.stdout.write(isJson ? `${JSON.stringify(json, undefined, 2)}\n` : printableLines(lines))
  return EXIT.done
}

function compressionFrom(value = 'mszip') {
  if (value === 'mszip' || value === 'store') return value
  throw new Fault('BAD_REQUEST', `--compression: expected mszip or store, got "${value}"`)
}

function baseUrlFrom(value: string | undefined): string | undefined {
  if (value === undefined || /^https?:\/\/[!-~]{1,1500}\/$/.test(value)) return value
  throw new Fault('BAD_REQUEST', `--base-url: expected an http URL that ends in "/", got "${value}"`)
}
