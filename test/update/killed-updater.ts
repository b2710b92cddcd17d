/** An updater of its own process, to be killed: `node killed-updater.ts SITE TRUST INTO NOW`; files come from a folder. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock, type EpochMs } from '../../core/clock.ts'
import { Refused } from '../../update/refused.ts'
import { readTrust } from '../../update/trust-file.ts'
import { commandRunner } from '../../update/installer/command.ts'
import { DEFAULT_LIMITS, update } from '../../update/installer/updater.ts'

const [, , site = '', trust = '', into = '', now = ''] = process.argv
const clock = { ...systemClock, wall: () => Number(now) as EpochMs }
process.stdout.write('started\n')
const result = await update(
  {
    ...DEFAULT_LIMITS,
    catalog: 'http://updates.example/myupdate.cab',
    trust: readTrust(readFileSync(trust, 'utf8')),
    into,
    components: undefined,
    productVersion: undefined,
    mayDowngrade: true,
    isAgain: true,
    installCommand: undefined,
    // Takes a moment, so that kills meet it, too.
    checkCommand: { words: ['sleep', '0.01'], limitMs: 10_000 },
  },
  {
    clock,
    run: commandRunner(clock),
    emit: (event) => process.stdout.write(`${event.event}\n`),
    fetcher: {
      async fetch({ url }) {
        const file = join(site, new URL(url).pathname)
        if (!existsSync(file)) throw new Refused('not-found', url)
        return { bytes: readFileSync(file), source: 'internet' }
      },
      close: async () => {},
    },
  },
)
process.stdout.write(`${JSON.stringify(result)}\n`)
