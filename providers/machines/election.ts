/**
 * One function's election on one node (R10.1; patent A, "Summary of the Invention"; claims on automatic selection).
 *
 *   idle ──wanted, offered──► asking ──nobody answers──► claiming, or polling where this node does not stand
 *                               │ somebody knows            │
 *                               ▼                           │ a better value is heard
 *      following ◄──result── awaiting ◄─────────────────────┤
 *          │ silence            ▲ a better value            │ time is over
 *          ▼                    │                           ▼
 *      noticing ─► asking    delaying ──its delay ends──► claiming ──► providing (says the result)
 *
 * An election packet of a term that is not decided takes a node from wherever it is to `delaying` (it beats what it heard, and
 * waits its random response delay period) or `awaiting` (it is beaten, and waits for the result, which it checks). A result of a
 * higher term, or of the same one with a better value, is believed from everywhere: so partitions end with one provider.
 * An event without a transition changes nothing.
 */
import type { Monotonic } from '../../core/clock.ts'
import { beats, better, type Ballot, type Mandate } from './ballot.ts'
import { contestOf, dutyDue, later, phaseDue, providerOf, resting } from './election-state.ts'
import type {
  Contest,
  Duty,
  ElectionCommand,
  ElectionEvent,
  ElectionState,
  Moment,
  Phase,
  Self,
} from './election-vocabulary.ts'

type Step = readonly [ElectionState, readonly ElectionCommand[]]

/** How much better than its provider a node must be to call an election, and how much worse a provider: a tenth. */
export const MARGIN = 1.1

/** The longest response delay of a large LAN, in ms (service/function-parts.ts). */
export const LONGEST_DELAY_MS = 400
/** A result is said again after so long, in ms, because datagrams are lost. */
const RESULT_AGAIN_MS = [50, 120, 220, 360, 560, 840, 1250, 1800, 2500]
/** Who waits for a result waits for the first of these too, in ms. */
const RESULT_PATIENCE_MS = 800
/** Within so many times of the longest delay and a round trip, the best must have spoken. */
const MAX_ROUNDS = 3
/** A question, and a call for candidates, are said again after so long, in ms. */
const QUESTION_AGAIN_MS = [70, 140]
/** Whoever did not hear this node's value is told again, at most so often, in ms. */
const REASSERT_MS = 50
/** A provider says its result out of turn at most so often, in ms. */
const CORRECT_MS = 200

export function stepElection(state: ElectionState, event: ElectionEvent, self: Self): Step {
  switch (event.kind) {
    case 'wanted':
      return state.isLost && state.phase.kind === 'idle' ? asking(state, event, self) : [state, []]
    case 'offered':
      return state.isLost && state.phase.kind === 'idle' ? noticing(state, 'ask', event, self) : [state, []]
    case 'withdrawn':
      return afterWithdrawing(state, event, self)
    case 'call':
      return contestOf(state.phase) === undefined ? calling(state, event, self) : [state, []]
    case 'absent':
      return afterAbsence(state, event, self)
    case 'asked':
      return afterQuestion(state, event, self)
    case 'election':
      return afterElection(state, event, self)
    case 'result':
      return afterResult(state, event, self)
    case 'wake':
      return afterWaking(state, event, self)
  }
}

function noticing(
  state: ElectionState,
  next: 'ask' | 'call',
  { at, fraction }: Moment,
  { timing }: Self,
): Step {
  return [{ ...state, phase: { kind: 'noticing', next, due: later(at, timing.delayMs * fraction) } }, []]
}

function asking(state: ElectionState, { at }: Moment, { timing }: Self): Step {
  const due = later(at, timing.delayMs + timing.roundTripMs)
  const again = times(at, QUESTION_AGAIN_MS)
  return [{ ...state, phase: { kind: 'asking', due, again } }, [{ kind: 'ask' }]]
}

/** Nobody need have asked before. */
function calling(state: ElectionState, { at, own }: Moment, { timing }: Self): Step {
  const term = state.seen + 1
  const { without } = state
  const contest: Contest = { term, delayMs: timing.delayMs, since: at, best: undefined, without }
  const called = { ...state, seen: term }
  if (own !== undefined) return claiming(called, contest, own, at, timing.roundTripMs)
  const due = later(at, timing.delayMs + timing.roundTripMs)
  const again = times(at, QUESTION_AGAIN_MS)
  return [{ ...called, phase: { kind: 'polling', contest, due, again } }, [ballotOf(contest, undefined)]]
}

