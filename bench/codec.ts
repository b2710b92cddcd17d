/** Service packets read and written. */
import { seededRandom } from '../core/random.ts'
import { systemClock, type EpochMs } from '../core/clock.ts'
import type { Address } from '../core/transport.ts'
import { decode, encode, padded } from '../peering/codec.ts'
import type { NodeId, RequestId, RequestPacket, ResponsePacket } from '../peering/packets.ts'
import { newAuthorityKey, newMemberKey, privateText, siteIdOf } from '../site/keys.ts'
import { Membership } from '../site/membership.ts'
import { packetSeal } from '../site/packet-seal.ts'
import { makePass, PASS_MS } from '../site/pass.ts'
import type { Benchmark, Case } from './measure.ts'

/** Packets for one figure. */
const PACKETS = 30_000
const hex = (digits: number) => '0123456789abcdef'.repeat(4).slice(0, digits)

const common = { id: 2864434397 as RequestId, node: hex(32) as NodeId, nonce: hex(32), extras: [] }

const request: RequestPacket = padded({
  ...common,
  type: 'request',
  more: [],
  href: 'http://deb.example.org/pool/main/c/curl/curl_7.88.1-10_amd64.deb',
  method: 'get',
  acceptProtocol: 'http',
  cachedOnly: true,
  maxDelayMs: 15,
})

const response: ResponsePacket = {
  ...common,
  type: 'response',
  more: [],
  location: `http://192.168.1.7:6515/${hex(64)}`,
  size: 315_204,
  digest: { algorithm: 'sha-256', hex: hex(64) },
  etag: '"4cf44-5f3e"',
  lastModified: undefined,
  ageSeconds: 3600,
  version: undefined,
}

const question = encode(request) ?? new Uint8Array()
const answer = encode(response) ?? new Uint8Array()
const malformed = question.slice(0, -1)
const garbage = new Uint8Array(question.length).fill(0x2e)

const STARTED_AT = systemClock.wall()
const member = membership()
const HERE = '10.0.0.1' as Address
/** However long the benchmark takes, its packets are of this moment. */
const STANDING = { ...systemClock, wall: () => STARTED_AT }
const seal = () =>
  packetSeal({ clock: STANDING, random: seededRandom(1), address: () => HERE, membership: () => member })
const signed = seal().seal(answer)

/** A document as this benchmark's member signs it, at an address; `seal` is another member's way to read it. */
export const signing = Object.assign(
  (document: Uint8Array, address: Address): Uint8Array =>
    packetSeal({
      clock: STANDING,
      random: seededRandom(nonces++),
      address: () => address,
      membership: () => member,
    }).seal(document),
  { seal },
)
let nonces = 1000

function membership(): Membership {
  const authority = newAuthorityKey()
  const key = newMemberKey()
  const site = siteIdOf(authority.publicKey)
  const from = systemClock.wall()
  const until = (from + PASS_MS) as EpochMs
  const pass = makePass({ site, key: key.publicKey, name: 'bench', from, until }, authority)
  const secret = { epoch: 1, key: '00'.repeat(32) }
  const record = { name: 'bench', authority: authority.publicKey, key: privateText(key.key), pass, secret }
  return new Membership({ ...record, denyList: undefined }, systemClock)
}

/** As a member reads it whose question it answers; each time as if it had not been heard before. */
function readSigned(): void {
  const opened = seal().open(signed, HERE)
  decode(opened.document)
  if (opened.signer([]).kind !== 'member') throw new Error('the signature should be right')
}

export const codec: Benchmark = {
  name: 'codec',
  about: `Microseconds of processor time for one service packet, from ${PACKETS} of each. A node hears every question of its LAN, so reading is the cost that grows with the LAN; garbage is what an attacker sends.`,
  needs: [],
  async *groups() {
    yield {
      name: 'one packet',
      baseline: 'read a question',
      units: { time: 'µs' },
      cases: [
        packets('read a question', () => decode(question)),
        packets('read an answer', () => decode(answer)),
        packets('refuse a question cut short', () => decode(malformed)),
        packets('refuse garbage', () => decode(garbage)),
        packets('read a signed answer to an open question', readSigned),
        packets('read a signed answer to nothing', () => decode(seal().open(signed, HERE).document)),
        packets('sign an answer', () => seal().seal(answer)),
        packets('write a question', () => encode(request)),
        packets('write an answer', () => encode(response)),
      ],
      bounds: [
        {
          promise: '8,000 unsigned packets a second',
          case: 'read a question',
          figure: 'time',
          of: 'median',
          atMost: 125,
        },
        {
          promise: '2,000 signed packets a second',
          case: 'read a signed answer to an open question',
          figure: 'time',
          of: 'median',
          atMost: 500,
        },
        {
          promise: 'the cheap filter: 30,000 a second',
          case: 'refuse garbage',
          figure: 'time',
          of: 'median',
          atMost: 33,
        },
      ],
    }
  },
}

function packets(name: string, once: () => unknown): Case {
  const run = () => {
    for (let warming = 0; warming < PACKETS / 10; warming += 1) once()
    const began = process.cpuUsage()
    for (let packet = 0; packet < PACKETS; packet += 1) once()
    const { user, system } = process.cpuUsage(began)
    return { time: (user + system) / PACKETS }
  }
  return { name, run }
}
