/** All functions that a node knows of: bounded, because strangers can invent names. */
import type { FunctionName } from './functions.ts'
import { OneFunction, type OneFunctionComponents } from './one-function.ts'
import type { KnownFunction, ProviderBook } from './provider-book.ts'
import { faultOf } from './result.ts'

/** Functions that are known of; of those that nobody here needs, the one that is known longest goes first. */
export const MAX_FUNCTIONS = 64

export class FunctionTable {
  readonly #components: OneFunctionComponents
  readonly #functions = new Map<FunctionName, OneFunction>()

  /** Begins with what was known before, as far as it may still be believed. */
  constructor(components: OneFunctionComponents, book: ProviderBook) {
    this.#components = components
    for (const known of book.load())
      this.#functions.set(known.name, new OneFunction(known.name, components, this.#stillGood(known)))
  }

  all(): readonly OneFunction[] {
    return [...this.#functions.values()]
  }

  find(name: FunctionName): OneFunction | undefined {
    return this.#functions.get(name)
  }

  /** What is not known yet is known from now on. @param isNeeded by somebody on this node; else it is noted where there is room. */
  get(name: FunctionName, isNeeded: boolean): OneFunction | undefined {
    const known = this.#functions.get(name)
    if (known !== undefined) return known
    if (this.#functions.size >= MAX_FUNCTIONS && !this.#makeRoom(isNeeded)) return undefined
    const one = new OneFunction(name, this.#components)
    this.#functions.set(name, one)
    return one
  }

  #makeRoom(isNeeded: boolean): boolean {
    const dispensable = this.all().find((each) => !each.isPinned && (isNeeded || each.result === undefined))
    if (dispensable === undefined) return false
    dispensable.stop()
    return this.#functions.delete(dispensable.name)
  }

  #stillGood(known: KnownFunction): KnownFunction {
    const { signing, clock } = this.#components
    const isGood = known.result !== undefined && faultOf(known.result, signing(), clock.wall()) === undefined
    return isGood ? known : { ...known, result: undefined }
  }
}
