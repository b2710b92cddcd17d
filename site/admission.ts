/**
 * How a machine comes in (V§7), in four packets:
 *
 *   machine  ── site-join (broadcast): token's number, nonce, box ──────────────►  authority
 *            ◄── site-welcome: its key, challenge, box, signature over all ──────
 *            ── site-proof: own key, name, HMAC by the token's secret over all ─►
 *            ◄── site-pass: the pass, and the site's secret sealed for the box ──
 *
 * Stops a false authority (its key must have the token's fingerprint, and has signed this very exchange), a machine without the
 * token, one in the middle (everything said is under signature and HMAC), and replay (fresh nonces on both sides).
 */
import { randomBytes } from 'node:crypto'
import { sleep, type Clock, type Monotonic } from '../core/clock.ts'
import { Fault } from '../core/fault.ts'
import type { Address } from '../core/transport.ts'
import type { Extras } from '../peering/packets.ts'
import { isProof, proofOf, type Authority, type TokenRefusal } from './authority.ts'
import { fingerprintOf, newMemberKey, P256, privateText, readAuthorityPublic, siteIdOf } from './keys.ts'
import type { MemberRecord, SiteSecret } from './membership.ts'
import { readPass } from './pass.ts'
import { newBox, seal, sharedKey, unseal, type Box } from './sealed.ts'
import { readToken, type Token } from './token.ts'

export const JOIN = 'site-join'
export const WELCOME = 'site-welcome'
export const PROOF = 'site-proof'
export const PASS_PACKET = 'site-pass'
export const REFUSED = 'site-refused'

/** Sends a packet, to everybody or to one. */
export type Say = (name: string, extras: Extras, to?: Address) => void

/** A packet of the exchange. */
export interface Heard {
  readonly name: string
  readonly words: ReadonlyMap<string, string>
  readonly from: Address
  /** Of its datagram. */
  readonly bytes: number
}

/** Exchanges at once; what is still open after half a minute is forgotten. */
export const MAX_EXCHANGES = 64
/** Of one address: whoever has overheard a token's number fills these, and no more. */
export const MAX_EXCHANGES_OF_ADDRESS = 4
export const EXCHANGE_MS = 30_000

/** Every packet is said again until it is answered, in ms. */
const AGAIN_MS = 400
const TIMES = 12
/** Proofs without an answer, after which the machine asks anew: its exchange may have lost its place. */
const PROOFS = 3

/** The longest answer's room: the machine's packets are filled to it, so that no answer is longer (V§4). */
const FILLED = 620

interface Exchange {
  readonly from: Address
  readonly at: Monotonic
  readonly token: Token['id']
  readonly secret: string
  readonly transcript: string
  readonly key: Buffer
  readonly welcome: Extras
  answer: Extras | undefined
}

export interface AdmissionComponents {
  readonly clock: Clock
  readonly authority: () => Authority | undefined
  readonly say: Say
  /** A pass was given: the authority's record has changed. */
  readonly onAdmitted: (name: string) => Promise<void>
}

/** What a refusal's word alone does not tell. */
const WHY: Readonly<Record<string, string>> = { void: ', because a member was revoked after it was made' }

/** The authority's side. */
export class Admission {
  readonly #components: AdmissionComponents
  readonly #exchanges = new Map<string, Exchange>()

  constructor(components: AdmissionComponents) {
    this.#components = components
  }

  async hear({ name, words, from }: Heard): Promise<void> {
    const authority = this.#components.authority()
    if (authority === undefined) return
    if (name === JOIN) this.#join(authority, words, from)
    if (name === PROOF) await this.#proof(authority, words, from)
  }

