/** Functions that an application performs for the LAN, and asks for. */
import type { Clock } from '../core/clock.ts'
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
  const ended = follow()
    .catch((error: unknown) => {
      if (!over.signal.aborted) throw error
    })
    .finally(() => {
      // Whoever has no node performs nothing for the LAN.
      if (state.isProvider) note(false)
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

/** A provider that has not performed after so long did not answer, in ms; `waitMs` says otherwise. */
export const USE_MS = 30_000

export interface RequestOptions {
  /** Gives it up, at any point; the provider is not reported for it. */
  readonly signal?: AbortSignal
  /** How long each provider may take, in ms, before it is reported and the next one tried; absent: 30,000. */
  readonly waitMs?: number
}

/** What it takes to use a function. */
export interface FunctionUse<Result> {
  readonly find: (fresh: boolean) => Promise<ToldProvider | undefined>
  readonly report: (provider: ToldProvider, reason: string) => Promise<void>
  readonly use: (provider: ToldProvider, signal: AbortSignal) => Promise<Result>
  readonly clock: Pick<Clock, 'after'>
  readonly signal?: AbortSignal | undefined
  readonly waitMs?: number | undefined
}

/**
 * @throws Fault NOT_FOUND when nobody performs it, PEER_FAILED when nobody does but those that failed (`cause`), PEER_STALLED
 *   when the last one did not answer, ABORTED; what the last try throws.
 */
export async function used<Result>(name: string, asked: FunctionUse<Result>): Promise<Result> {
  const { find, report, signal } = asked
  let failed: { readonly error: unknown; readonly location: string } | undefined
  for (let tries = 1; ; tries += 1) {
    const provider = await find(tries > 1)
    if (provider === undefined) throw nobodyElse(name, failed)
    try {
      return await usedOnce(provider, asked)
    } catch (error) {
      // Who gave it up himself has nothing to say about the provider.
      if (signal?.aborted === true) throw error
      await report(provider, describe(error)).catch(() => {})
      if (tries === MAX_TRIES) throw error
      failed = { error, location: provider.location }
    }
  }
}

/** Ends with the signal or the time, whether or not the application heeds them. */
async function usedOnce<Result>(
  provider: ToldProvider,
  { use, clock, signal, waitMs = USE_MS }: FunctionUse<Result>,
): Promise<Result> {
  const over = new AbortController()
  const { promise: ended, reject } = Promise.withResolvers<never>()
  const end = (fault: Fault) => {
    reject(fault)
    over.abort(fault)
  }
  const giveUp = () => end(new Fault('ABORTED', 'the request was given up', { cause: signal?.reason }))
  const cancel = clock.after(waitMs, () =>
    end(new Fault('PEER_STALLED', `${provider.location} did not answer within ${waitMs} ms`)),
  )
  signal?.addEventListener('abort', giveUp, { once: true })
  ended.catch(() => {})
  try {
    if (signal?.aborted === true) giveUp()
    else return await Promise.race([use(provider, over.signal), ended])
    return await ended
  } finally {
    cancel()
    signal?.removeEventListener('abort', giveUp)
  }
}

function nobodyElse(
  name: string,
  failed: { readonly error: unknown; readonly location: string } | undefined,
): Fault {
  if (failed === undefined) return new Fault('NOT_FOUND', `nobody performs ${name}`)
  const { error, location } = failed
  const why = `nobody else performs ${name}, and ${location} failed: ${describe(error)}`
  return new Fault('PEER_FAILED', why, { cause: error })
}
