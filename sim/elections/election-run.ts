/**
 * One electorate's life: boots, elects, loses its providers in every way there is, falls apart and heals, under loss and under
 * attack. After each disturbance every node must come to the same provider within the bound of docs/providers.md.
 */
import type { Random } from '../../core/random.ts'
import { seededRandom } from '../../core/random.ts'
import { attack } from './attackers.ts'
import { Electorate, type Voter } from './electorate.ts'

/** As service/function-parts.ts has it for a LAN of forty nodes and more. */
const TIMING = { delayMs: 400, roundTripMs: 200, heartbeatMs: 5000, silenceMs: 21_000, doubtMs: 60_000 }

/** How long it may take until all agree again, in ms. */
export const BOUNDS_MS = {
  boot: 20_000,
  /** A silent provider has to be noticed first. */
  crash: 45_000,
  leave: 20_000,
  elect: 20_000,
  heal: 30_000,
  better: 100_000,
  /** From the first node that notices a dead provider until all agree on another one (issue 7). */
  replaced: 5000,
  /** Two that won the same term, because each missed what the other said: until the next sign of life. */
  rivals: 5500,
} as const

export type Disturbance = Exclude<keyof typeof BOUNDS_MS, 'rivals' | 'replaced'>

export interface ElectionRun {
  readonly seed: number
  readonly nodes: number
  readonly loss: number
  /** Elections that were decided: one for each term that somebody won. */
  elections: number
  packets: number
  /** From the disturbance until all agreed, in ms. */
  readonly agreedMs: { readonly after: Disturbance; readonly ms: number }[]
  /** From the first node that noticed a dead provider until all agreed on another one, in ms. */
  readonly replacedMs: number[]
  /** How long two nodes were both seen as winners of one term, where that was seen at all, in ms. */
  readonly rivalsMs: number[]
  readonly failures: string[]
}

/** Most LANs are small. */
const SIZES = [2, 2, 3, 3, 5, 5, 8, 10, 15, 20, 30, 50] as const
const RARE_SIZES = [100, 200, 500, 1000] as const

export interface RunSettings {
  readonly nodes?: number
  readonly loss?: number
}

export function electionRun(seed: number, settings: RunSettings = {}): ElectionRun {
  const chance = seededRandom(seed * 7919)
  const nodes = settings.nodes ?? sizeOf(chance)
  const loss = settings.loss ?? Math.max(0, 0.35 * chance.fraction() - 0.05)
  const run: ElectionRun = {
    seed,
    nodes,
    loss,
    elections: 0,
    packets: 0,
    agreedMs: [],
    replacedMs: [],
    rivalsMs: [],
    failures: [],
  }
  const electorate = new Electorate({ seed, loss, timing: TIMING })
  const life = new Life(electorate, chance, run)
  life.boot(nodes)
  for (let times = 0; times < 6 && run.failures.length === 0; times++) life.disturb()
  run.elections = new Set([...electorate.won].map((each) => each.split(' ')[1])).size
  run.packets = electorate.packets
  run.failures.push(...electorate.forged.map((each) => `forged: ${each}`))
  return run
}

function sizeOf(chance: Random): number {
  const sizes = chance.fraction() < 0.02 ? RARE_SIZES : SIZES
  return sizes[chance.uint32() % sizes.length] ?? 2
}

class Life {
  readonly #electorate: Electorate
  readonly #chance: Random
  readonly #run: ElectionRun

  constructor(electorate: Electorate, chance: Random, run: ElectionRun) {
    this.#electorate = electorate
    this.#chance = chance
    this.#run = run
  }

