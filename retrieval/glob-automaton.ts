/**
 * Runs a compiled glob over a text.
 *
 * A glob is a small program for many threads in step (Thompson's construction), so the time is at most characters times
 * instructions, whatever URL a stranger makes up. Which places the threads reach with which character is remembered, so
 * that a text like those before costs one look-up a character. Texts are read backwards, for URIs differ at the end: most
 * rules are out after a few characters.
 */

export type Instruction =
  /** Takes one character that is in `chars` (or, `negated`, is not) and goes on to the next instruction. */
  | { readonly kind: 'one'; readonly chars: string; readonly negated: boolean }
  /** Takes nothing and goes on to each of these instructions; the program's length as a target means "matched". */
  | { readonly kind: 'fork'; readonly targets: readonly number[] }

/** A set of places where threads stand. */
interface State {
  readonly threads: readonly number[]
  readonly isMatch: boolean
  /** By the code of the next character, as far as it was met. */
  readonly next: Map<number, State>
}

/** States and steps that one glob remembers; beyond them it forgets all and begins anew. */
export const MAX_REMEMBERED_STEPS = 1024

export class GlobAutomaton {
  readonly #program: readonly Instruction[]
  #states = new Map<string, State>()
  #steps = 0
  #start: State

  constructor(program: readonly Instruction[]) {
    this.#program = program
    this.#start = this.#stateAt([0])
  }

  /** Steps that are remembered now. */
  get remembered(): number {
    return this.#steps
  }

  /** Whether the program, run over the whole text, ends in a match. */
  matches(text: string): boolean {
    let state = this.#start
    for (let at = text.length - 1; at >= 0; at -= 1) {
      if (state.threads.length === 0) return false
      const code = text.charCodeAt(at)
      state = state.next.get(code) ?? this.#step(state, code)
    }
    return state.isMatch
  }

  /** Whether a text with this end could match. */
  mayEndWith(end: string): boolean {
    let state = this.#start
    for (let at = end.length - 1; at >= 0; at -= 1)
      state = state.next.get(end.charCodeAt(at)) ?? this.#step(state, end.charCodeAt(at))
    return state.threads.length > 0
  }

  #step(from: State, code: number): State {
    if (this.#steps >= MAX_REMEMBERED_STEPS) this.#forget()
    const character = String.fromCharCode(code)
    const taking = from.threads.filter((thread) => takes(this.#program[thread], character))
    const state = this.#stateAt(taking.map((thread) => thread + 1))
    from.next.set(code, state)
    this.#steps += 1
    return state
  }

  #forget(): void {
    this.#states = new Map()
    this.#steps = 0
    this.#start = this.#stateAt([0])
  }

  #stateAt(places: readonly number[]): State {
    const threads = follow(this.#program, places)
    const key = threads.join()
    const known = this.#states.get(key)
    if (known !== undefined) return known
    const state = { threads, isMatch: threads.includes(this.#program.length), next: new Map<number, State>() }
    this.#states.set(key, state)
    return state
  }
}

function takes(instruction: Instruction | undefined, character: string): boolean {
  return instruction?.kind === 'one' && instruction.chars.includes(character) !== instruction.negated
}

/** Where the threads stand once every fork is taken; each place once, ascending. */
function follow(program: readonly Instruction[], from: readonly number[]): number[] {
  const reached = new Set(from)
  for (const at of reached) {
    const instruction = program[at]
    if (instruction?.kind === 'fork') instruction.targets.forEach((target) => reached.add(target))
  }
  return [...reached].filter((at) => program[at]?.kind !== 'fork').toSorted((one, other) => one - other)
}
