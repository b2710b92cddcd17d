/** Reads everything that a store has and removes what is damaged (`Store.verify`), in the order of the digests. */
import { createHash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import type { Sha256 } from '../core/digest.ts'
import { describe, Fault } from '../core/fault.ts'
import type { Finding, StoredResponse } from '../core/store.ts'
import type { Bodies } from './bodies.ts'
import type { StoredBody } from './place.ts'
import type { ResponseIndex } from './response-index.ts'
import { isLoss } from './store-fault.ts'

/** What is needed of the store. */
export interface VerifiedStore {
  readonly index: ResponseIndex
  readonly bodies: Bodies
  /** The body stays until the returned function is called. */
  pin(digest: Sha256): () => void
  /** Removes the body. @returns the responses that had it. */
  lose(digest: Sha256, reason: string): readonly StoredResponse[]
  drop(response: StoredResponse): void
  /** How many responses there are. */
  responses(): number
}

/** Responses of the index that are looked at before anything else of this process has its turn. */
const ROWS_PER_TURN = 128

/** Bodies come in 256 portions, by the first two digits of their digests: no list of all is held in memory. */
const PREFIXES = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

export async function* verifyStore(store: VerifiedStore): AsyncGenerator<Finding> {
  const before = store.responses()
  store.index.check()
  yield* unnamed(before - store.responses())
  yield* verifyRows(store)
  for (const prefix of PREFIXES) {
    for (const digest of store.index.digestsFrom(prefix)) {
      yield* verifyBody(store, digest)
    }
  }
}

/** The index drops by itself what it cannot read; whom that concerned, nobody can tell any more. */
async function* verifyRows(store: VerifiedStore): AsyncGenerator<Finding> {
  let looked = 0
  let before = store.responses()
  for (const response of store.index.list('least-recent-first')) {
    yield* unnamed(before - store.responses())
    if (isWithoutBody(store, response)) yield withoutBody(store, response)
    looked += 1
    if (looked % ROWS_PER_TURN === 0) await setImmediate()
    before = store.responses()
  }
  yield* unnamed(before - store.responses())
}

function unnamed(responses: number): Finding[] {
  return responses > 0 ? [{ kind: 'unnamed', responses }] : []
}

/** What has gone since its page of the list was read, with its body, is not lost. */
function isWithoutBody({ index }: VerifiedStore, { id, uri, digest }: StoredResponse): boolean {
  return index.body(digest) === undefined && index.lookup(uri).some((each) => each.id === id)
}

function withoutBody(store: VerifiedStore, response: StoredResponse): Finding {
  store.drop(response)
  return { kind: 'lost', responses: [response], reason: 'the index knows nothing of its body' }
}

async function* verifyBody(store: VerifiedStore, digest: Sha256): AsyncGenerator<Finding> {
  // It has gone since the list was made.
  if (store.index.body(digest) === undefined) return
  const unpin = store.pin(digest)
  try {
    const size = store.index.byDigest(digest)[0]?.size
    if (size === undefined) throw new Fault('STORE_CORRUPT', `body ${digest}: no response has it`)
    // Looked up late, because a small body may be moved at any time.
    const body = store.index.body(digest)
    if (body !== undefined) yield* readWhole(store.bodies, { ...body, size, sha256: digest })
  } catch (error) {
    if (isLoss(error))
      yield { kind: 'lost', responses: store.lose(digest, error.message), reason: error.message }
    else yield { kind: 'unread', responses: store.index.byDigest(digest), reason: describe(error) }
  } finally {
    unpin()
  }
}

/** Pieces are checked by whoever reads them; the digest of the whole is checked here. */
async function* readWhole(bodies: Bodies, body: StoredBody): AsyncGenerator<Finding> {
  const whole = createHash('sha256')
  for await (const bytes of bodies.readAnew(body)) {
    whole.update(bytes)
    yield { kind: 'read', bytes: bytes.length }
  }
  if (whole.digest('hex') !== body.sha256)
    throw new Fault('STORE_CORRUPT', `body ${body.sha256}: its bytes do not match its digest`)
  yield { kind: 'right' }
}
