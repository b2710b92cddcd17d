/** Whether a response is stored when it is whole, and what others hear of it then. */
import { deferred } from '../core/deferred.ts'
import type { MayKeep, Store, StoredResponse } from '../core/store.ts'
import type { Address } from '../core/transport.ts'
import type { Expectation } from '../core/verifier.ts'
import type { Admission } from './admission.ts'
import type { Provenance } from './provenance.ts'

/** A copy of which only the application can tell whether it is right (V5). */
export interface UnverifiedCopy {
  /** The one that it came from, or that began it. */
  readonly peer: Address
  readonly clients: readonly string[]
}

/** The copy that has arrived. */
export interface WholeCopy {
  readonly admission: Admission
  readonly provenance: Provenance
  /** Whether it comes from the origin server alone: its copy is several retrievals', and tells itself of what is stored. */
  readonly isFromOrigin: boolean
  /** @returns `undefined` when it may not be stored. @throws Fault of the store. */
  commit(mayKeep: MayKeep): Promise<StoredResponse | undefined>
}

export class Keeping {
  readonly #store: Pick<Store, 'remove'>
  readonly #copy: WholeCopy
  readonly #onStored: (response: StoredResponse, unverified: UnverifiedCopy | undefined) => void
  readonly #storing = deferred<void>()
  readonly #clients = new Set<string>()
  #isStoring = false
  #isOutdated: boolean

  constructor(
    copy: WholeCopy,
    isOutdated: boolean,
    store: Pick<Store, 'remove'>,
    onStored: (response: StoredResponse, unverified: UnverifiedCopy | undefined) => void,
  ) {
    this.#copy = copy
    this.#isOutdated = isOutdated
    this.#store = store
    this.#onStored = onStored
  }

  get isOutdated(): boolean {
    return this.#isOutdated
  }

  /** An unsafe request has changed the resource meanwhile: nothing of this is kept (RFC 9111 4.4). */
  outdate(): void {
    this.#isOutdated = true
  }

  /** Notes who is given the bytes, for the watch that V5 asks for. */
  deliveredTo(client: string | undefined): void {
    if (client !== undefined) this.#clients.add(client)
  }

  /** Whether the response will be stored when it is whole. */
  get willBeStored(): boolean {
    return this.#copy.admission.kind === 'admitted' && !this.#isOutdated
  }

  /** Resolves when what is being stored now is stored, or is not; `undefined` when nothing is. */
  get storing(): Promise<void> | undefined {
    return this.#isStoring ? this.#storing.promise : undefined
  }

  /** Stores what is whole and verified, and says so. @returns whether it is stored. @throws Fault of the store. */
  async keep(expectation: Expectation): Promise<boolean> {
    this.#isStoring = this.willBeStored
    const { isFromOrigin } = this.#copy
    const response = this.#isOutdated ? undefined : await this.#copy.commit(() => !this.#isOutdated)
    if (response !== undefined && !isFromOrigin) {
      // It may have become outdated while it was written.
      if (this.#isOutdated) this.#store.remove(response.uri)
      else this.#onStored(response, this.#unverified(expectation))
    }
    return response !== undefined && !this.#isOutdated
  }

  /** Nothing is stored any more: whoever waits for that looks at the store. */
  end(): void {
    this.#isStoring = false
    this.#storing.resolve()
  }

  #unverified(expectation: Expectation): UnverifiedCopy | undefined {
    const [peer] = this.#copy.provenance.contributors
    return peer !== undefined && expectation.kind === 'updater'
      ? { peer, clients: [...this.#clients] }
      : undefined
  }
}