/** Says its value, and waits as long as a better one may take to answer: the longest delay and a round trip. */
function claiming(
  state: ElectionState,
  contest: Contest,
  { value }: Ballot,
  at: Monotonic,
  roundTripMs: number,
): Step {
  const settleMs = contest.delayMs + roundTripMs
  const again = times(at, [settleMs / 2])
  const due = later(at, settleMs)
  return [
    { ...state, phase: { kind: 'claiming', contest, value, saidAt: at, due, again } },
    [ballotOf(contest, value)],
  ]
}

/** Waits for the result of the best that was heard, each of its repetitions included; not for values that grow for ever. */
function awaiting(state: ElectionState, contest: Contest, at: Monotonic, { timing }: Self): Step {
  const settleMs = contest.delayMs + timing.roundTripMs
  const from = Math.min(at, contest.since + MAX_ROUNDS * settleMs)
  const due = later(from, settleMs + RESULT_PATIENCE_MS)
  return [{ ...state, phase: { kind: 'awaiting', contest, due } }, []]
}

function afterWithdrawing(state: ElectionState, event: Moment, self: Self): Step {
  const provider = providerOf(state)
  const { kind } = state.phase
  if (provider?.node !== self.node)
    return kind === 'claiming' || kind === 'delaying' ? [resting(state, self), []] : [state, []]
  return resigning(state, provider, event, self)
}

/** The others elect another one; this node takes part where it wants one. */
function resigning(state: ElectionState, { term }: Mandate, event: Moment, self: Self): Step {
  const [next] = afterLoss({ ...state, isLost: true, duty: undefined }, event, self)
  return [
    next,
    [
      { kind: 'say-resigned', term },
      { kind: 'yielded', reason: 'it can no longer' },
    ],
  ]
}

function afterAbsence(
  state: ElectionState,
  event: Extract<ElectionEvent, { kind: 'absent' }>,
  self: Self,
): Step {
  const { node, reason, isReported } = event
  if (providerOf(state)?.node !== node || node === self.node) return [state, []]
  const without = isReported ? node : state.without
  const [next] = afterLoss({ ...state, isLost: true, without }, event, self)
  return [next, [{ kind: 'lost', reason }]]
}

/** Whoever knows it lets the others know by an election, candidate or not: some may not have heard it. */
function afterLoss(state: ElectionState, event: Moment, self: Self): Step {
  return contestOf(state.phase) === undefined ? noticing(state, 'call', event, self) : [state, []]
}

/** One question is enough: its asker calls an election if nobody answers. */
function afterQuestion(state: ElectionState, { at, fraction }: Moment, { timing }: Self): Step {
  const { phase } = state
  if (phase.kind !== 'noticing' || phase.next !== 'ask') return [state, []]
  const due = later(at, timing.delayMs + timing.roundTripMs + timing.delayMs * fraction)
  return [{ ...state, phase: { ...phase, due } }, []]
}

function afterElection(
  state: ElectionState,
  event: Extract<ElectionEvent, { kind: 'election' }>,
  self: Self,
): Step {
  const { term, delayMs, ballot, at, without } = event
  if (term <= (state.mandate?.term ?? 0)) return correcting(state, at)
  const contest = contestOf(state.phase)
  if (contest === undefined || term > contest.term)
    return joining(
      { ...state, seen: Math.max(state.seen, term) },
      { term, delayMs: boundedDelay(delayMs, self), since: at, best: ballot, without },
      event,
      self,
    )
  return term === contest.term ? hearing(state, contest, event, self) : [state, []]
}

/** No caller makes the others wait for longer than they would make it wait. */
function boundedDelay(delayMs: number, { timing }: Self): number {
  return Math.min(delayMs, Math.max(LONGEST_DELAY_MS, timing.delayMs))
}

function joining(state: ElectionState, contest: Contest, { at, fraction, own }: Moment, self: Self): Step {
  const { best, delayMs } = contest
  if (own === undefined || (best !== undefined && !beats(own, best)))
    return awaiting(state, contest, at, self)
  return [{ ...state, phase: { kind: 'delaying', contest, due: later(at, delayMs * fraction) } }, []]
}

