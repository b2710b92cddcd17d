import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Monotonic } from '../../../core/clock.ts'
import { seededRandom } from '../../../core/random.ts'
import type { NodeId } from '../../../peering/packets.ts'
import { beats, better, type Mandate } from '../../../providers/machines/ballot.ts'
import {
  dueOf,
  initialElection,
  providerOf,
  restoredElection,
} from '../../../providers/machines/election-state.ts'
import { MARGIN, stepElection } from '../../../providers/machines/election.ts'
import { ELECTION_TRANSITIONS } from '../../../providers/machines/election-transitions.ts'
import type {
  ElectionCommand,
  ElectionEvent,
  ElectionState,
  Moment,
} from '../../../providers/machines/election-vocabulary.ts'

const TIMING = { delayMs: 400, roundTripMs: 200, heartbeatMs: 5000, silenceMs: 21_000, doubtMs: 60_000 }
const [A, ME, Z] = ['a', 'b', 'c'].map((digit) => digit.repeat(32)) as [NodeId, NodeId, NodeId]
const SELF = { node: ME, timing: TIMING }

type Happening = {
  readonly [Kind in ElectionEvent['kind']]: Omit<Extract<ElectionEvent, { kind: Kind }>, keyof Moment>
}[ElectionEvent['kind']]

/** A machine, what it commands, and time. `value` 0: this node does not stand. */
class Script {
  state: ElectionState
  at = 0
  value: number
  isWanted = false
  fraction = 0.5

  constructor(value: number, state: ElectionState = initialElection(0)) {
    this.value = value
    this.state = state
  }

  happens(happening: Happening): readonly ElectionCommand[] {
    const own = this.value > 0 ? { node: ME, value: this.value } : undefined
    const moment = { at: this.at as Monotonic, fraction: this.fraction, own, isWanted: this.isWanted }
    const [state, commands] = stepElection(this.state, { ...happening, ...moment }, SELF)
    this.state = state
    return commands
  }

  /** Lets time pass, and wakes the machine whenever it wants. */
  passes(ms: number): readonly ElectionCommand[] {
    const end = this.at + ms
    const commands: ElectionCommand[] = []
    for (let due = dueOf(this.state); due !== undefined && due <= end; due = dueOf(this.state)) {
      this.at = Math.max(this.at, due)
      commands.push(...this.happens({ kind: 'wake' }))
    }
    this.at = end
    return commands
  }

  hears(node: NodeId, term: number, value: number): readonly ElectionCommand[] {
    return this.happens({ kind: 'election', term, delayMs: 400, ballot: { node, value }, without: undefined })
  }

  result(node: NodeId, term: number, value: number, ageMs = 0): readonly ElectionCommand[] {
    return this.happens({ kind: 'result', mandate: { node, term, value }, ageMs })
  }

  get phase(): string {
    return this.state.phase.kind
  }
}

const spoken = (term: number, value: number | undefined): ElectionCommand => {
  return { kind: 'say-ballot', term, delayMs: 400, value, without: undefined }
}
const kinds = (commands: readonly ElectionCommand[]) => commands.map(({ kind }) => kind)
const mandate = (node: NodeId, term: number, value: number): Mandate => ({ node, term, value })

describe('ballots', () => {
  test('the larger value wins; of two that are equal, the node whose ID comes first', () => {
    assert.ok(beats({ node: Z, value: 2 }, { node: A, value: 1 }))
    assert.ok(beats({ node: A, value: 1 }, { node: Z, value: 1 }))
    assert.ok(!beats({ node: Z, value: 1 }, { node: A, value: 1 }))
    assert.ok(!beats({ node: A, value: 1 }, { node: A, value: 1 }))
    assert.deepEqual(better({ node: Z, value: 1 }, { node: A, value: 1 }), { node: A, value: 1 })
    assert.deepEqual(better(undefined, { node: A, value: 1 }), { node: A, value: 1 })
  })
})

