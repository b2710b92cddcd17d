/**
 * The peering server's side of one request (patent A, FIGS. 3 and 5).
 *
 *   idle 122 ──"I need"──► locating 124 ──not here──► idle 122
 *                              │ here
 *                              ▼
 *                         delaying 126 ──"I found"──► canceled 128
 *                              │ the delay is over
 *                              ▼
 *                         answered 130 ("I have", unicast)
 *
 * One machine per request that was heard, so that new ones are served whatever the others do (R3.3). 128 and 130
 * lead back to idle at once: for this machine they are the end, and its owner forgets it. A node that is itself
 * fetching the resource answers "I am downloading" from 124 without a delay: nobody else would say the same
 * (FIG. 7, step 216B). An event without a transition changes nothing.
 */
import type { Monotonic } from '../../core/clock.ts'

/** What is known here of a resource that was asked for. */
export type Located<Offer> =
  | { readonly kind: 'absent' }
  | { readonly kind: 'complete'; readonly offer: Offer }
  | { readonly kind: 'downloading'; readonly offer: Offer }

export type AnswerState<Offer> =
  | { readonly kind: 'idle' } // 122
  | { readonly kind: 'locating'; readonly maxDelayMs: number } // 124
  | { readonly kind: 'delaying'; readonly offer: Offer; readonly due: Monotonic } // 126
  | { readonly kind: 'canceled' } // 128
  | { readonly kind: 'answered' } // 130

export type AnswerEvent<Offer> =
  /** "I need" was heard; the asker lets holders wait up to `maxDelayMs` before they answer. */
  | { readonly kind: 'request'; readonly maxDelayMs: number }
  /** The outcome of `locate`, with a random `fraction` in [0, 1) for the delay response period. */
  | {
      readonly kind: 'located'
      readonly at: Monotonic
      readonly located: Located<Offer>
      readonly fraction: number
    }
  /** "I found" of this request was heard. */
  | { readonly kind: 'end-request' }
  /** The copy was removed, or this node has reached its upload limit (R3.5). */
  | { readonly kind: 'withdrawn' }
  | { readonly kind: 'wake'; readonly at: Monotonic }

export type AnswerCommand<Offer> =
  | { readonly kind: 'locate' }
  | { readonly kind: 'wake'; readonly at: Monotonic }
  | { readonly kind: 'send-response'; readonly offer: Offer }
  | { readonly kind: 'send-downloading'; readonly offer: Offer }

type Step<Offer> = readonly [AnswerState<Offer>, readonly AnswerCommand<Offer>[]]

export const initialAnswer: AnswerState<never> = { kind: 'idle' }

/** Whether the machine has come to its end and may be forgotten. */
export function isAnswerOver(state: AnswerState<unknown>): boolean {
  return state.kind === 'idle' || state.kind === 'canceled' || state.kind === 'answered'
}

export function stepAnswer<Offer>(state: AnswerState<Offer>, event: AnswerEvent<Offer>): Step<Offer> {
  switch (event.kind) {
    case 'request':
      return state.kind === 'idle'
        ? [{ kind: 'locating', maxDelayMs: event.maxDelayMs }, [{ kind: 'locate' }]] // 122 → 124
        : [state, []]
    case 'located':
      return state.kind === 'locating' ? afterLocating(state.maxDelayMs, event) : [state, []]
    case 'end-request':
      return state.kind === 'delaying' ? [{ kind: 'canceled' }, []] : [state, []] // 126 → 128
    case 'withdrawn':
      return state.kind === 'delaying' ? [{ kind: 'idle' }, []] : [state, []]
    case 'wake':
      return state.kind === 'delaying' ? afterWaking(state, event.at) : [state, []]
  }
}

function afterLocating<Offer>(
  maxDelayMs: number,
  event: Extract<AnswerEvent<Offer>, { kind: 'located' }>,
): Step<Offer> {
  switch (event.located.kind) {
    case 'absent':
      return [{ kind: 'idle' }, []] // 124 → 122
    case 'downloading':
      return [{ kind: 'answered' }, [{ kind: 'send-downloading', offer: event.located.offer }]]
    case 'complete': {
      const due = (event.at + maxDelayMs * event.fraction) as Monotonic
      return [{ kind: 'delaying', offer: event.located.offer, due }, [{ kind: 'wake', at: due }]] // 124 → 126
    }
  }
}

/** An early wake-up is harmless: the machine says again when it wants to be woken. */
function afterWaking<Offer>(
  state: Extract<AnswerState<Offer>, { kind: 'delaying' }>,
  at: Monotonic,
): Step<Offer> {
  if (at < state.due) return [state, [{ kind: 'wake', at: state.due }]]
  return [{ kind: 'answered' }, [{ kind: 'send-response', offer: state.offer }]] // 126 → 130
}

/** The transitions of FIG. 3, for the state diagram and the tests. */
export const ANSWER_TRANSITIONS = [
  ['idle', 'request', 'locating', '122 → 124'],
  ['locating', 'located', 'idle', '124 → 122: no local aliased copy'],
  ['locating', 'located', 'delaying', '124 → 126: random delay'],
  ['locating', 'located', 'answered', '124 → "I am downloading" (FIG. 7, 216B)'],
  ['delaying', 'end-request', 'canceled', '126 → 128: "I found" heard'],
  ['delaying', 'withdrawn', 'idle', '126 → 122: nothing to offer any more'],
  ['delaying', 'wake', 'delaying', '126: woken early'],
  ['delaying', 'wake', 'answered', '126 → 130: "I have"'],
] as const
