/** The words of the election machine: its states, what can happen to it, what it asks for. */
import type { Monotonic } from '../../core/clock.ts'
import type { NodeId } from '../../peering/packets.ts'
import type { Ballot, Mandate } from './ballot.ts'

/** Durations in ms. What they cost and how they hold together: docs/providers.md, "Bounds". */
export interface ElectionTiming {
  /** The longest response delay period of an election that this node calls. */
  readonly delayMs: number
  /** There and back, as slow as it may be. */
  readonly roundTripMs: number
  /** Between two results that a provider says. */
  readonly heartbeatMs: number
  /** A provider that was not heard for so long is looked for. */
  readonly silenceMs: number
  /** For so long a follower must have been clearly better before it calls an election. */
  readonly doubtMs: number
}

/** Which node the machine is of, and what it goes by. */
export interface Self {
  readonly node: NodeId
  readonly timing: ElectionTiming
}

/** An election under way. */
export interface Contest {
  readonly term: number
  /** The longest response delay period, as its caller said. */
  readonly delayMs: number
  /** When this node heard of it. */
  readonly since: Monotonic
  /** The best that was heard of others. */
  readonly best: Ballot | undefined
  /** The provider that was reported, for whose sake it was called. */
  readonly without: NodeId | undefined
}

/** `due`: when to wake the machine at the latest. `again`: when to say once more what was said, in order. */
export type Phase =
  /** Nobody is known, and nobody is looked for. */
  | { readonly kind: 'idle' }
  /** There should be a provider and is none: random delay before doing something, so that not everybody does. */
  | { readonly kind: 'noticing'; readonly next: 'ask' | 'call'; readonly due: Monotonic }
  /** Has asked who provides (FIG. 9). */
  | { readonly kind: 'asking'; readonly due: Monotonic; readonly again: readonly Monotonic[] }
  /** Has called an election without standing in it. */
  | {
      readonly kind: 'polling'
      readonly contest: Contest
      readonly due: Monotonic
      readonly again: readonly Monotonic[]
    }
  /** Beats what was heard: waits its response delay period. */
  | { readonly kind: 'delaying'; readonly contest: Contest; readonly due: Monotonic }
  /** Has said its value: wins unless a better one is heard. */
  | {
      readonly kind: 'claiming'
      readonly contest: Contest
      /** The value that was said. */
      readonly value: number
      readonly saidAt: Monotonic
      readonly due: Monotonic
      readonly again: readonly Monotonic[]
    }
  /** Is beaten, or only listens: waits for the result. */
  | { readonly kind: 'awaiting'; readonly contest: Contest; readonly due: Monotonic }
  /** Another node provides. */
  | { readonly kind: 'following'; readonly due: Monotonic; readonly doubtSince: Monotonic | undefined }
  /** This node provides, and nothing is disputed. */
  | { readonly kind: 'providing' }

/** What a provider has to do, whatever is being elected meanwhile: say its result. */
export interface Duty {
  readonly saidAt: Monotonic
  readonly due: Monotonic
  readonly again: readonly Monotonic[]
  /** Since when it has been clearly worse than what it won with. */
  readonly doubtSince: Monotonic | undefined
}

export interface ElectionState {
  /** The highest term that was ever heard of: the next election has a higher one. */
  readonly seen: number
  /** The last provider that was believed. */
  readonly mandate: Mandate | undefined
  /** When it was last heard. */
  readonly heardAt: Monotonic
  /** It is gone: nobody provides as far as is known. */
  readonly isLost: boolean
  /** The provider that this node has reported; its word counts again when it is elected anew. */
  readonly without: NodeId | undefined
  /** `undefined`: this node does not provide. */
  readonly duty: Duty | undefined
  readonly phase: Phase
}

/** What comes with every event. */
export interface Moment {
  readonly at: Monotonic
  /** Random, in [0, 1). */
  readonly fraction: number
  /** With what this node would stand now; `undefined`: not at all. */
  readonly own: Ballot | undefined
  /** Somebody on this node wants a provider. */
  readonly isWanted: boolean
}

export type ElectionEvent = Moment &
  /** Somebody on this node looks for a provider. */
  (
    | { readonly kind: 'wanted' }
    /** This node has begun to be able to provide. */
    | { readonly kind: 'offered' }
    /** It no longer can. */
    | { readonly kind: 'withdrawn' }
    /** An election is to be held: by command, or because the provider was reported. */
    | { readonly kind: 'call' }
    /** A provider is known to be gone; or it is reported by this node, and may live without performing the function. */
    | {
        readonly kind: 'absent'
        readonly node: NodeId
        readonly reason: string
        readonly isReported: boolean
      }
    /** Another node asks the LAN who provides. */
    | { readonly kind: 'asked' }
    /** An election packet: initiating or responding; without a ballot from a node that does not stand. */
    | {
        readonly kind: 'election'
        readonly term: number
        readonly delayMs: number
        readonly ballot: Ballot | undefined
        readonly without: NodeId | undefined
      }
    /** An election result, verified: from the provider itself (`ageMs` 0) or from a third party that heard it so long ago. */
    | { readonly kind: 'result'; readonly mandate: Mandate; readonly ageMs: number }
    | { readonly kind: 'wake' }
  )

export type ElectionCommand =
  /** To everybody: who provides? */
  | { readonly kind: 'ask' }
  /** To everybody: an election packet; without a value, this node does not stand. */
  | {
      readonly kind: 'say-ballot'
      readonly term: number
      readonly delayMs: number
      readonly value: number | undefined
      readonly without: NodeId | undefined
    }
  /** To everybody, signed: this node provides. */
  | { readonly kind: 'say-result' }
  /** To everybody: this node provides no longer. */
  | { readonly kind: 'say-resigned'; readonly term: number }
  /** Whoever spoke last knows less than this node: it is told. */
  | { readonly kind: 'correct' }
  /** A candidate that beat all others has not said the result. */
  | { readonly kind: 'broken-word'; readonly node: NodeId }
  | { readonly kind: 'won' }
  /** This node provided until now. */
  | { readonly kind: 'yielded'; readonly reason: string }
  /** The mandate of this event is believed from now on. */
  | { readonly kind: 'learnt' }
  /** It was believed already, and is fresh again. */
  | { readonly kind: 'confirmed' }
  /** The provider is gone. */
  | { readonly kind: 'lost'; readonly reason: string }
  /** What was heard is not believed. */
  | { readonly kind: 'refused'; readonly reason: string }