  boot(nodes: number): void {
    const { timeline } = this.#electorate
    for (let at = 0; at < nodes; at++) {
      const isCandidate = at < 2 || this.#chance.fraction() < 0.8
      const voter = this.#electorate.add(isCandidate ? 1 + (this.#chance.uint32() % 100_000) : 0)
      timeline.after(2000 * this.#chance.fraction(), () => voter.start())
    }
    this.#electorate.sleep(2000)
    attack(this.#electorate, this.#electorate.add(0), false)
    attack(this.#electorate, this.#electorate.add(0), true)
    this.#agree('boot')
  }

  /** What may happen to a LAN, each as likely. */
  disturb(): void {
    const kinds = [
      () => this.#crash(),
      () => this.#leave(),
      () => this.#withdraw(),
      () => this.#elect(),
      () => this.#report(),
      () => this.#fallApart(),
      () => this.#crashOfTheBest(),
      () => this.#better(),
    ]
    kinds[this.#chance.uint32() % kinds.length]?.()
  }

  #crash(): void {
    const provider = this.#provider()
    if (provider === undefined || this.#candidates().length < 2) return this.#newcomer()
    this.#electorate.dead.length = 0
    provider.crash()
    this.#replaced()
  }

  #leave(): void {
    const provider = this.#provider()
    if (provider === undefined || this.#candidates().length < 2) return this.#newcomer()
    this.#electorate.dead.length = 0
    provider.leave()
    this.#replaced()
  }

  #replaced(): void {
    const agreedAt = this.#agree('crash')
    const noticedAt = this.#electorate.dead[0]?.at
    if (noticedAt === undefined) return
    const ms = Math.max(0, agreedAt - noticedAt)
    this.#run.replacedMs.push(ms)
    if (ms > BOUNDS_MS.replaced) this.#run.failures.push(`replaced ${Math.round(ms)} ms after it was noticed`)
  }

  #withdraw(): void {
    const provider = this.#provider()
    if (provider === undefined || this.#candidates().length < 2) return this.#newcomer()
    provider.withdraw()
    this.#agree('crash')
  }

  #elect(): void {
    for (let callers = 1 + (this.#chance.uint32() % 3); callers > 0; callers--)
      void this.#any()?.providers.elect(this.#electorate.function)
    this.#electorate.sleep(3000)
    this.#agree('elect')
  }

  /** Somebody could not reach a provider that lives: it is elected again, or another one. */
  #report(): void {
    const reporter = this.#any()
    const known = reporter?.known()
    if (reporter === undefined || known === undefined || known.node === reporter.id) return
    reporter.providers.report(known, 'no answer')
    this.#electorate.sleep(3000)
    this.#agree('elect')
  }

  /** Two parts elect for themselves, and are one LAN again. */
  #fallApart(): void {
    for (const each of this.#electorate.voters) each.part = this.#chance.fraction() < 0.5 ? 0 : 1
    this.#electorate.sleep(10_000 + 40_000 * this.#chance.fraction())
    for (const part of [0, 1]) this.#checkOneWinner(part)
    for (const each of this.#electorate.voters) each.part = 0
    this.#agree('heal')
  }

  /** The one that is about to win dies between its ballot and its result. */
  #crashOfTheBest(): void {
    const best = this.#candidates().toSorted((one, other) => other.value - one.value)[0]
    if (best === undefined || this.#candidates().length < 2) return this.#newcomer()
    void this.#any()?.providers.elect(this.#electorate.function)
    this.#electorate.sleep(300 + 500 * this.#chance.fraction())
    best.crash()
    this.#agree('crash')
  }

  /** A node becomes much better than the provider, for good. */
  #better(): void {
    const provider = this.#provider()
    const other = this.#candidates().find((each) => each !== provider)
    if (provider === undefined || other === undefined) return this.#newcomer()
    other.value = Math.min(900_000, Math.round(provider.value * 1.5) + 10)
    this.#electorate.sleep(BOUNDS_MS.better)
    this.#agree('better')
  }

  /** A machine that is switched on, perhaps one that had crashed. */
  #newcomer(): void {
    const dead = this.#electorate.voters.find((each) => !each.isUp && each.value > 0)
    const voter = dead ?? this.#electorate.add(1 + (this.#chance.uint32() % 100_000))
    voter.start()
    this.#electorate.sleep(1000)
    this.#agree('boot')
  }

  /** @returns when they agreed, or gave up. */
  #agree(after: Disturbance): number {
    const ms = this.#electorate.until(() => this.#isAgreed(), BOUNDS_MS[after])
    if (ms === undefined)
      this.#run.failures.push(`no agreement ${BOUNDS_MS[after]} ms after ${after}: ${this.#views()}`)
    else this.#run.agreedMs.push({ after, ms })
    const agreedAt = this.#electorate.now
    for (let times = 0; times < 3; times++) {
      this.#electorate.sleep(1500)
      this.#checkOneWinner(0)
    }
    return agreedAt
  }

  /** All who need one know the same provider, and it lives. */
  #isAgreed(): boolean {
    const up = this.#electorate.up(0)
    if (up.every((each) => each.value === 0)) return true
    const needing = up.filter((each) => each.value > 0)
    const [first] = needing
    const provider = first?.known()
    if (provider === undefined || !up.some((each) => each.id === provider.node)) return false
    return needing.every((each) => {
      const known = each.known()
      return known?.node === provider.node && known.term === provider.term
    })
  }

  /** Two winners of one term, as nodes that can hear each other see it, are one within the election's bound. */
  #checkOneWinner(part: number): void {
    const first = this.#rivals(part)
    if (first === undefined) return
    const ms = this.#electorate.until(() => this.#rivals(part) === undefined, BOUNDS_MS.rivals)
    if (ms === undefined) this.#run.failures.push(`two winners: ${first}, at ${this.#electorate.now}`)
    else this.#run.rivalsMs.push(ms)
  }

  #rivals(part: number): string | undefined {
    const winners = new Map<number, string>()
    for (const each of this.#electorate.up(part)) {
      const known = each.known()
      const winner = known && winners.get(known.term)
      if (known === undefined || winner === known.node) continue
      if (winner !== undefined) return `${winner} and ${known.node} in term ${known.term}`
      winners.set(known.term, known.node)
    }
    return undefined
  }

  #views(): string {
    const views = this.#electorate.up(0).map((each) => {
      const known = each.known()
      return `${each.id.slice(0, 4)}(${each.value}) → ${known === undefined ? 'nobody' : `${known.node.slice(0, 4)} ${known.term}`}`
    })
    return views.slice(0, 12).join(', ')
  }

  #candidates(): Voter[] {
    return this.#electorate.up().filter((each) => each.value > 0)
  }

  #provider(): Voter | undefined {
    const known = this.#candidates()[0]?.known()
    return this.#electorate.up().find((each) => each.id === known?.node)
  }

  #any(): Voter | undefined {
    const up = this.#electorate.up()
    return up[this.#chance.uint32() % up.length]
  }
}
