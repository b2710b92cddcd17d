/**
 * URL globs, compiled and matched. How patterns are written: glob-pattern.ts.
 *
 * A glob is a small program for many threads in step (Thompson's construction), so the time is at most
 * characters times instructions, whatever URL a stranger makes up. URIs are read backwards, for they differ
 * at the end: most rules are out after a few characters.
 */
import { parseGlobPattern } from './glob-pattern.ts'
import type { Part } from './glob-pattern.ts'

export type Instruction =
  /** Takes one character that is in `chars` (or, `negated`, is not) and goes on to the next instruction. */
  | { readonly kind: 'one'; readonly chars: string; readonly negated: boolean }
  /** Takes nothing and goes on to each of these instructions; the program's length as a target means "matched". */
  | { readonly kind: 'fork'; readonly targets: readonly number[] }

export interface Glob {
  readonly program: readonly Instruction[]
  /** Whether the query is part of what is compared. */
  readonly withQuery: boolean
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
    : { kind: 'glob', glob: { program, withQuery: pattern.includes('?') } }
}

/** Whether the glob matches this URI (a normalized one: core/target-uri.ts). */
export function matchesGlob(glob: Glob, uri: string): boolean {
  const text = glob.withQuery ? uri : withoutQuery(uri)
  let threads = follow(glob.program, [0])
  for (let at = text.length - 1; at >= 0 && threads.length > 0; at -= 1) {
    const character = text.charAt(at)
    const next = threads.filter((thread) => takes(glob.program[thread], character))
    threads = follow(
      glob.program,
      next.map((thread) => thread + 1),
    )
  }
  return threads.includes(glob.program.length)
}

function withoutQuery(uri: string): string {
  const at = uri.indexOf('?')
  return at === -1 ? uri : uri.slice(0, at)
}

function takes(instruction: Instruction | undefined, character: string): boolean {
  return instruction?.kind === 'one' && instruction.chars.includes(character) !== instruction.negated
}

/** Where the threads stand once every fork is taken; each place once. */
function follow(program: readonly Instruction[], from: readonly number[]): number[] {
  const reached = new Set(from)
  for (const at of reached) {
    const instruction = program[at]
    if (instruction?.kind === 'fork') instruction.targets.forEach((target) => reached.add(target))
  }
  return [...reached].filter((at) => program[at]?.kind !== 'fork')
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
