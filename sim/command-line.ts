/** What `npm run simulate` is asked to play. What would be dropped, or means nothing, is refused before anything is played. */
import { parseArgs } from 'node:util'
import { Fault } from '../core/fault.ts'
import type { Play } from './play.ts'
import { PLAYS } from './scenarios/all.ts'
import { MAX_NODES_PER_SUBNET, type Parameters } from './stage.ts'

/** One scenario with one seed. */
export interface Job {
  readonly play: Play
  readonly parameters: Parameters
}

/** Every seed from `first` to `last` among hostile peers. */
export interface HostileJob {
  readonly first: number
  readonly last: number
  /** What the connection to the Internet carries, and as it was written; absent: as the runs have it. */
  readonly line?: { readonly text: string; readonly bytesPerSecond: number }
  readonly isJson: boolean
}

export type Command =
  | { readonly kind: 'help' }
  | { readonly kind: 'report'; readonly folder: string }
  | ({ readonly kind: 'hostile' } & HostileJob)
  | { readonly kind: 'plays'; readonly jobs: readonly Job[]; readonly isJson: boolean }

/** Fewer bytes than this, of all files together, take less time than what else everybody waits for: no check of it would hold. */
export const LEAST_BYTES = 1_000_000

const OPTIONS = {
  scenario: { type: 'string' },
  nodes: { type: 'string' },
  subnets: { type: 'string' },
  seed: { type: 'string' },
  seeds: { type: 'string' },
  loss: { type: 'string' },
  bytes: { type: 'string' },
  hostile: { type: 'string' },
  line: { type: 'string' },
  report: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const

type Option = keyof typeof OPTIONS
type Values = ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>['values']

/** What may be given beside each of these. */
const BESIDE: Readonly<Record<'report' | 'hostile', ReadonlySet<Option>>> = {
  report: new Set(),
  hostile: new Set(['line', 'json']),
}

/** @throws Fault BAD_REQUEST with what was expected; an error of `parseArgs`. */
export function readCommandLine(args: readonly string[]): Command {
  const { values } = parseArgs({ args: [...args], options: OPTIONS })
  if (values.help) return { kind: 'help' }
  checkTogether(values)
  const isJson = values.json === true
  if (values.report !== undefined) return { kind: 'report', folder: values.report }
  if (values.hostile === undefined) return { kind: 'plays', jobs: jobsOf(values), isJson }
  const [first, last] = rangeOf('--hostile', values.hostile)
  const line = values.line === undefined ? {} : { line: lineOf(values.line) }
  return { kind: 'hostile', first, last, ...line, isJson }
}

function checkTogether(values: Values): void {
  for (const way of ['report', 'hostile'] as const) {
    if (values[way] === undefined) continue
    const other = (Object.keys(values) as Option[]).find((each) => each !== way && !BESIDE[way].has(each))
    if (other !== undefined) throw usage(`--${other} does not go together with --${way}`)
  }
  if (values.line !== undefined && values.hostile === undefined)
    throw usage('--line goes with --hostile only')
  if (values.seed !== undefined && values.seeds !== undefined)
    throw usage('--seed does not go together with --seeds')
}

function jobsOf(values: Values): Job[] {
  const plays = values.scenario === undefined ? PLAYS : [playOf(values.scenario)]
  const [first, last] = seedsOf(values)
  const loss = lossOf(values.loss)
  const bytes = wholeOf('--bytes', values.bytes)
  const given = { ...(loss === undefined ? {} : { loss }), ...(bytes === undefined ? {} : { bytes }) }
  return plays.flatMap((play) => {
    checkBytes(play, bytes)
    const places = placesOf(play, values)
    return Array.from({ length: last - first + 1 }, (_, at) => {
      return { play, parameters: { seed: first + at, ...places, ...given } }
    })
  })
}

function checkBytes({ name, leastBytes = LEAST_BYTES }: Play, bytes: number | undefined): void {
  if (bytes !== undefined && bytes < leastBytes)
    throw usage(`--bytes: expected at least ${leastBytes} for ${name}, got ${bytes}`)
}

function placesOf(play: Play, values: Values): Pick<Parameters, 'nodes' | 'subnets'> {
  const subnets = wholeOf('--subnets', values.subnets) ?? play.subnets
  if (subnets < 1) throw usage(`--subnets: expected at least 1, got ${subnets}`)
  const nodes = wholeOf('--nodes', values.nodes) ?? play.nodes * subnets
  if (nodes < subnets || nodes > subnets * MAX_NODES_PER_SUBNET)
    throw usage(
      `--nodes: expected 1 to ${MAX_NODES_PER_SUBNET} in each of ${subnets} subnets, got ${nodes} in all`,
    )
  return { nodes, subnets }
}

function playOf(name: string): Play {
  const play = PLAYS.find((each) => each.name === name)
  if (play !== undefined) return play
  throw usage(`--scenario: expected one of ${PLAYS.map((each) => each.name).join(', ')}, got "${name}"`)
}

function seedsOf({ seed = '1', seeds }: Values): readonly [first: number, last: number] {
  if (seeds !== undefined) return rangeOf('--seeds', seeds)
  if (!/^\d{1,9}$/.test(seed)) throw usage(`--seed: expected a whole number, got "${seed}"`)
  return [Number(seed), Number(seed)]
}

function rangeOf(option: string, text: string): readonly [first: number, last: number] {
  const [, first, last] = /^(\d{1,9})\.\.(\d{1,9})$/.exec(text) ?? []
  if (first === undefined || last === undefined || Number(last) < Number(first))
    throw usage(`${option}: expected two numbers like 1..1000, got "${text}"`)
  return [Number(first), Number(last)]
}

function lossOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const share = text.trim() === '' ? NaN : Number(text)
  if (share >= 0 && share <= 1) return share
  throw usage(`--loss: expected a share from 0 to 1, got "${text}"`)
}

function wholeOf(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw usage(`${option}: expected a whole number, got "${text}"`)
}

const UNITS = { kB: 1000, MB: 1_000_000 } as const

function lineOf(text: string): NonNullable<HostileJob['line']> {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(kB|MB)$/.exec(text) ?? []
  const bytesPerSecond = Number(number) * UNITS[unit as keyof typeof UNITS]
  if (bytesPerSecond > 0) return { text, bytesPerSecond }
  throw usage(`--line: expected a rate like 1MB or 500kB, got "${text}"`)
}

function usage(message: string): Fault {
  return new Fault('BAD_REQUEST', message)
}
