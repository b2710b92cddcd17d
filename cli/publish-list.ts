/** `ihave publish list`: what is public, what is put aside, when it expires. */
import { parseArgs } from 'node:util'
import { systemClock } from '../core/clock.ts'
import { formatBytes, formatDuration } from '../core/units.ts'
import type { Site } from '../update/publisher/site.ts'
import { JSON_OPTION, type Command } from './command.ts'
import { EXIT } from './exit.ts'
import { dateText, siteFrom } from './publish-options.ts'

export const publishList: Command = {
  operands: 'SITE',
  about: 'what is published, and what waits for the next release',
  options: JSON_OPTION,
  run,
}

async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args: [...args], options: JSON_OPTION, allowPositionals: true })
  const { loadSite } = await import('../update/publisher/site.ts')
  const site = loadSite(siteFrom(positionals))
  process.stdout.write(values.json ? `${JSON.stringify(site, undefined, 2)}\n` : siteText(site))
  return EXIT.done
}

function siteText({ product, released, expiresAt, packages, staged }: Site): string {
  const lines = [
    `${product}, ${released === undefined ? 'nothing released yet' : `release ${released}`}`,
    ...packages.map(
      ({ component, version, url, size }) => `  ${component} ${version}  ${url}  ${formatBytes(size)}`,
    ),
    ...staged.map(
      ({ component, version, files }) =>
        `  ${component} ${version}  waits for the next release, ${files.length} files`,
    ),
    ...(expiresAt === undefined ? [] : [expiryText(expiresAt)]),
  ]
  return `${lines.join('\n')}\n`
}

function expiryText(expiresAt: number): string {
  const left = expiresAt - systemClock.wall()
  return left > 0
    ? `believed until ${dateText(expiresAt)}, for ${formatDuration(left)} more`
    : `EXPIRED on ${dateText(expiresAt)}: updaters refuse it; run "ihave publish refresh"`
}
