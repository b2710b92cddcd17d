/** `ihave publish init`: a folder for a web server, keys, and a certificate for a trial. */
import { join } from 'node:path'
import { parseArgs } from '../core/node-util.ts'
import { systemClock } from '../core/clock.ts'
import { Fault } from '../core/fault.ts'
import { JSON_OPTION, type Command, type Options } from './command.ts'
import { EXIT } from './exit.ts'
import { AT_OPTION, KEYS_OPTION, keysFrom, pair, siteFrom, timeFrom } from './publish-options.ts'

const OPTIONS = {
  product: { type: 'string', value: 'NAME', meaning: 'the product that is published' },
  ...KEYS_OPTION,
  certificate: {
    type: 'string',
    value: 'FILE',
    meaning: 'your own certificate in PEM, followed by those above it; the last one is what updaters trust',
  },
  'private-key': {
    type: 'string',
    value: 'FILE',
    meaning: 'its private key in PEM (RSA from 2048 bits, or P-256)',
  },
  'catalog-certificate': {
    type: 'string',
    value: 'FILE',
    meaning: 'another certificate for the catalogue, so that the packages’ key can stay offline',
  },
  'catalog-private-key': { type: 'string', value: 'FILE', meaning: 'its private key' },
  algorithm: {
    type: 'string',
    value: 'rsa|p256',
    meaning: 'of a trial’s certificates (if nothing is said, rsa)',
  },
  ...AT_OPTION,
  ...JSON_OPTION,
} as const satisfies Options

export const publishInit: Command = {
  operands: 'SITE',
  about: 'makes a publisher’s folder, keys and a trial certificate',
  details: `SITE is the folder that a web server will show. Without --certificate a trial authority is made, with one
certificate for packages and one for the catalogue. Give updaters the file publisher.pem of the keys' folder, and
nothing else of it: keys/offline is needed to add releases, keys/online to renew the catalogue.`,
  options: OPTIONS,
  run,
}

async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true })
  const site = siteFrom(positionals)
  const keys = keysFrom(values.keys)
  const { product } = values
  if (product === undefined) throw new Fault('BAD_REQUEST', 'expected --product NAME')
  const { initSite } = await import('../update/publisher/init.ts')
  initSite(site, {
    product,
    keys,
    at: timeFrom(values.at, process.env, systemClock.wall()),
    kind: kindFrom(values.algorithm),
    own: pair(values.certificate, values['private-key'], '--certificate and --private-key'),
    ownCatalog: pair(
      values['catalog-certificate'],
      values['catalog-private-key'],
      '--catalog-certificate and --catalog-private-key',
    ),
  })
  const trust = join(keys, 'publisher.pem')
  process.stdout.write(
    values.json
      ? `${JSON.stringify({ site, keys, product, trust }, undefined, 2)}\n`
      : `${site} is ready for ${product}. Updaters trust ${trust}.\nNext: ihave publish add ${site} --keys ${keys} --component NAME --version N FILE...\n`,
  )
  return EXIT.done
}

function kindFrom(value = 'rsa') {
  if (value === 'rsa' || value === 'p256') return value
  throw new Fault('BAD_REQUEST', `--algorithm: expected rsa or p256, got "${value}"`)
}