/** Another word in the election that this node takes part in. */
function hearing(
  state: ElectionState,
  contest: Contest,
  { ballot, at, own }: Extract<ElectionEvent, { kind: 'election' }>,
  self: Self,
): Step {
  const { phase } = state
  const heard = { ...contest, best: better(contest.best, ballot) }
  switch (phase.kind) {
    case 'delaying': {
      const isBeaten = own === undefined || (ballot !== undefined && beats(ballot, own))
      return isBeaten
        ? awaiting(state, heard, at, self)
        : [{ ...state, phase: { ...phase, contest: heard } }, []]
    }
    case 'claiming': {
      const said = { node: self.node, value: phase.value }
      if (ballot !== undefined && beats(ballot, said)) return awaiting(state, heard, at, self)
      const again = [later(Math.max(at, phase.saidAt), REASSERT_MS), ...phase.again].toSorted((a, b) => a - b)
      return [{ ...state, phase: { ...phase, contest: heard, again: again.slice(0, 2) } }, []]
    }
    case 'polling':
      return ballot === undefined ? [state, []] : awaiting(state, heard, at, self)
    case 'awaiting':
      return ballot !== undefined && heard.best === ballot ? awaiting(state, heard, at, self) : [state, []]
    case 'idle':
    case 'noticing':
    case 'asking':
    case 'following':
    case 'providing':
      return [state, []]
  }
}

/** Who speaks of a term that is decided, or of a lesser provider, has missed something. */
function correcting(state: ElectionState, at: Monotonic): Step {
  const { duty } = state
  if (providerOf(state) === undefined) return [state, []]
  if (duty === undefined) return [state, [{ kind: 'correct' }]]
  if (duty.again.length > 0) return [state, []]
  const again = [Math.max(at, duty.saidAt + CORRECT_MS) as Monotonic]
  return [{ ...state, duty: { ...duty, again } }, []]
}

function afterResult(
  state: ElectionState,
  event: Extract<ElectionEvent, { kind: 'result' }>,
  self: Self,
): Step {
  const { mandate } = event
  const known = state.mandate
  if (mandate.node === self.node) return afterOwnResult(state, event, self)
  if (known === undefined || mandate.term > known.term) return afterNewResult(state, event, self)
  if (mandate.term < known.term) return refusing(state, 'an old term', event)
  if (mandate.node === known.node) return afterSameResult(state, event, self)
  return beats(mandate, known)
    ? believing(state, event, self)
    : refusing(state, 'a better one has this term', event)
}

function refusing(state: ElectionState, reason: string, { at }: Moment): Step {
  const [next, commands] = correcting(state, at)
  return [next, [{ kind: 'refused', reason }, ...commands]]
}

/** A third party takes this node for the provider: it is, or it was before it was started anew. */
function afterOwnResult(
  state: ElectionState,
  { mandate, at }: Extract<ElectionEvent, { kind: 'result' }>,
  { node }: Self,
): Step {
  if (providerOf(state)?.node === node) return correcting(state, at)
  return [{ ...state, seen: Math.max(state.seen, mandate.term) }, []]
}

/** A sign of life of the provider; of one that is given up only its own word counts. */
function afterSameResult(
  state: ElectionState,
  event: Extract<ElectionEvent, { kind: 'result' }>,
  self: Self,
): Step {
  const { at, ageMs } = event
  const heardAt = Math.max(state.heardAt, at - ageMs) as Monotonic
  if (state.isLost && state.without === event.mandate.node)
    return [state, [{ kind: 'refused', reason: 'it was reported' }]]
  if (state.isLost)
    return ageMs === 0 ? believing(state, event, self) : [state, [{ kind: 'refused', reason: 'it is gone' }]]
  const fresh = { ...state, heardAt }
  if (contestOf(state.phase) !== undefined) return [fresh, [{ kind: 'confirmed' }]]
  if (at - heardAt >= self.timing.silenceMs) return [fresh, []]
  const [next, commands] = doubting(resting(fresh, self), state.phase, event, self)
  return [next, [{ kind: 'confirmed' }, ...commands]]
}

