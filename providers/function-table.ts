/** All functions that a node knows of: bounded, because strangers can invent names. */
import type { FunctionName } from './functions.ts'
import { OneFunction, type OneFunctionComponents } from './one-function.ts'
import type { KnownFunction, ProviderBook } from './provider-book.ts'
import { faultOf } from './result.ts'

/** Functions that are known of, beside the reserved; of those that nobody here needs, the one known longest goes first. */
export const MAX_FUNCTIONS = 64

/** Of these, as many may be one member's, or one stranger's address, or of this node's own applications. */
export const MAX_OF_ONE = 16

export class FunctionTable {
  readonly #components: OneFunctionComponents
  /** The product's own: they have places that nothing else takes. */
  readonly #reserved: ReadonlySet<FunctionName>
  readonly #functions = new Map<FunctionName, OneFunction>()

  /** Begins with what was known before, as far as it may still be believed. */
  constructor(components: OneFunctionComponents, book: ProviderBook, reserved: Iterable<FunctionName> = []) {
    this.#components = components
    this.#reserved = new Set(reserved)
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
    if (!this.#reserved.has(name) && this.#others().length >= MAX_FUNCTIONS && !this.#makeRoom(isNeeded))
      return undefined
    const one = new OneFunction(name, this.#components)
    this.#functions.set(name, one)
    return one
  }

  /** Whether whoever performs these may perform this one, too. */
  hasShare(name: FunctionName, isOfThatOne: (one: OneFunction) => boolean): boolean {
    const others = this.#others().filter((each) => each.name !== name)
    return this.#reserved.has(name) || others.filter((each) => isOfThatOne(each)).length < MAX_OF_ONE
  }

  #others(): readonly OneFunction[] {
    return this.all().filter(({ name }) => !this.#reserved.has(name))
  }

  /** What was asked for lately goes last. */
  #makeRoom(isNeeded: boolean): boolean {
    const unpinned = this.#others().filter(
      (each) => !each.isPinned && (isNeeded || each.result === undefined),
    )
    const dispensable = unpinned.find((each) => !each.isWanted) ?? unpinned[0]
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
