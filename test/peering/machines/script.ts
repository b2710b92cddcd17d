/**
 * Tests of the machines as scripts: line by line what arrives, the state that must follow, the commands that must
 * leave. Every step, of a script or of a property, is checked against the machine's table of transitions.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Monotonic } from '../../../core/clock.ts'

interface Tagged {
  readonly kind: string
}

export interface Machine<S extends Tagged, E extends Tagged, C extends Tagged> {
  readonly initial: S
  readonly step: (state: S, event: E) => readonly [S, readonly C[]]
  /** From, event, to, and the figure's numbers. */
  readonly transitions: readonly (readonly [from: string, event: string, to: string, note: string])[]
}

/** What arrives, the state after it, and the commands; no commands: none may leave. */
export type Line<E, C> = readonly [arrives: E, state: string, ...leaves: C[]]

export type Script<E, C> = readonly Line<E, C>[]

export const at = (ms: number): Monotonic => ms as Monotonic

/** Takes one step; a step that does anything must be in the table. @returns the transition, if it was one. */
export function stepListed<S extends Tagged, E extends Tagged, C extends Tagged>(
  machine: Machine<S, E, C>,
  state: S,
  event: E,
): { readonly state: S; readonly commands: readonly C[]; readonly transition: string | undefined } {
  const [next, commands] = machine.step(state, event)
  if (next === state && commands.length === 0) return { state, commands, transition: undefined }
  const transition = `${state.kind} ${event.kind} ${next.kind}`
  const listed = machine.transitions.some(([from, what, to]) => `${from} ${what} ${to}` === transition)
  assert.ok(listed, `not in the table: ${transition}`)
  return { state: next, commands, transition }
}

/** Plays the lines from the initial state. @returns the transitions that were made. */
export function play<S extends Tagged, E extends Tagged, C extends Tagged>(
  machine: Machine<S, E, C>,
  script: Script<E, C>,
): Set<string> {
  const made = new Set<string>()
  let current = machine.initial
  for (const [line, [event, expected, ...leaves]] of script.entries()) {
    const { state, commands, transition } = stepListed(machine, current, event)
    const where = `line ${line + 1}, ${event.kind}`
    assert.equal(state.kind, expected, where)
    assert.deepEqual(commands, leaves, where)
    if (transition !== undefined) made.add(transition)
    current = state
  }
  return made
}

/** One test for each script, and one that together they make every transition of the table. */
export function testScripts<S extends Tagged, E extends Tagged, C extends Tagged>(
  machine: Machine<S, E, C>,
  scripts: Readonly<Record<string, Script<E, C>>>,
): void {
  for (const [name, script] of Object.entries(scripts)) test(name, () => void play(machine, script))
  test('every transition of the table is made by a script, and the table lists each once', () => {
    const made = new Set(Object.values(scripts).flatMap((script) => [...play(machine, script)]))
    const listed = machine.transitions.map(([from, event, to]) => `${from} ${event} ${to}`)
    assert.deepEqual(
      listed.filter((transition) => !made.has(transition)),
      [],
    )
    assert.equal(new Set(listed).size, listed.length)
  })
}
