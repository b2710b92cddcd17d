/** Functions whose providers a test decides. */
import type { Functions, FunctionEvent, Provider } from '../../providers/functions.ts'

export interface FakeFunctions extends Functions {
  /** Who provides, from now on; the first of a name is found. */
  providers: readonly Provider[]
  readonly reported: { readonly provider: Provider; readonly reason: string }[]
  say(event: FunctionEvent): void
}

export function fakeFunctions(providers: readonly Provider[] = []): FakeFunctions {
  const listeners = new Set<(event: FunctionEvent) => void>()
  const find = async (name: string) => fake.providers.find((each) => each.function === name)
  const fake: FakeFunctions = {
    providers,
    reported: [],
    offer: () => ({ withdraw() {} }),
    find,
    elect: find,
    report: (provider, reason) => void fake.reported.push({ provider, reason }),
    known: () => fake.providers,
    subscribe(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    say: (event) => {
      for (const listener of listeners) listener(event)
    },
  }
  return fake
}
