/** `ihave publish list`: what is public, what is put aside, when it expires. */
import { parseArgs } from '../core/node-util.ts'
import { systemClock } from '../core/clock.ts'
import { printableLines } from '../core/printable.ts'
import { formatBytes } from '../core/units.ts'
import type { Site } from '../update/publisher/site.ts'
import { JSON_OPTION, type Command } from './command.ts'
import { EXIT } from './exit.ts'
import { expiryJson, expiryLines } from './publish-expiries.ts'
import { siteFrom } from './publish-options.ts'

export const publishList: Command = {
  operands: 'SITE',
  about: 'what is published, what waits for the next release, and when what expires',
  options: JSON_OPTION,
  run,
}

async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args: [...args], options: JSON_OPTION, allowPositionals: true })
  const [{ loadSite }, { expiriesOf }, { isUnfinished }] = await Promise.all([
    import('../update/publisher/site.ts'),
    import('../update/publisher/expiries.ts'),
    import('../update/publisher/publication.ts'),
  ])
  const folder = siteFrom(positionals)
  const site = loadSite(folder)
  const expiries = expiriesOf(folder, systemClock.wall())
  const isBrokenOff = isUnfinished(folder)
  const lines = [...siteLines(site), ...(isBrokenOff ? [BROKEN_OFF] : []), ...expiryLines(expiries, folder)]
  const json = { ...site, published: undefined, isBrokenOff, expiries: expiryJson(expiries) }
  process.stdout.write(values.json ? `${JSON.stringify(json, undefined, 2)}\n` : printableLines(lines))
  return EXIT.done
}

const BROKEN_OFF =
  '  A command was broken off before its last step; the next release, refresh or rotate goes on with it.'

function siteLines({ product, released, packages, staged }: Site): readonly string[] {
  return [
    `${product}, ${released === undefined ? 'nothing released yet' : `release ${released}`}`,
    ...packages.map(
      ({ component, version, url, size }) => `  ${component} ${version}  ${url}  ${formatBytes(size)}`,
    ),
    ...staged.map(
      ({ component, version, files }) =>
        `  ${component} ${version}  waits for the next release, ${files.length} files`,
    ),
  ]
}