/** The result must win over everything that was heard in its election. */
function afterNewResult(
  state: ElectionState,
  event: Extract<ElectionEvent, { kind: 'result' }>,
  self: Self,
): Step {
  const { mandate } = event
  const contest = contestOf(state.phase)
  const best = contest?.term === mandate.term ? bestOf(state.phase, event.own, self) : undefined
  if (best !== undefined && beats(best, mandate))
    return [state, [{ kind: 'refused', reason: 'a better value was heard' }]]
  return believing(state, event, self)
}

function believing(
  state: ElectionState,
  event: Extract<ElectionEvent, { kind: 'result' }>,
  self: Self,
): Step {
  const { mandate, at, ageMs } = event
  const before = providerOf(state)
  const believed = {
    ...state,
    seen: Math.max(state.seen, mandate.term),
    mandate,
    heardAt: (at - ageMs) as Monotonic,
    isLost: false,
    without: undefined,
    duty: undefined,
  }
  const isLater = (contestOf(state.phase)?.term ?? 0) > mandate.term
  const commands: ElectionCommand[] = [{ kind: 'learnt' }]
  if (before?.node === self.node) commands.unshift({ kind: 'yielded', reason: 'another one won' })
  return [isLater ? believed : resting(believed, self), commands]
}

/** An early wake-up is harmless: `dueOf` says again when the machine wants to be woken. */
function afterWaking(state: ElectionState, event: Moment, self: Self): Step {
  const { duty } = state
  if (duty === undefined || event.at < dutyDue(duty)) return afterPhase(state, event, self)
  const [said, commands] = heartbeat(state, duty, event, self)
  const [next, more] = afterPhase(said, event, self)
  return [next, [...commands, ...more]]
}

function afterPhase(state: ElectionState, event: Moment, self: Self): Step {
  const { phase } = state
  const { at } = event
  if (at < (phaseDue(phase) ?? Infinity)) return [state, []]
  switch (phase.kind) {
    case 'idle':
    case 'providing':
      return [state, []]
    case 'noticing':
      return phase.next === 'ask' ? asking(state, event, self) : calling(state, event, self)
    case 'asking':
      if (at < phase.due) return [{ ...state, phase: saidAgain(phase, at) }, [{ kind: 'ask' }]]
      return afterSilence(state, event, self)
    case 'polling':
      if (at >= phase.due) return afterPolling(state, event, self)
      return [{ ...state, phase: saidAgain(phase, at) }, [ballotOf(phase.contest, undefined)]]
    case 'delaying':
      return afterDelay(state, phase.contest, event, self)
    case 'claiming':
      if (at >= phase.due) return winning(state, phase, event, self)
      return [
        { ...state, phase: { ...saidAgain(phase, at), saidAt: at } },
        [ballotOf(phase.contest, phase.value)],
      ]
    case 'awaiting':
      return afterWaitingInVain(state, phase.contest, event, self)
    case 'following':
      if (isInterested(event)) return noticing(state, 'ask', event, self)
      return [{ ...state, isLost: true, phase: { kind: 'idle' } }, [{ kind: 'lost', reason: 'silent' }]]
  }
}

/** Nobody stands. This node may meanwhile: it could not while the election ran that it has called without standing. */
function afterPolling(state: ElectionState, event: Moment, self: Self): Step {
  const mayStand = state.isLost && event.own !== undefined
  return mayStand ? noticing(state, 'ask', event, self) : [resting(state, self), []]
}

/** The best that was heard has not said the result: it has crashed, or it lied. Whoever provided goes on. */
function afterWaitingInVain(state: ElectionState, { best }: Contest, event: Moment, self: Self): Step {
  const broken: ElectionCommand[] = best === undefined ? [] : [{ kind: 'broken-word', node: best.node }]
  if (!state.isLost || !isInterested(event)) return [resting(state, self), broken]
  const [next] = noticing(state, 'ask', event, self)
  return [next, broken]
}

/** Nobody has answered: the provider is gone, and where anybody needs one, it is elected. */
function afterSilence(state: ElectionState, event: Moment, self: Self): Step {
  const isGone = providerOf(state) !== undefined
  const gone = { ...state, isLost: true }
  const [next, commands] = isInterested(event)
    ? calling(gone, event, self)
    : ([{ ...gone, phase: { kind: 'idle' } }, []] as const)
  return [next, isGone ? [{ kind: 'lost', reason: 'silent' }, ...commands] : commands]
}