describe('a receiver that beats the value', () => {
  test('waits its random delay, says its value, and wins after the maximum delay and a round trip', () => {
    const script = new Script(50)
    assert.deepEqual(script.hears(A, 1, 40), [])
    assert.equal(script.phase, 'delaying')
    assert.deepEqual(script.passes(199), [])
    assert.deepEqual(script.passes(1), [spoken(1, 50)])
    assert.deepEqual(kinds(script.passes(599)), ['say-ballot'])
    assert.deepEqual(script.passes(1), [{ kind: 'won' }, { kind: 'say-result' }])
    assert.deepEqual(providerOf(script.state), mandate(ME, 1, 50))
  })

  test('stays silent when it hears a better one before its delay ends', () => {
    const script = new Script(50)
    script.hears(A, 1, 40)
    script.passes(100)
    assert.deepEqual(script.hears(Z, 1, 60), [])
    assert.equal(script.phase, 'awaiting')
    assert.deepEqual(script.passes(1000), [])
    assert.deepEqual(script.result(Z, 1, 60), [{ kind: 'learnt' }])
  })

  test('stays silent too when the better one comes after its own value', () => {
    const script = new Script(50)
    script.happens({ kind: 'call' })
    script.passes(500)
    script.hears(Z, 1, 60)
    assert.deepEqual(script.passes(1000), [])
  })

  test('says its value again to whoever did not hear it', () => {
    const script = new Script(50)
    script.happens({ kind: 'call' })
    script.passes(400)
    script.hears(A, 1, 40)
    assert.deepEqual(kinds(script.passes(60)), ['say-ballot'])
  })

  test('takes a tie as every other node does', () => {
    const [first, last] = [new Script(50), new Script(50)]
    first.hears(Z, 1, 50)
    last.hears(A, 1, 50)
    assert.deepEqual([first.phase, last.phase], ['delaying', 'awaiting'])
  })
})

describe('a receiver that is beaten', () => {
  test('refuses a result that does not win over what was heard, and one that is less than its candidate said', () => {
    const script = new Script(50)
    script.hears(Z, 1, 60)
    const refused = [{ kind: 'refused', reason: 'a better value was heard' }]
    assert.deepEqual(script.result(A, 1, 55), refused)
    assert.deepEqual(script.result(Z, 1, 59), refused)
    assert.equal(providerOf(script.state), undefined)
    assert.deepEqual(kinds(script.result(Z, 1, 60)), ['learnt'])
  })

  test('does not let itself be beaten by a result that its own value beats', () => {
    const script = new Script(50)
    script.hears(A, 1, 30)
    assert.deepEqual(kinds(script.result(Z, 1, 40)), ['refused'])
    script.passes(200)
    assert.deepEqual(kinds(script.result(Z, 1, 40)), ['refused'])
  })

  test('asks and calls a new election when the best has died, within 5 s of its being noticed', () => {
    const script = new Script(50)
    script.fraction = 0.99
    script.result(A, 1, 60)
    script.happens({ kind: 'absent', node: A, reason: 'it did not answer', isReported: true })
    script.passes(300)
    script.hears(Z, 2, 60)
    const commands = script.passes(4700)
    assert.deepEqual(commands[0], { kind: 'broken-word', node: Z })
    assert.deepEqual(
      kinds(commands).filter((kind) => kind === 'won'),
      ['won'],
    )
    assert.deepEqual(providerOf(script.state), mandate(ME, 3, 50))
  })

  test('does not wait for ever for one that raises its value again and again', () => {
    const script = new Script(50)
    script.hears(Z, 1, 60)
    let waited = 0
    for (let value = 61; script.phase === 'awaiting' && waited < 20_000; value++, waited += 100) {
      script.passes(100)
      if (script.phase === 'awaiting') script.hears(Z, 1, value)
    }
    assert.ok(waited < 4000, `${waited} ms`)
  })
})

describe('an election without a provider that was reported', () => {
  test('says so in every ballot of it, so that the reported one hears it', () => {
    const script = new Script(50)
    script.happens({ kind: 'election', term: 1, delayMs: 400, ballot: undefined, without: A })
    const said = script.passes(700).filter(({ kind }) => kind === 'say-ballot')
    assert.equal(said.length, 2)
    for (const each of said) assert.deepEqual(each, { ...spoken(1, 50), without: A })
  })
})

describe('results', () => {
  test('of a higher term are believed from everywhere, of a lower one from nowhere', () => {
    const script = new Script(50)
    script.result(A, 5, 10)
    assert.deepEqual(kinds(script.result(Z, 4, 99)), ['refused', 'correct'])
    assert.deepEqual(kinds(script.result(Z, 6, 5)), ['learnt'])
    assert.deepEqual(providerOf(script.state), mandate(Z, 6, 5))
  })

  test('of one term: the better one, so that a partition ends with one provider', () => {
    const script = new Script(50)
    script.happens({ kind: 'call' })
    script.passes(4000)
    assert.deepEqual(kinds(script.result(A, 1, 40)), ['refused'])
    assert.deepEqual(kinds(script.passes(200)), ['say-result'])
    assert.deepEqual(kinds(script.result(Z, 1, 60)), ['yielded', 'learnt'])
    assert.deepEqual(kinds(script.passes(20_000)), [])
  })

  test('of a provider that is given up count only from itself', () => {
    const script = new Script(0)
    script.result(A, 3, 10)
    script.happens({ kind: 'absent', node: A, reason: 'it did not answer', isReported: false })
    assert.deepEqual(kinds(script.result(A, 3, 10, 2000)), ['refused'])
    assert.equal(providerOf(script.state), undefined)
    assert.deepEqual(kinds(script.result(A, 3, 10)), ['learnt'])
  })

  test('of a provider that this node has reported count when it is elected anew', () => {
    const script = new Script(0)
    script.result(A, 3, 10)
    script.happens({ kind: 'absent', node: A, reason: 'status 500', isReported: true })
    assert.deepEqual(script.happens({ kind: 'call' }), [{ ...spoken(4, undefined), without: A }])
    assert.deepEqual(script.result(A, 3, 10), [{ kind: 'refused', reason: 'it was reported' }])
    assert.deepEqual(kinds(script.result(A, 4, 1)), ['learnt'])
    assert.equal(script.state.without, undefined)
  })

  test('that name this node make it no provider, but its next term is higher', () => {
    const script = new Script(50)
    assert.deepEqual(script.result(ME, 7, 99, 1000), [])
    assert.equal(providerOf(script.state), undefined)
    assert.deepEqual(script.happens({ kind: 'call' }), [spoken(8, 50)])
  })
})

