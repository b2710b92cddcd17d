/**
 * Service packets per second, read and written: `node bench/codec.ts`.
 *
 * A node hears every question of its LAN, so reading is the cost that grows with the LAN; garbage is what an attacker
 * sends. The last column compares with reading a question, within this run.
 */
import { decode, encode, padded } from '../peering/codec.ts'
import type { NodeId, RequestId, RequestPacket, ResponsePacket } from '../peering/packets.ts'

const ROUNDS = 30_000
const hex = (digits: number) => '0123456789abcdef'.repeat(4).slice(0, digits)

const common = { id: 2864434397 as RequestId, node: hex(32) as NodeId, nonce: hex(32), extras: [] }

const request: RequestPacket = padded({
  ...common,
  type: 'request',
  href: 'http://deb.example.org/pool/main/c/curl/curl_7.88.1-10_amd64.deb',
  method: 'get',
  acceptProtocol: 'http',
  cachedOnly: true,
  maxDelayMs: 15,
})

const response: ResponsePacket = {
  ...common,
  type: 'response',
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

const cases: readonly (readonly [name: string, run: () => unknown])[] = [
  ['read a question', () => decode(question)],
  ['read an answer', () => decode(answer)],
  ['refuse a question cut short', () => decode(malformed)],
  ['refuse garbage', () => decode(garbage)],
  ['write a question', () => encode(request)],
  ['write an answer', () => encode(response)],
]

function perSecond(run: () => unknown): number {
  for (let round = 0; round < ROUNDS / 10; round += 1) run()
  const start = performance.now()
  for (let round = 0; round < ROUNDS; round += 1) run()
  return Math.round((ROUNDS * 1000) / (performance.now() - start))
}

const rates = cases.map(([name, run]) => ({ name, perSecond: perSecond(run) }))
const baseline = rates[0]?.perSecond ?? 1
console.table(rates.map((rate) => ({ ...rate, ratio: Math.round((rate.perSecond / baseline) * 100) / 100 })))
