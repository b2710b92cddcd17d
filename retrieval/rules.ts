/** Rules: which URLs are update URLs, and what the node may do with each (R6.3). The first match wins. */
import { LRUCache } from 'lru-cache'
import { isContentName } from '../core/content-name.ts'
import { Fault } from '../core/fault.ts'
import type { Policy } from '../core/policy.ts'
import type { TargetUri } from '../core/target-uri.ts'
import { anyLiteral, compileGlob, matchesGlob, mayMatchEnd } from './glob.ts'
import type { Glob } from './glob.ts'
import { PRESETS } from './presets.ts'
import type { PresetName, PresetTreatment } from './presets.ts'

/** A policy with the URLs that it is for. */
export interface Rule extends Policy {
  /** A URL glob (glob-pattern.ts). */
  readonly match: string
}

export interface Rules {
  /** The first rule that matches, or `DEFAULT_POLICY`. */
  policyFor(uri: TargetUri): Policy
  /** In the order in which they are tried: the given rules, then the presets'. */
  readonly all: readonly Rule[]
}

/** For URLs that no rule is about: cached like any other response, never named to the LAN. */
export const DEFAULT_POLICY: Policy = {
  rule: 'default',
  share: false,
  immutable: false,
  store: true,
  verify: 'auto',
  waitForDownloads: true,
}

/** Names of content mean what they say, and are asked for by whoever may tell the LAN that it wants it (docs/library.md). */
const CONTENT_POLICY: Policy = {
  rule: 'content',
  share: true,
  immutable: true,
  store: true,
  verify: 'auto',
  waitForDownloads: true,
}

/**
 * @param waitForDownloads what presets and the default policy say of it (`peering.waitForDownloads`).
 * @throws Fault CONFIG_INVALID for a pattern that cannot be compiled; the configuration's own were checked before.
 */
export function compileRules(
  rules: readonly Rule[],
  presets: readonly PresetName[],
  waitForDownloads = true,
): Rules {
  const all = [...rules, ...presetRules(presets, waitForDownloads)]
  const compiled = all.map((rule) => ({ rule, glob: globOf(rule) }))
  const otherwise = { ...DEFAULT_POLICY, waitForDownloads }
  const content = { ...CONTENT_POLICY, waitForDownloads }
  const candidates = candidatesByEnd(compiled)
  const find = (uri: TargetUri) =>
    isContentName(uri) ? content : (firstMatch(candidates(uri), uri)?.rule ?? otherwise)
  // A request asks several times for its policy, and what one machine of the LAN asks for the others ask for, too: only
  // what some rule is about.
  let last: { readonly uri: TargetUri; readonly policy: Policy } | undefined
  const known = new LRUCache<TargetUri, Policy>({ max: REMEMBERED_POLICIES })
  const remember = (uri: TargetUri, policy: Policy) => {
    if (policy !== otherwise) known.set(uri, policy)
    return policy
  }
  return {
    policyFor(uri) {
      if (last?.uri === uri) return last.policy
      const policy = known.get(uri) ?? remember(uri, find(uri))
      last = { uri, policy }
      return policy
    },
    all,
  }
}

/** Rules that may be about a URI. */
interface Candidates<Each> {
  readonly rules: readonly Each[]
  /** What is in every URI that one of them is about; see `anyLiteral`. */
  readonly literal: RegExp | undefined
}

function firstMatch<Each extends { readonly glob: Glob }>(
  { rules, literal }: Candidates<Each>,
  uri: string,
): Each | undefined {
  if (literal?.test(uri) === false) return undefined
  return rules.find(({ glob }) => matchesGlob(glob, uri))
}

/** A hundred patterns cost more than all else about a request, but few of them are about URIs with its last characters. */
function candidatesByEnd<Each extends { readonly glob: Glob }>(
  all: readonly Each[],
): (uri: string) => Candidates<Each> {
  const byEnd = new LRUCache<string, Candidates<Each>>({ max: REMEMBERED_ENDS })
  const whatever = candidatesOf(all)
  return (uri) => {
    if (uri.includes('?')) return whatever
    const end = uri.slice(-END_CHARACTERS)
    const known = byEnd.get(end)
    if (known !== undefined) return known
    const found = candidatesOf(all.filter(({ glob }) => mayMatchEnd(glob, end)))
    byEnd.set(end, found)
    return found
  }
}

function candidatesOf<Each extends { readonly glob: Glob }>(rules: readonly Each[]): Candidates<Each> {
  return { rules, literal: anyLiteral(rules.map(({ glob }) => glob)) }
}

const REMEMBERED_POLICIES = 64
const END_CHARACTERS = 2
const REMEMBERED_ENDS = 4_096

/** The rule's pattern, compiled. @throws Fault CONFIG_INVALID as above. */
export function globOf(rule: Rule): Glob {
  const compiled = compileGlob(rule.match)
  if (compiled.kind === 'glob') return compiled.glob
  throw new Fault('CONFIG_INVALID', `${rule.rule}: expected ${compiled.expected}, got ${rule.match}`)
}

const TREATMENTS: Record<PresetTreatment, Pick<Policy, 'share' | 'immutable' | 'store'>> = {
  immutable: { share: true, immutable: true, store: true },
  volatile: { share: false, immutable: false, store: true },
  untouched: { share: false, immutable: false, store: false },
}

/** The named presets' rules, in the presets' own order, whatever order they are named in. */
function presetRules(names: readonly PresetName[], waitForDownloads: boolean): readonly Rule[] {
  return PRESETS.filter((preset) => names.includes(preset.name)).flatMap((preset) =>
    preset.rules.map(({ match, name, treatment, verify = 'auto', gateway }) => ({
      ...TREATMENTS[treatment],
      ...(gateway === undefined ? {} : { gateway }),
      rule: `${preset.name}: ${name}`,
      match,
      verify,
      waitForDownloads,
    })),
  )
}
