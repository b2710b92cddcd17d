/** URL globs, compiled and matched. How patterns are written: glob-pattern.ts. How they are matched: glob-automaton.ts. */
import { GlobAutomaton, type Instruction } from './glob-automaton.ts'
import { parseGlobPattern } from './glob-pattern.ts'
import type { Part } from './glob-pattern.ts'

export interface Glob {
  readonly program: readonly Instruction[]
  /** Whether the query is part of what is compared. */
  readonly withQuery: boolean
  readonly automaton: GlobAutomaton
  /** What every URI that matches has somewhere: to look for that costs next to nothing. */
  readonly literal: string
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
    : { kind: 'glob', glob: globOf(program, pattern.includes('?'), longestLiteral(parsed.parts)) }
}

function globOf(program: readonly Instruction[], withQuery: boolean, literal: string): Glob {
  return { program, withQuery, automaton: new GlobAutomaton(program), literal }
}

/** The longest run of characters that the parts demand one by one, but for what every URI begins with. */
function longestLiteral(parts: readonly Part[]): string {
  let longest = ''
  let run = ''
  for (const part of parts) {
    const isLiteral = part.kind === 'one' && part.chars.length === 1 && !part.negated
    run = isLiteral ? run + part.chars.repeat(part.repeats) : ''
    if (run.length > longest.length && !'http://'.startsWith(run)) longest = run
  }
  return longest
}

/** Whether the glob matches this URI (a normalized one: core/target-uri.ts). */
export function matchesGlob(glob: Glob, uri: string): boolean {
  return uri.includes(glob.literal) && glob.automaton.matches(glob.withQuery ? uri : withoutQuery(uri))
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
