/** `ihave status`: what the running node is doing. */
import { parseArgs } from '../core/node-util.ts'
import { systemClock } from '../core/clock.ts'
import { printableLines } from '../core/printable.ts'
import { formatBytes, formatDuration } from '../core/units.ts'
import { askStatus, controlPath } from '../service/control.ts'
import type { GatewayStatus } from '../service/gateway-status.ts'
import type { ProductStatus } from '../service/product-updates.ts'
import type { Status, TransferStatus } from '../service/status.ts'
import { transferText } from '../service/transfer-text.ts'
import { JSON_OPTION, type Command } from './command.ts'
import { CONFIG_OPTION, configFrom } from './config-option.ts'
import { EXIT } from './exit.ts'
import { byReach, some } from './peers.ts'
import { functionText } from './providers.ts'
import { checkText, reasonText, refusedText } from './refusals.ts'

const OPTIONS = { ...CONFIG_OPTION, ...JSON_OPTION } as const

export const status: Command = {
  about: 'what the running node is doing',
  options: OPTIONS,
  run,
}

async function run(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...args], options: OPTIONS })
  const answer = await askStatus(controlPath(configFrom(values.config)))
  process.stdout.write(values.json ? `${JSON.stringify(answer, undefined, 2)}\n` : statusText(answer))
  return EXIT.done
}

export function statusText(answer: Status): string {
  const { cache, totals, transfers, shunned, updates, functions } = answer
  const { peer, internet } = totals.receivedBytes
  const fromPeers = peer + totals.receivedBytes['in-progress']
  const requests = Object.entries(totals.requests).map(([how, count]) => `${count} ${how}`)
  const lines = [
    `ihave ${answer.version}, up ${formatDuration(answer.upMs)}, proxy http://${answer.proxy}`,
    ...peeringLines(answer),
    `cache      ${formatBytes(cache.bytes)} of ${formatBytes(cache.maxBytes)}, ${cache.responses} ${cache.responses === 1 ? 'response' : 'responses'}, in ${cache.directory}`,
    `requests   ${requests.join(', ') || 'none yet'}`,
    `delivered  ${formatBytes(totals.deliveredBytes)} to applications`,
    `received   ${formatBytes(internet)} from the Internet, ${formatBytes(fromPeers)} from peers`,
    `sent       ${formatBytes(totals.uploadedBytes)} to peers in ${totals.uploads} transfers${sentToMembers(answer)}`,
    ...signatureLines(answer.signatures),
    ...transfers.map((transfer) => transferLine(transfer)),
    ...gatewayLines(answer.gateway),
    ...filePortLines(answer.filePort),
    ...updates.map((product) => updateLine(product)),
    ...functions.map((each) => `function   ${functionText(each).trimEnd()}`),
    ...some(shunned, ({ peer: address, reason, detail }) => `shunned    ${address} (${reason}): ${detail}`),
  ]
  return printableLines(lines)
}

/** What a gateway passes on is counted apart from its uploads: it comes from the Internet for whoever asks. */
function sentToMembers({ gateway }: Status): string {
  const bytes = gateway?.served.bytes ?? 0
  return bytes === 0 ? '' : `, ${formatBytes(bytes)} to members as their gateway`
}

/** Nothing where no signature was judged. */
function signatureLines({ verified, refused }: Status['signatures']): string[] {
  const reasons = Object.entries(refused).map(([reason, count]) => `${count} ${reason}`)
  if (verified === 0 && reasons.length === 0) return []
  return [`signatures ${[`${verified} verified`, ...reasons].join(', ')}`]
}

function peeringLines({ peering, whyAlone = 'peering is off' }: Status): string[] {
  if (!peering) return [`peering    ${whyAlone}`]
  const { address, packetPort, filePort, waitMs, peers } = peering
  const files = filePort === undefined ? 'serves no files' : `files ${filePort}`
  const [reached, only] = byReach(peers)
  const heard = only.length === 0 ? '' : ` and ${only.length} only heard ("ihave peers")`
  const wait = waitMs === undefined ? 'nobody to ask' : `a question waits up to ${waitMs} ms`
  return [
    `peering    ${address}, packets ${packetPort}, ${files}; ${reached.length} peers${heard}, ${wait}`,
    ...some(reached, (peer) => {
      const roundTrip = peer.roundTripMs === undefined ? '' : `, round trip ${peer.roundTripMs.toFixed(1)} ms`
      return `  peer     ${peer.address} (${peer.node?.slice(0, 12) ?? 'patent packets only'})${roundTrip}, heard ${formatDuration(peer.heardMsAgo)} ago`
    }),
  ]
}