  #join(authority: Authority, words: Heard['words'], from: Address): void {
    const [nonce, site, id, box] = wordsOf(words, ['n', 'site', 'token', 'box'])
    if (nonce === undefined || site !== siteIdOf(authority.key.publicKey) || !/^[\da-f]{32}$/.test(nonce))
      return
    const place = placeOf(from, nonce)
    const known = this.#exchanges.get(place)
    if (known !== undefined) return this.#components.say(WELCOME, known.welcome, from)
    const token = authority.token(id ?? '')
    if (typeof token === 'string') return this.#refuse(nonce, token, from)
    const exchange = this.#begin(authority, token, { nonce, box: box ?? '', from })
    if (exchange === undefined) return
    this.#makeRoom(from)
    this.#exchanges.set(place, exchange)
    this.#components.say(WELCOME, exchange.welcome, from)
  }

  #begin(
    authority: Authority,
    token: { readonly id: string; readonly secret: string },
    { nonce, box, from }: { readonly nonce: string; readonly box: string; readonly from: Address },
  ): Exchange | undefined {
    const own = newBox()
    const challenge = randomBytes(16).toString('hex')
    const transcript = transcriptOf([token.id, nonce, challenge, box, own.publicKey, authority.key.publicKey])
    const key = sharedKey(own, box, transcript + token.secret)
    if (key === undefined) return undefined
    const signature = P256.sign(Buffer.from(transcript), authority.key.key).toString('base64url')
    const welcome: Extras = [
      ['n', nonce],
      ['challenge', challenge],
      ['key', authority.key.publicKey],
      ['box', own.publicKey],
      ['signature', signature],
    ]
    const at = this.#components.clock.monotonic()
    return { from, at, token: token.id, secret: token.secret, transcript, key, welcome, answer: undefined }
  }

  async #proof(authority: Authority, words: Heard['words'], from: Address): Promise<void> {
    const [nonce = '', key = '', name = '', proof = ''] = wordsOf(words, ['n', 'key', 'name', 'proof'])
    const exchange = this.#exchanges.get(placeOf(from, nonce))
    if (exchange === undefined) return
    if (!isProof(proof, exchange.secret, transcriptOf([exchange.transcript, key, name]))) return
    if (exchange.answer === undefined) {
      const token = authority.token(exchange.token)
      const admitted = authority.admit(exchange.token, key, name)
      if (admitted === undefined) return this.#refuse(nonce, typeof token === 'string' ? token : 'used', from)
      const sealed = seal(
        exchange.key,
        JSON.stringify({ name: authority.record.name, secret: admitted.secret }),
      )
      exchange.answer = [
        ['n', nonce],
        ['pass', admitted.pass],
        ['sealed', sealed],
      ]
      await this.#components.onAdmitted(name)
    }
    this.#components.say(PASS_PACKET, exchange.answer, from)
  }

  #refuse(nonce: string, reason: TokenRefusal, to: Address): void {
    const said: Extras = [
      ['n', nonce],
      ['reason', reason],
    ]
    this.#components.say(REFUSED, said, to)
  }

  /** The newest of an address takes the place of its oldest, and of all addresses that of the oldest of them. */
  #makeRoom(from: Address): void {
    const now = this.#components.clock.monotonic()
    for (const [place, { at }] of this.#exchanges) if (now - at > EXCHANGE_MS) this.#exchanges.delete(place)
    const all = [...this.#exchanges]
    const own = all.filter(([, each]) => each.from === from)
    if (own.length >= MAX_EXCHANGES_OF_ADDRESS) this.#drop(own)
    else if (all.length >= MAX_EXCHANGES) this.#drop(all)
  }

  /** The oldest; one that was given its pass may have to be told again, and goes last. */
  #drop(exchanges: readonly (readonly [string, Exchange])[]): void {
    const [place] = exchanges.find(([, { answer }]) => answer === undefined) ?? exchanges[0] ?? []
    if (place !== undefined) this.#exchanges.delete(place)
  }
}

/** The machine's side: one attempt. */
export class Joining {
  readonly #clock: Clock
  readonly #say: Say
  readonly #token: Token
  readonly #name: string
  readonly #key = newMemberKey()
  readonly #box: Box = newBox()
  readonly #nonce = randomBytes(16).toString('hex')
  #shared:
    | { readonly authority: string; readonly key: Buffer; readonly proof: Extras; readonly at: Address }
    | undefined
  #record: MemberRecord | undefined
  /** That were said since the last question. */
  #proofs = 0
  #refusal = ''
  #wake = new AbortController()

  /** @throws Fault BAD_REQUEST for what is no token, or one whose time is over. */
  constructor(token: string, name: string, components: { readonly clock: Clock; readonly say: Say }) {
    const read = readToken(token)
    if (read === undefined)
      throw new Fault('BAD_REQUEST', 'expected a token as "ihave site init" prints it, unchanged')
    if (read.until <= components.clock.wall())
      throw new Fault('BAD_REQUEST', 'the token has expired; "ihave site invite" makes another')
    this.#token = read
    this.#name = name
    this.#clock = components.clock
    this.#say = components.say
  }

