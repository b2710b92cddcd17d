/** Providers of functions as applications are told of them: values that JSON can say. */
import type { Provider } from '../../providers/functions.ts'

/** Who performs a function, as far as this node knows. */
export interface ToldProvider {
  readonly function: string
  readonly node: string
  /** The site key of the member who signed it; absent: a stranger, whose word is a hint and no more. */
  readonly member?: string
  /** Where it performs the function: `http://address:port/…`. */
  readonly location: string
  /** The criterion's value that it won with, 0 to 1,000,000. */
  readonly value: number
  /** Grows with each election; 0 for a configured provider. */
  readonly term: number
  readonly source: Provider['source']
}

export function toldProvider(provider: Provider): ToldProvider {
  const { function: name, node, member, location, value, term, source } = provider
  const told = { function: name, node, location, value, term, source }
  return member === undefined ? told : { ...told, member }
}