describe('a provider', () => {
  const provider = (value: number) => {
    const script = new Script(value)
    script.happens({ kind: 'call' })
    script.passes(3500)
    return script
  }

  test('says its result ten times at first, then every five seconds', () => {
    const script = new Script(50)
    script.happens({ kind: 'call' })
    const said = kinds(script.passes(600 + 2500)).filter((kind) => kind === 'say-result')
    assert.equal(said.length, 10)
    assert.deepEqual(kinds(script.passes(5500)), ['say-result'])
  })

  test('goes on saying it while another election runs', () => {
    const script = provider(50)
    script.hears(Z, 2, 60)
    assert.ok(kinds(script.passes(3000)).includes('say-result'))
    assert.equal(script.phase, 'providing')
  })

  test('resigns when it can no longer, and has another one elected', () => {
    const script = provider(50)
    script.value = 0
    assert.deepEqual(kinds(script.happens({ kind: 'withdrawn' })), ['say-resigned', 'yielded'])
    assert.deepEqual(script.passes(200), [spoken(2, undefined)])
  })

  test('that can again while the election runs that it has called by resigning is elected after it', () => {
    const script = provider(50)
    script.value = 0
    script.happens({ kind: 'withdrawn' })
    script.passes(200)
    script.value = 50
    assert.deepEqual(kinds(script.happens({ kind: 'offered' })), [])
    assert.ok(kinds(script.passes(5000)).includes('won'))
  })

  test('that became worse without a word notices by its next sign of life', () => {
    const script = provider(50)
    script.value = 0
    assert.deepEqual(kinds(script.passes(5500)).slice(0, 2), ['say-resigned', 'yielded'])
  })

  test('calls an election when it has been a tenth worse for a minute', () => {
    const script = provider(100)
    script.value = 80
    assert.ok(!kinds(script.passes(55_000)).includes('say-ballot'))
    assert.ok(kinds(script.passes(15_000)).includes('say-ballot'))
  })
})

describe('a follower', () => {
  test('calls an election after a minute of being a tenth better, and not for less', () => {
    for (const [value, calls] of [
      [Math.floor(100 * MARGIN), false],
      [120, true],
    ] as const) {
      const script = new Script(value)
      const commands = [...script.result(A, 1, 100)]
      for (let times = 0; times < 15; times++) {
        commands.push(...script.passes(5000), ...script.result(A, 1, 100))
      }
      assert.equal(kinds(commands).includes('say-ballot'), calls, String(value))
    }
  })

  test('forgets being better when it is not for a moment', () => {
    const script = new Script(120)
    script.result(A, 1, 100)
    for (let times = 0; times < 30; times++) {
      script.value = times % 8 === 7 ? 100 : 120
      assert.ok(!kinds([...script.passes(5000), ...script.result(A, 1, 100)]).includes('say-ballot'))
    }
  })

  test('asks when its provider is silent, and calls an election when nobody has heard it', () => {
    const script = new Script(50)
    script.result(A, 1, 100)
    assert.deepEqual(script.passes(20_999), [])
    assert.deepEqual(kinds(script.passes(201)), ['ask'])
    const commands = kinds(script.passes(600))
    assert.deepEqual(commands, ['ask', 'ask', 'lost', 'say-ballot'])
  })

  test('goes on when a third party has heard the provider meanwhile', () => {
    const script = new Script(50)
    script.result(A, 1, 100)
    script.passes(21_300)
    assert.deepEqual(kinds(script.result(A, 1, 100, 3000)), ['confirmed'])
    assert.equal(script.phase, 'following')
    assert.deepEqual(script.passes(17_999), [])
  })

  test('lets another one ask, and asks itself if nothing comes of it', () => {
    const script = new Script(50)
    script.result(A, 1, 100)
    script.passes(21_100)
    script.happens({ kind: 'asked' })
    assert.deepEqual(script.passes(799), [])
    assert.deepEqual(kinds(script.passes(1)), ['ask'])
  })

  test('that needs nobody forgets a silent provider without a word', () => {
    const script = new Script(0)
    script.result(A, 1, 100)
    assert.deepEqual(script.passes(30_000), [{ kind: 'lost', reason: 'silent' }])
    assert.equal(script.phase, 'idle')
  })
})

