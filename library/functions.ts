/** Functions that an application performs for the LAN, and asks for. */
import { NO_LONGER_NEEDED } from '../core/ended.ts'
import { describe, Fault } from '../core/fault.ts'
import type { OfferLine, OfferQuestion } from '../service/applications/providing.ts'
import type { ToldProvider } from '../service/applications/told-provider.ts'
import { OPERATIONS } from '../service/control.ts'
import type { Channel } from './channel.ts'

/** A standing offer. */
export interface Offered extends AsyncDisposable {
  /** Whether this application is the one who performs it for the LAN now. */
  readonly isProvider: boolean
  /** Settles when the offer ends: rejects when the node has gone. */
  readonly ended: Promise<void>
  /** Takes it back; somebody else is elected. Safe more than once. */
  withdraw(): Promise<void>
}

export interface OfferTerms extends Omit<OfferQuestion, 'function'> {
  /** Told when this application becomes, or ceases to be, the provider. */
  readonly onChange?: (isProvider: boolean) => void
}

/** Resolves when the offer stands. @throws Fault */
export async function offered(
  channel: Channel,
  name: string,
  { onChange, ...terms }: OfferTerms,
  signal: AbortSignal,
): Promise<Offered> {
  const over = new AbortController()
  const state = { isProvider: false }
  const standing = Promise.withResolvers<void>()
  const note = (isProvider: boolean) => {
    state.isProvider = isProvider
    onChange?.(isProvider)
  }
  const follow = async () => {
    const asked = { ...terms, function: name }
    const until = AbortSignal.any([signal, over.signal])
    for await (const each of channel.ask(OPERATIONS.offer, asked, until)) {
      const line = each as OfferLine | null
      if (line?.kind === 'offered') standing.resolve()
      else if (line !== null) note(line.kind === 'won')
    }
  }
  const ended = follow().catch((error: unknown) => {
    if (!over.signal.aborted) throw error
  })
  ended.catch(standing.reject)
  await standing.promise
  const withdraw = async () => {
    over.abort(NO_LONGER_NEEDED)
    await ended.catch(() => {})
  }
  return {
    get isProvider() {
      return state.isProvider
    },
    ended,
    withdraw,
    [Symbol.asyncDispose]: withdraw,
  }
}

/** Providers that are tried one after the other. */
const MAX_TRIES = 3

/** What it takes to use a function. */
export interface FunctionUse<Result> {
  readonly find: (fresh: boolean) => Promise<ToldProvider | undefined>
  readonly report: (provider: ToldProvider, reason: string) => Promise<void>
  readonly use: (provider: ToldProvider) => Promise<Result>
  readonly signal?: AbortSignal | undefined
}

/** @throws Fault NOT_FOUND when nobody performs it; what the last try throws. */
export async function used<Result>(
  name: string,
  { find, report, use, signal }: FunctionUse<Result>,
): Promise<Result> {
  for (let tries = 1; ; tries += 1) {
    const provider = await find(tries > 1)
    if (provider === undefined) throw new Fault('NOT_FOUND', `nobody performs ${name}`)
    try {
      return await use(provider)
    } catch (error) {
      // Who gave it up himself has nothing to say about the provider.
      if (signal?.aborted === true) throw error
      await report(provider, describe(error)).catch(() => {})
      if (tries === MAX_TRIES) throw error
    }
  }
}