function afterDelay(state: ElectionState, contest: Contest, { at, own }: Moment, self: Self): Step {
  const { best } = contest
  if (own === undefined || (best !== undefined && !beats(own, best)))
    return awaiting(state, contest, at, self)
  return claiming(state, contest, own, at, self.timing.roundTripMs)
}

/** Nobody better was heard: broadcasts the result. */
function winning(
  state: ElectionState,
  { contest, value }: Extract<Phase, { kind: 'claiming' }>,
  { at, own, fraction }: Moment,
  self: Self,
): Step {
  if (own === undefined) return [resting(state, self), []]
  const mandate: Mandate = { term: contest.term, node: self.node, value }
  const due = later(at, self.timing.heartbeatMs * jitter(fraction))
  const duty: Duty = { saidAt: at, due, again: times(at, RESULT_AGAIN_MS), doubtSince: undefined }
  return [
    {
      ...state,
      mandate,
      heardAt: at,
      isLost: false,
      without: undefined,
      duty,
      phase: { kind: 'providing' },
    },
    [{ kind: 'won' }, { kind: 'say-result' }],
  ]
}

/** A provider's sign of life: its result. One that has become clearly worse, and stays so, has another one elected. */
function heartbeat(state: ElectionState, duty: Duty, event: Moment, self: Self): Step {
  const { at, own, fraction } = event
  const { mandate } = state
  if (mandate === undefined) return [{ ...state, duty: undefined }, []]
  if (own === undefined) return resigning(state, mandate, event, self)
  const said = { ...state, heardAt: at }
  if (at < duty.due)
    return [{ ...said, duty: { ...saidAgain(duty, at), saidAt: at } }, [{ kind: 'say-result' }]]
  const due = later(at, self.timing.heartbeatMs * jitter(fraction))
  const doubtSince = own.value * MARGIN < mandate.value ? (duty.doubtSince ?? at) : undefined
  const isWorse = doubtSince !== undefined && at - doubtSince >= self.timing.doubtMs
  const next = { ...said, duty: { saidAt: at, due, again: [], doubtSince: isWorse ? undefined : doubtSince } }
  if (!isWorse || state.phase.kind !== 'providing') return [next, [{ kind: 'say-result' }]]
  return [noticing(next, 'call', event, self)[0], [{ kind: 'say-result' }]]
}

/** Hysteresis: values that come and go change nothing; a clear difference that lasts is an election. */
function doubting(state: ElectionState, before: Phase, event: Moment, self: Self): Step {
  const { phase, mandate } = state
  if (phase.kind !== 'following' || mandate === undefined || event.own === undefined) return [state, []]
  if (event.own.value <= mandate.value * MARGIN) return [state, []]
  const since = (before.kind === 'following' ? before.doubtSince : undefined) ?? event.at
  if (event.at - since >= self.timing.doubtMs) return noticing(state, 'call', event, self)
  return [{ ...state, phase: { ...phase, doubtSince: since } }, []]
}

/** The best that is known of in an election, this node included as far as it stands. */
function bestOf(phase: Phase, own: Ballot | undefined, { node }: Self): Ballot | undefined {
  const heard = contestOf(phase)?.best
  if (phase.kind === 'claiming') return better(heard, { node, value: phase.value })
  return phase.kind === 'delaying' ? better(heard, own) : heard
}

function isInterested({ own, isWanted }: Moment): boolean {
  return own !== undefined || isWanted
}

function ballotOf({ term, delayMs, without }: Contest, value: number | undefined): ElectionCommand {
  return { kind: 'say-ballot', term, delayMs, value, without }
}

function saidAgain<P extends { readonly again: readonly Monotonic[] }>(phase: P, at: Monotonic): P {
  return { ...phase, again: phase.again.filter((each) => each > at) }
}

function jitter(fraction: number): number {
  return 0.9 + 0.2 * fraction
}

function times(from: Monotonic, after: readonly number[]): readonly Monotonic[] {
  return after.map((ms) => later(from, ms))
}
