import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BOUNDS_MS, electionRun } from '../../sim/elections/election-run.ts'
import { Electorate, type Voter } from '../../sim/elections/electorate.ts'
import { summaryOf } from '../../sim/elections/summary.ts'
import { CORRECTION } from '../../providers/questions.ts'
import type { FunctionWord } from '../../providers/words.ts'
import { writeWord } from '../../providers/words.ts'

const TIMING = { delayMs: 400, roundTripMs: 200, heartbeatMs: 5000, silenceMs: 21_000, doubtMs: 60_000 }

test('2000 elections with loss, crashes, partitions, forgers and liars: one winner each, none forged', () => {
  const runs = Array.from({ length: 190 }, (_, at) => electionRun(at + 1))
  const { elections, failures } = summaryOf(runs)
  assert.deepEqual(failures, [])
  assert.ok(elections >= 2000, `${elections} elections`)
})

test('a provider that is known to be gone is replaced within 5 s', () => {
  const replaced = Array.from({ length: 40 }, (_, at) => electionRun(1000 + at)).flatMap(
    ({ replacedMs }) => replacedMs,
  )
  assert.ok(replaced.length > 20)
  assert.ok(Math.max(...replaced) <= BOUNDS_MS.replaced, `${Math.max(...replaced)} ms`)
})

test('a thousand nodes elect without a loss in a handful of packets each', () => {
  const electorate = elected(1000, 0, 6)
  assert.equal(winners(electorate).size, 1)
  assert.ok(electorate.packets < 1000, `${electorate.packets} packets`)
})

test('the best of all wins where nothing is lost', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const electorate = elected(10, 0, seed)
    void electorate.up()[0]?.providers.elect(electorate.function)
    electorate.sleep(3000)
    const best = Math.max(...electorate.voters.map(({ value }) => value))
    const [won] = winners(electorate)
    // More, where the best provided before and stands with a tenth more.
    assert.ok(won !== undefined && won >= best, `seed ${seed}: ${won} of ${best}`)
    assert.equal(winners(electorate).size, 1)
  }
})

test('values that go up and down by a twentieth elect nobody anew', () => {
  const electorate = elected(5, 0, 3)
  const before = electorate.won.size
  for (let times = 0; times < 100; times++) {
    for (const each of electorate.voters) each.value = 500 + (electorate.random.uint32() % 25)
    electorate.sleep(5000)
  }
  assert.ok(electorate.won.size <= before + 1, `${electorate.won.size - before} elections in 500 s`)
})

test('a member that calls elections without end is taken part with a few times a minute', () => {
  const electorate = elected(5, 0, 4)
  const liar = electorate.add(0)
  const before = electorate.won.size
  for (let times = 0; times < 600; times++) {
    const term = Math.max(...electorate.up().map((each) => each.known()?.term ?? 0)) + 1
    say(electorate, liar, {
      kind: 'election',
      function: electorate.function,
      term,
      delayMs: 50,
      value: undefined,
    })
    electorate.sleep(100)
  }
  assert.ok(electorate.won.size - before <= 20, `${electorate.won.size - before} elections in a minute`)
  const [first] = electorate.up()
  assert.ok((first?.providers.counters.get('refused: too many elections') ?? 0) > 100)
})

test('a result that nobody signed, or somebody else, is believed by nobody', () => {
  const electorate = elected(5, 0, 5)
  const provider = electorate.up()[0]?.known()
  assert.ok(provider)
  const liar = electorate.add(0)
  const { source: _, ...told } = provider
  const forged = { ...told, term: told.term + 1, signature: 'f'.repeat(86) }
  const own = { ...forged, node: liar.id, location: `http://${liar.address}:6515/` }
  for (const result of [forged, own]) {
    say(electorate, liar, { kind: 'result', result })
    say(electorate, liar, { kind: 'response', nonce: CORRECTION, result, ageMs: 0, pass: undefined })
  }
  electorate.sleep(1000)
  assert.deepEqual([...new Set(electorate.up().map((each) => each.known()?.term))], [provider.term])
})

/** After ten seconds of a LAN whose nodes all stand. */
function elected(nodes: number, loss: number, seed: number): Electorate {
  const electorate = new Electorate({ seed, loss, timing: TIMING })
  for (let at = 0; at < nodes; at++) {
    const voter = electorate.add(1 + (electorate.random.uint32() % 100_000))
    electorate.timeline.after(2000 * electorate.random.fraction(), () => voter.start())
  }
  electorate.sleep(10_000)
  return electorate
}

function winners(electorate: Electorate): Set<number | undefined> {
  return new Set(electorate.up().map((each) => each.known()?.value))
}

function say(electorate: Electorate, speaker: Voter, word: FunctionWord): void {
  const [name, extras] = writeWord(word)
  electorate.inject(speaker, { kind: 'member', member: speaker.member }, name, extras)
}
