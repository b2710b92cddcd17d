/** The `rules` of `proxy.config.yaml` (R6.3). */
import type { Rule } from '../retrieval/rules.ts'
import { excerpt, isNothing, readEntries, readGroup } from './config-schema.ts'
import type { Reading } from './config-schema.ts'
import type { Source } from './config-source.ts'
import { RULE_SETTINGS } from './settings.ts'

/** @param waitForDownloads what rules say that do not say it themselves. */
export function readRules(
  source: Source | undefined,
  waitForDownloads: boolean,
  reading: Reading,
): readonly Rule[] {
  if (source === undefined || isNothing(source)) return []
  if (source.kind === 'list')
    return source.items.flatMap((item, at) => readRule(item, `rules[${at}]`, waitForDownloads, reading))
  const problem = `expected a list of rules, got ${excerpt(source)}`
  reading.errors.push({ ...source.place, key: 'rules', problem })
  return []
}

/** One rule, or none where it says nothing that could be matched. */
function readRule(item: Source, path: string, orWait: boolean, reading: Reading): readonly Rule[] {
  if (isNothing(item)) return refused(item, path, 'expected a mapping, got nothing', reading)
  const entries = readEntries(item, path, Object.keys(RULE_SETTINGS), reading)
  const {
    name,
    waitForDownloads = orWait,
    speaksFor,
    gateway,
    signers,
    signature,
    ...values
  } = readGroup(RULE_SETTINGS, path, entries, { ...reading, environment: {} })
  if (item.kind === 'mapping' && !entries.has('match'))
    return refused(
      item,
      `${path}.match`,
      `expected ${RULE_SETTINGS.match.type.expected}, got nothing`,
      reading,
    )
  const share = entries.get('share')?.value ?? item
  if (values.share && !values.store)
    return refused(
      share,
      `${path}.share`,
      'expected false, since store is false: nothing is kept to share',
      reading,
    )
  return [
    {
      rule: name ?? values.match,
      ...values,
      waitForDownloads,
      ...(speaksFor && { speaksFor }),
      ...(gateway !== undefined && { gateway }),
      ...(signers && { signers }),
      ...(signature && { signature }),
    },
  ]
}

function refused(source: Source, key: string, problem: string, reading: Reading): readonly Rule[] {
  reading.errors.push({ ...source.place, key, problem })
  return []
}
