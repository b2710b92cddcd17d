/**
 * Sends datagrams at a steady rate until it is killed: `node flood-process.ts FROM TO PORT PER-SECOND`. Half is garbage, a quarter
 * a question cut short, a quarter a sound question, which counts as long as the node has patience with its source.
 */
import { createSocket } from 'node:dgram'
import type { NodeId, RequestId } from '../../peering/packets.ts'
import { encode, padded } from '../../peering/codec.ts'

const [from = '127.0.0.99', to = '127.0.0.2', port = '1967', perSecond = '20000'] = process.argv.slice(2)

const question =
  encode(
    padded({
      type: 'request',
      more: [],
      id: 1 as RequestId,
      node: '9'.repeat(32) as NodeId,
      nonce: '8'.repeat(32),
      extras: [],
      href: 'http://updates.test/pool/main/a/absent/absent_1.0_all.deb',
      method: 'get',
      acceptProtocol: 'http',
      cachedOnly: true,
      maxDelayMs: 15,
    }),
  ) ?? new Uint8Array()
const garbage = new Uint8Array(question.length).fill(0x2e)
const KINDS = [garbage, question.subarray(0, -1), garbage, question]

const TICK_MS = 5
const socket = createSocket('udp4')
socket.bind(0, from, () => {
  const began = performance.now()
  let sent = 0
  setInterval(() => {
    const due = ((performance.now() - began) / 1000) * Number(perSecond)
    for (; sent < due; sent += 1) socket.send(KINDS[sent % KINDS.length] ?? garbage, Number(port), to)
  }, TICK_MS)
  console.log('flooding')
})
