/** URL globs, compiled and matched. How patterns are written: glob-pattern.ts. How they are matched: glob-automaton.ts. */
import { GlobAutomaton, type Instruction } from './glob-automaton.ts'
import { parseGlobPattern } from './glob-pattern.ts'
import type { Part } from './glob-pattern.ts'

export interface Glob {
  readonly program: readonly Instruction[]
  /** Whether the query is part of what is compared. */
  readonly withQuery: boolean
  readonly automaton: GlobAutomaton
  /** Every URI that matches has one of these somewhere: to look for them costs next to nothing. None: any may match. */
  readonly literals: readonly string[]
}

/** Bounds what one rule can cost: an instruction is at most one step per character of the URI. */
export const MAX_INSTRUCTIONS = 4096

export type CompiledGlob =
  | { readonly kind: 'glob'; readonly glob: Glob }
  /** `expected` completes the sentence "expected …". */
  | { readonly kind: 'invalid'; readonly expected: string }

export function compileGlob(pattern: string): CompiledGlob {
  const parsed = parseGlobPattern(pattern)
  if (parsed.kind === 'invalid') return parsed
  const program: Instruction[] = []
  emit(parsed.parts, program)
  return program.length > MAX_INSTRUCTIONS
    ? { kind: 'invalid', expected: `a shorter URL glob (at most ${MAX_INSTRUCTIONS} characters to compare)` }
    : { kind: 'glob', glob: globOf(program, pattern.includes('?'), requiredLiterals(parsed.parts)) }
}

function globOf(program: readonly Instruction[], withQuery: boolean, literals: readonly string[]): Glob {
  return { program, withQuery, automaton: new GlobAutomaton(program), literals }
}

/** Of all runs of characters that the parts demand, and of all choices between such, the one that fewest URIs have. */
function requiredLiterals(parts: readonly Part[]): readonly string[] {
  let best: readonly string[] = []
  let run = ''
  for (const part of parts) {
    const isLiteral = part.kind === 'one' && part.chars.length === 1 && !part.negated
    run = isLiteral ? run + part.chars.repeat(part.repeats) : ''
    best = rarer(best, part.kind === 'either' ? literalsOfEach(part.choices) : literalIn(run))
  }
  return best
}

/** What every URI begins with tells nothing. */
function literalIn(run: string): readonly string[] {
  return run === '' || 'http://'.includes(run) ? [] : [run]
}

function literalsOfEach(choices: readonly (readonly Part[])[]): readonly string[] {
  const each = choices.map(requiredLiterals)
  return each.every((literals) => literals.length > 0) ? each.flat() : []
}

function rarer(one: readonly string[], other: readonly string[]): readonly string[] {
  return shortest(other) > shortest(one) ? other : one
}

function shortest(literals: readonly string[]): number {
  return literals.length === 0 ? 0 : Math.min(...literals.map(({ length }) => length))
}

/** Finds the URIs that at least one of the globs may match. `undefined`: those are all. */
export function anyLiteral(globs: readonly Glob[]): RegExp | undefined {
  if (globs.some(({ literals }) => literals.length === 0)) return undefined
  const all = new Set(globs.flatMap(({ literals }) => literals))
  return new RegExp(Array.from(all, escaped).join('|') || '(?!)')
}

function escaped(literal: string): string {
  return literal.replace(/\W/g, String.raw`\$&`)
}

/** Whether the glob matches this URI (a normalized one: core/target-uri.ts). */
export function matchesGlob(glob: Glob, uri: string): boolean {
  const { literals, automaton, withQuery } = glob
  if (literals.length > 0 && !literals.some((literal) => uri.includes(literal))) return false
  return automaton.matches(withQuery ? uri : withoutQuery(uri))
}

/** Whether it could match a URI with this end; for those without a query. */
export function mayMatchEnd({ automaton }: Glob, end: string): boolean {
  return automaton.mayEndWith(end)
}

function withoutQuery(uri: string): string {
  const at = uri.indexOf('?')
  return at === -1 ? uri : uri.slice(0, at)
}

/** Writes the parts last one first, since URIs are read backwards. */
function emit(parts: readonly Part[], program: Instruction[]): void {
  for (const each of parts.toReversed()) emitPart(each, program)
}

function emitPart(each: Part, program: Instruction[]): void {
  const at = program.length
  switch (each.kind) {
    case 'one':
      for (let times = 0; times < each.repeats; times += 1)
        program.push({ kind: 'one', chars: each.chars, negated: each.negated })
      return
    case 'any':
      program.push({ kind: 'fork', targets: [at + 1, at + 3] })
      program.push({ kind: 'one', chars: each.except, negated: true })
      program.push({ kind: 'fork', targets: [at] })
      return
    case 'either':
      emitChoices(each.choices, program)
  }
}

function emitChoices(choices: readonly (readonly Part[])[], program: Instruction[]): void {
  const begins: number[] = []
  const end: number[] = []
  program.push({ kind: 'fork', targets: begins })
  for (const choice of choices) {
    begins.push(program.length)
    emit(choice, program)
    program.push({ kind: 'fork', targets: end })
  }
  end.push(program.length)
}
