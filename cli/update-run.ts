/** `ihave update run` and `check`: brings a product up to date, or says what is needed. */
import { parseArgs } from '../core/node-util.ts'
import { systemClock } from '../core/clock.ts'
import { Fault } from '../core/fault.ts'
import type { RunResult, UpdateEvent } from '../update/installer/events.ts'
import type { UpdaterSettings } from '../update/installer/updater.ts'
import { JSON_OPTION, type Command, type Options } from './command.ts'
import { EXIT } from './exit.ts'
import { updateBars } from './update-bars.ts'
import {
  COMMAND_OPTIONS,
  commandsFrom,
  fileFrom,
  INTO_OPTION,
  intoFrom,
  numberFrom,
} from './update-options.ts'

const OPTIONS = {
  catalog: { type: 'string', value: 'URL', meaning: 'where the publisher’s myupdate.cab is' },
  trust: {
    type: 'string',
    value: 'FILE',
    meaning: 'the publisher’s publisher.pem, or any certificates in PEM',
  },
  crl: { type: 'string', value: 'FILE', meaning: 'a revocation list, in PEM or DER' },
  ...INTO_OPTION,
  proxy: {
    type: 'string',
    value: 'URL',
    meaning: 'the node’s proxy, such as http://127.0.0.1:3128; without it, no peers',
  },
  components: { type: 'string', value: 'A,B', meaning: 'only these (if nothing is said, all)' },
  'product-version': {
    type: 'string',
    value: 'N',
    meaning: 'the product’s version, where it was installed by other means',
  },
  'allow-downgrade': {
    type: 'boolean',
    meaning: 'installs what is older than what is installed, if the publisher offers it',
  },
  'least-rate': {
    type: 'string',
    value: 'BYTES',
    meaning: 'that each download must bring in a second (if nothing is said, 5000; 0 for any)',
  },
  again: { type: 'boolean', meaning: 'installs a release that was rolled back' },
  ...COMMAND_OPTIONS,
  ...JSON_OPTION,
} as const satisfies Options

const DETAILS = `Everything is verified before it is installed, all or nothing, below FOLDER/current. Refusals say why, and leave what
is installed. With --json each event is one line of JSON, the last one is "done". Exit code 1 means refused.`

export const updateRun: Command = {
  about: 'brings a product up to date',
  details: DETAILS,
  options: OPTIONS,
  run: (args) => run(args, 'run'),
}

export const updateCheck: Command = {
  about: 'says what an update would bring, without installing it',
  details: DETAILS,
  options: OPTIONS,
  run: (args) => run(args, 'check'),
}

async function run(args: readonly string[], mode: 'run' | 'check'): Promise<number> {
  const { values } = parseArgs({ args: [...args], options: OPTIONS })
  const [{ update, DEFAULT_LIMITS }, { httpFetcher }, { commandRunner }, { readTrustFiles }] =
    await Promise.all([
      import('../update/installer/updater.ts'),
      import('../update/installer/fetcher.ts'),
      import('../update/installer/command.ts'),
      import('../update/trust-file.ts'),
    ])
  if (values.trust === undefined) throw new Fault('BAD_REQUEST', 'expected --trust FILE')
  const settings: UpdaterSettings = {
    ...DEFAULT_LIMITS,
    catalog: urlFrom('--catalog', values.catalog),
    trust: readTrustFiles(fileFrom('--trust', values.trust), values.crl && fileFrom('--crl', values.crl)),
    into: intoFrom(values.into),
    components: componentsFrom(values.components),
    productVersion: values['product-version'],
    mayDowngrade: values['allow-downgrade'] ?? false,
    isAgain: values.again ?? false,
    ...commandsFrom(values),
    leastBytesPerS: numberFrom(
      '--least-rate',
      values['least-rate'],
      DEFAULT_LIMITS.leastBytesPerS,
      100_000_000,
    ),
    keep: numberFrom('--keep', values.keep, DEFAULT_LIMITS.keep, 100),
  }
  const proxy = values.proxy === undefined ? undefined : urlFrom('--proxy', values.proxy)
  const fetcher = httpFetcher(proxy, systemClock)
  try {
    const tools = {
      clock: systemClock,
      fetcher,
      run: commandRunner(systemClock),
      emit: emitter(values.json ?? false),
    }
    return exitCode(await update(settings, tools, mode))
  } finally {
    await fetcher.close()
  }
}

export function emitter(isJson: boolean): (event: UpdateEvent) => void {
  if (isJson) return (event) => process.stdout.write(`${JSON.stringify(event)}\n`)
  const bars = updateBars(process.stdout)
  return (event) => bars.show(event)
}

export function exitCode({ outcome }: RunResult): number {
  return outcome === 'refused' ? EXIT.failed : EXIT.done
}

/** @throws Fault BAD_REQUEST */
function componentsFrom(value: string | undefined): readonly string[] | undefined {
  const names = value?.split(',').map((name) => name.trim())
  if (names?.includes(''))
    throw new Fault('BAD_REQUEST', `--components: expected names such as engine,data, got "${value}"`)
  return names
}

function urlFrom(name: string, value: string | undefined): string {
  if (value !== undefined && /^https?:\/\//.test(value) && URL.canParse(value)) return value
  throw new Fault('BAD_REQUEST', `${name}: expected an http URL, got "${value ?? ''}"`)
}