function gatewayLines(gateway: GatewayStatus | undefined): string[] {
  if (gateway === undefined) return []
  const { reach, forMs, asked, isOffering, served } = gateway
  const since = forMs === undefined ? '' : ` for ${formatDuration(forMs)}`
  const withdrawn = served.withdrawn === 0 ? '' : `, ${served.withdrawn} withdrawn`
  return [
    `internet   ${REACH[reach]}${since}${asked.requests === 0 ? '' : `; ${asked.requests} requests, ${formatBytes(asked.bytes)} by way of a gateway`}${asked.gateway === undefined ? '' : ` (${asked.gateway})`}`,
    `gateway    ${isOffering ? 'offered to members' : 'not offered'}; ${served.served} requests served, ${formatBytes(served.bytes)}, ${served.failed} failed${withdrawn}; refused: ${refusedText(served.refused) || 'none'}`,
    ...served.members.map(
      (member) =>
        `  member   ${member.name}: ${member.requests} requests, ${formatBytes(member.bytes)}, ${member.refused} refused`,
    ),
    ...served.lastRefused.map(
      ({ at, member, from, method, url, reason = '', detail }) =>
        `  refused  ${new Date(at).toISOString()} ${member ?? 'a stranger'} at ${from}: ${method} ${url}: ${reasonText(reason)}${detail === undefined ? '' : `: ${detail}`}`,
    ),
    ...checkLines(gateway.checks),
  ]
}

/** Nothing where nobody has tried anything. */
function filePortLines({ refused, lastRefused }: Status['filePort']): string[] {
  if (lastRefused.length === 0) return []
  return [
    `files      refused on the port for files: ${refusedText(refused)}`,
    ...lastRefused.map(
      ({ at, from, request, kind }) =>
        `  refused  ${new Date(at).toISOString()} ${from}: ${request === '' ? '' : `${request}: `}${reasonText(kind)}`,
    ),
  ]
}

function checkLines({ isChecking, watched, checks, news, aheadBytes }: GatewayStatus['checks']): string[] {
  if (!isChecking && checks === 0) return []
  const what = isChecking ? `checks ${watched} catalogues and indexes for the site` : 'checked for the site'
  return [`checks     ${what}: ${checks} checks, ${news} news, ${formatBytes(aheadBytes)} fetched ahead`]
}

const REACH = {
  direct: 'reached directly',
  isolated: 'not reached by this machine itself',
  unknown: 'not tried yet',
} as const

/** Cells of a progress bar. */
const BAR = 20

function transferLine(transfer: TransferStatus): string {
  const { uri, receivedBytes, totalBytes } = transfer
  const done = totalBytes === undefined || totalBytes === 0 ? 0 : receivedBytes / totalBytes
  const bar = '#'.repeat(Math.round(done * BAR)).padEnd(BAR, '.')
  return `transfer   [${bar}] ${transferText(transfer)}: ${uri}`
}

function updateLine({ name, installed, lastCheck, nextCheck, isChecking, expiresAt }: ProductStatus): string {
  const now = systemClock.wall()
  const what = installed ?? 'nothing installed'
  const last = lastCheck
    ? `${checkText(lastCheck)} ${formatDuration(now - lastCheck.at)} ago`
    : 'not checked yet'
  const next = isChecking
    ? 'checking now'
    : `next check in ${formatDuration(Math.max(0, (nextCheck ?? now) - now))}`
  const alarm = expiresAt !== undefined && expiresAt < now ? '; ITS CATALOGUE HAS EXPIRED' : ''
  return `update     ${name}: ${what}, ${last}, ${next}${alarm}`
}