  /** @throws Fault UNREACHABLE when nobody lets the machine in within some seconds, with the reason that was heard. */
  async run(): Promise<MemberRecord> {
    for (let time = 0; time < TIMES && this.#record === undefined; time++) {
      this.#wake = new AbortController()
      this.#speak()
      await sleep(this.#clock, AGAIN_MS, this.#wake.signal)
    }
    if (this.#record !== undefined) return this.#record
    const why =
      this.#refusal === ''
        ? 'nobody who may let machines in has answered'
        : `the token is ${this.#refusal}${WHY[this.#refusal] ?? ''}; "ihave site invite" makes another`
    throw new Fault('UNREACHABLE', `could not join: ${why}`)
  }

  #speak(): void {
    if (this.#proofs === PROOFS) [this.#shared, this.#proofs] = [undefined, 0]
    if (this.#shared === undefined) return this.#say(JOIN, this.#question())
    this.#proofs++
    this.#say(PROOF, this.#shared.proof, this.#shared.at)
  }

  hear({ name, words, from }: Heard): void {
    if (words.get('n') !== this.#nonce) return
    if (name === REFUSED)
      this.#refusal = /^(unknown|expired|used|void)$/.exec(words.get('reason') ?? '')?.[0] ?? ''
    if (name === WELCOME && this.#shared === undefined) this.#welcome(words, from)
    if (name === PASS_PACKET) this.#pass(words)
  }

  #question(): Extras {
    const said: Extras = [
      ['n', this.#nonce],
      ['site', this.#token.authority.slice(0, 32)],
      ['token', this.#token.id],
      ['box', this.#box.publicKey],
    ]
    return filled(said)
  }

  #welcome(words: Heard['words'], from: Address): void {
    const [challenge = '', key = '', box = '', signature = ''] = wordsOf(words, [
      'challenge',
      'key',
      'box',
      'signature',
    ])
    const authority = fingerprintOf(key) === this.#token.authority ? readAuthorityPublic(key) : undefined
    if (authority === undefined) return
    const { id, secret } = this.#token
    const transcript = transcriptOf([id, this.#nonce, challenge, this.#box.publicKey, box, key])
    if (!P256.verify(Buffer.from(transcript), authority, Buffer.from(signature, 'base64url'))) return
    const shared = sharedKey(this.#box, box, transcript + secret)
    if (shared === undefined) return
    const own = this.#key.publicKey
    const proof = proofOf(secret, transcriptOf([transcript, own, this.#name]))
    const said: Extras = [
      ['n', this.#nonce],
      ['key', own],
      ['name', this.#name],
      ['proof', proof],
    ]
    this.#shared = { authority: key, key: shared, proof: filled(said), at: from }
    this.#wake.abort()
  }

  #pass(words: Heard['words']): void {
    const [pass = '', sealed = ''] = wordsOf(words, ['pass', 'sealed'])
    if (this.#shared === undefined) return
    const { authority, key } = this.#shared
    const publicKey = readAuthorityPublic(authority)
    const text = unseal(key, sealed)
    if (publicKey === undefined || text === undefined) return
    if (readPass(pass, siteIdOf(authority), publicKey) === undefined) return
    const { name, secret } = JSON.parse(text) as { name: string; secret: SiteSecret }
    this.#record = { name, authority, key: privateText(this.#key.key), pass, secret, denyList: undefined }
    this.#wake.abort()
  }
}

function wordsOf(words: Heard['words'], names: readonly string[]): (string | undefined)[] {
  return names.map((name) => words.get(name))
}

/** Nobody takes another's place by saying the same nonce. */
function placeOf(from: Address, nonce: string): string {
  return `${from} ${nonce}`
}

/** Unambiguous: no part has a line feed. */
function transcriptOf(parts: readonly string[]): string {
  return parts.join('\n')
}

function filled(said: Extras): Extras {
  const length = said.reduce((sum, [name, value]) => sum + name.length + value.length + 4, 0)
  return [...said, ['filling', '.'.repeat(Math.max(0, FILLED - length))]]
}
