/** Modules that a start does not need, or not all of: what is not loaded costs neither time nor memory. */
import { createRequire } from 'node:module'

const load = createRequire(import.meta.url)

/** @returns gives the module `name`, ES modules too, which is loaded when it is first asked for; its type is the caller's to say. */
export function onDemand(name: string): () => unknown {
  let module: unknown
  return () => (module ??= load(name))
}
