/** What lies in the segments: how long each is, and how much of it lives. */
import type { Place } from './place.ts'
import type { SegmentUse } from './place-index.ts'

interface Account {
  /** Bytes of the file. */
  length: number
  bodies: number
  bytes: number
  /** Bodies that were appended and may not be in the index yet. */
  unsettled: number
}

export class SegmentBooks {
  readonly #accounts = new Map<number, Account>()
  #dead = 0
  #live = 0

  /** Bytes of all bodies. */
  get liveBytes(): number {
    return this.#live
  }

  /** Bytes of all segments that belong to no body. */
  get deadBytes(): number {
    return this.#dead
  }

  /** There is a segment of so many bytes. */
  found(segment: number, length: number): void {
    this.#accounts.set(segment, { length, bodies: 0, bytes: 0, unsettled: 0 })
    this.#dead += length
  }

  /** A body was appended; it is unsettled. */
  add({ segment, start }: Place, size: number): void {
    this.#change(segment, (account) => {
      account.length = Math.max(account.length, start + size)
      account.bodies += 1
      account.bytes += size
      account.unsettled += 1
    })
  }

  settle({ segment }: Place): void {
    this.#change(segment, (account) => (account.unsettled -= 1))
  }

  /** A body has gone. */
  subtract({ segment }: Place, size: number): void {
    this.#change(segment, (account) => {
      account.bodies -= 1
      account.bytes -= size
    })
  }

  /** Only these live, and what is unsettled is not counted until the next recount. */
  recount(uses: readonly SegmentUse[]): void {
    const bySegment = new Map(uses.map((use) => [use.segment, use]))
    for (const segment of this.#accounts.keys()) {
      const { bodies, bytes } = bySegment.get(segment) ?? { bodies: 0, bytes: 0 }
      this.#change(segment, (account) => Object.assign(account, { bodies, bytes }))
    }
  }

  forget(segment: number): void {
    const account = this.#accounts.get(segment)
    if (account === undefined) return
    this.#dead -= deadIn(account)
    this.#live -= account.bytes
    this.#accounts.delete(segment)
  }

  clear(): void {
    this.#accounts.clear()
    this.#dead = 0
    this.#live = 0
  }

  /** Bytes of the segment; -1 when there is none of this number. */
  lengthOf(segment: number): number {
    return this.#accounts.get(segment)?.length ?? -1
  }

  /** Does nothing in it live or come? A segment that is not there is not empty. */
  isEmpty(segment: number): boolean {
    const account = this.#accounts.get(segment)
    return account !== undefined && account.bodies <= 0 && account.unsettled === 0
  }

  empty(): number[] {
    return [...this.#accounts.keys()].filter((segment) => this.isEmpty(segment))
  }

  /** The segment of whose bytes the largest part is dead. */
  mostDead(except: ReadonlySet<number | undefined>): number | undefined {
    let most: number | undefined
    let largest = 0
    for (const [segment, account] of this.#accounts) {
      const share = deadIn(account) / account.length
      if (!(share > largest) || except.has(segment)) continue
      largest = share
      most = segment
    }
    return most
  }

  #change(segment: number, change: (account: Account) => void): void {
    const account = this.#accounts.get(segment)
    if (account === undefined) return
    this.#dead -= deadIn(account)
    this.#live -= account.bytes
    change(account)
    this.#dead += deadIn(account)
    this.#live += account.bytes
  }
}

function deadIn({ length, bytes }: Account): number {
  return Math.max(0, length - bytes)
}