describe('terms', () => {
  test('only grow, over restarts too', () => {
    const script = new Script(50, initialElection(41))
    assert.deepEqual(script.happens({ kind: 'call' }), [spoken(42, 50)])
    const restored = new Script(0, restoredElection(9, mandate(A, 7, 10), 0 as Monotonic, SELF))
    assert.deepEqual(providerOf(restored.state), mandate(A, 7, 10))
    assert.deepEqual(restored.happens({ kind: 'call' }), [spoken(10, undefined)])
  })

  test('an election of a decided term is corrected by the provider, with its result', () => {
    const script = new Script(50)
    script.happens({ kind: 'call' })
    script.passes(4000)
    assert.deepEqual(script.hears(Z, 1, 99), [])
    assert.deepEqual(kinds(script.passes(200)), ['say-result'])
    const other = new Script(0)
    other.result(A, 1, 10)
    assert.deepEqual(kinds(other.hears(Z, 1, 99)), ['correct'])
  })
})

test('whoever looks for a provider asks at once, and calls an election when nobody answers', () => {
  const script = new Script(0)
  script.isWanted = true
  assert.deepEqual(kinds(script.happens({ kind: 'wanted' })), ['ask'])
  assert.deepEqual(kinds(script.passes(600)), ['ask', 'ask', 'say-ballot'])
  assert.deepEqual(kinds(script.passes(600)), ['say-ballot', 'say-ballot'])
  assert.equal(script.phase, 'idle')
})

test('an early wake-up changes nothing', () => {
  const script = new Script(50)
  for (const happening of [{ kind: 'call' }, { kind: 'wake' }] as const) {
    script.happens(happening)
    const before = script.state
    assert.deepEqual(script.happens({ kind: 'wake' }), [])
    assert.equal(script.state, before)
  }
})

test('the table of transitions is what random events do, no more and no less', () => {
  const walked = new Set<string>()
  for (let seed = 1; seed <= 3000; seed++) walk(seed, walked)
  const table = new Set(ELECTION_TRANSITIONS.map(([from, event, to]) => `${from} ${event} ${to}`))
  assert.deepEqual([...walked].toSorted(), [...table].toSorted())
})

/** Notes every change of phase. */
function walk(seed: number, walked: Set<string>): void {
  const random = seededRandom(seed)
  const pick = <Item>(...items: readonly [Item, ...Item[]]): Item =>
    items[random.uint32() % items.length] ?? items[0]
  const script = new Script(50)
  for (let steps = 0; steps < 60; steps++) {
    const before = script.state
    script.fraction = random.fraction()
    script.value = pick(0, 10, 50, 56, 70)
    script.isWanted = random.fraction() < 0.4
    script.at += random.fraction() * pick(300, 300, 300, 70_000)
    const happening = happeningFrom(pick, script.state.seen)
    if (happening.kind === 'wake') script.at = Math.max(script.at, dueOf(script.state) ?? 0)
    if (happening.kind === 'withdrawn') script.value = 0
    if (happening.kind === 'offered') script.value = 50
    script.happens(happening)
    if (script.state.phase !== before.phase)
      walked.add(`${before.phase.kind} ${happening.kind} ${script.state.phase.kind}`)
  }
}

function happeningFrom(pick: <Item>(...items: readonly [Item, ...Item[]]) => Item, seen: number): Happening {
  const term = Math.max(1, seen + pick(-1, 0, 0, 1))
  const value = pick(20, 50, 60)
  const ballot = pick({ node: A, value }, { node: Z, value }, undefined)
  return pick<Happening>(
    { kind: 'wanted' },
    { kind: 'offered' },
    { kind: 'withdrawn' },
    { kind: 'call' },
    { kind: 'absent', node: pick(A, ME, Z), reason: 'x', isReported: value > 50 },
    { kind: 'asked' },
    { kind: 'election', term, delayMs: 400, ballot, without: value > 50 ? A : undefined },
    { kind: 'result', mandate: { node: pick(A, ME, Z), term, value }, ageMs: pick(0, 0, 3000) },
    { kind: 'wake' },
    { kind: 'wake' },
    { kind: 'wake' },
    { kind: 'wake' },
  )
}
