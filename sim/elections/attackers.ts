/** Those who want another provider than the LAN elects, or none: a stranger without a key, and a member that lies. */
import type { Extras } from '../../peering/packets.ts'
import type { Provider } from '../../providers/functions.ts'
import { LEASE_MS, type Result } from '../../providers/result.ts'
import { writeWord, type FunctionWord } from '../../providers/words.ts'
import { FUNCTION, type Electorate, type Voter } from './electorate.ts'

/** Between two attacks of one attacker, in ms. */
const EVERY_MS = 700

/** Attacks until the electorate's time is over. @param liar a member whose own provider is never started. */
export function attack(electorate: Electorate, liar: Voter, isMember: boolean): void {
  const { random, timeline } = electorate
  const attackOnce = () => {
    const words = forgeries(electorate, liar)
    const word = words[random.uint32() % words.length]
    const victims = electorate.up(liar.part)
    const victim = victims[random.uint32() % Math.max(1, victims.length)]
    if (word !== undefined && victim !== undefined) {
      const [name, extras] = writeWord(word)
      const to = random.fraction() < 0.3 ? victim.address : undefined
      const signer = isMember
        ? ({ kind: 'member', member: liar.member } as const)
        : ({ kind: 'stranger', reason: 'an unknown key' } as const)
      // A stranger may say that it is anybody; a member's packets are bound to its node (peering/member-words.ts).
      const place = isMember ? liar : { id: victim.id, address: victim.address, part: liar.part }
      electorate.inject(place, signer, name, extras satisfies Extras, to)
    }
    timeline.after(EVERY_MS * (0.5 + random.fraction()), attackOnce)
  }
  timeline.after(EVERY_MS * random.fraction(), attackOnce)
}

function forgeries(electorate: Electorate, liar: Voter): FunctionWord[] {
  const known = electorate.up(liar.part).flatMap((each) => each.known() ?? [])
  const [provider] = known
  const term = Math.max(0, ...known.map((each) => each.term))
  const wall = electorate.timeline.wall()
  const base = provider === undefined ? invented(liar, wall) : resultOf(provider, electorate)
  const results: Result[] = [
    { ...base, value: 999_999 },
    { ...base, term: base.term + 1 },
    { ...base, term: base.term + 1, node: liar.id, location: `http://${liar.address}:6515/` },
    { ...base, location: `http://${liar.address}:6515/` },
    { ...base, member: liar.member, signature: 'x'.repeat(86), term: base.term + 1, value: 999_999 },
    { ...base, member: undefined, signature: '', term: base.term + 1 },
  ]
  const nonce = '0'.repeat(16)
  return [
    ...results.map((result) => ({ kind: 'result', result }) as const),
    ...results.map((result) => ({ kind: 'response', nonce, result, ageMs: 0, pass: undefined }) as const),
    // The best of all ballots, and never a result.
    { kind: 'election', function: FUNCTION, term: term + 1, delayMs: 100, value: 1_000_000 },
    { kind: 'election', function: FUNCTION, term: term + 1, delayMs: 2000, value: undefined },
    { kind: 'election', function: FUNCTION, term: Number.MAX_SAFE_INTEGER, delayMs: 100, value: 5 },
    { kind: 'resigned', function: FUNCTION, term },
  ]
}

/** The provider's own result as anybody has heard it, with its true signature. */
function resultOf(provider: Provider, electorate: Electorate): Result {
  const holder = electorate.voters.find((each) => each.id === provider.node)
  const known = holder?.providers.results().find(({ result }) => result.term === provider.term)
  const { source: _, ...told } = provider
  return known?.result ?? { ...told, signature: '_'.repeat(86) }
}

function invented(liar: Voter, wall: ReturnType<Electorate['timeline']['wall']>): Result {
  return {
    function: FUNCTION,
    node: liar.id,
    member: liar.member,
    location: `http://${liar.address}:6515/`,
    value: 999_999,
    term: 7,
    since: wall,
    expires: (wall + LEASE_MS) as Result['expires'],
    signature: 'y'.repeat(86),
  }
}
