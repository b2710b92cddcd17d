/** `ihave peers`: who is on the LAN, and who is left aside, why and for how long. */
import { parseArgs } from '../core/node-util.ts'
import { systemClock } from '../core/clock.ts'
import { formatDuration } from '../core/units.ts'
import { askStatus, controlPath } from '../service/control.ts'
import type { CautionStatus, PeerStatus, Status } from '../service/status.ts'
import type { ShunnedPeer } from '../verify/shunned-peers.ts'
import { JSON_OPTION, type Command } from './command.ts'
import { CONFIG_OPTION, configFrom } from './config-option.ts'
import { EXIT } from './exit.ts'

/** Peers that are told one by one: whoever floods the LAN with false ones is not to fill the screen with them. */
export const MAX_TOLD = 32

const OPTIONS = { ...CONFIG_OPTION, ...JSON_OPTION } as const

export const peers: Command = {
  about: 'who is on the LAN, who is left aside, and why',
  options: OPTIONS,
  run,
}

async function run(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...args], options: OPTIONS })
  const status = await askStatus(controlPath(configFrom(values.config)))
  const { peering, shunned, cautions } = status
  const told = { peers: peering?.peers ?? [], shunned, cautions }
  process.stdout.write(values.json ? `${JSON.stringify(told, undefined, 2)}\n` : peersText(status))
  return EXIT.done
}

/** A line for each of the first, and how many more there are. */
export function some<Each>(all: readonly Each[], line: (each: Each) => string): string[] {
  const told = all.slice(0, MAX_TOLD).map(line)
  const more = all.length - told.length
  return more === 0 ? told : [...told, `… and ${more} more of ${all.length}; --json lists them all`]
}

/** @param now the calendar's time: what is left of a shunning is said, not only when it began. */
export function peersText(
  { peering, shunned, cautions }: Pick<Status, 'peering' | 'shunned' | 'cautions'>,
  now: number = systemClock.wall(),
): string {
  const live = peering?.peers ?? []
  const [reached, only] = byReach(live)
  const lines = [
    ...(live.length === 0 ? ['nobody else is here'] : some(reached, peerLine)),
    ...(only.length === 0 ? [] : [onlyHeardText(only.length)]),
    ...some(only, peerLine),
    ...some(shunned, (peer) => shunnedLine(peer, now)),
    ...some(cautions, cautionLine),
  ]
  return `${lines.join('\n')}\n`
}

/** Those that have answered, and those of which there is nothing but datagrams, which anybody can make in any name. */
export function byReach(
  live: readonly PeerStatus[],
): readonly [reached: PeerStatus[], onlyHeard: PeerStatus[]] {
  return [live.filter(({ isReached }) => isReached), live.filter(({ isReached }) => !isReached)]
}

/** What is said of those, before they are listed. */
export function onlyHeardText(count: number): string {
  return `only heard, not reached so far (${count}): they may be inventions of somebody on the LAN`
}

function cautionLine({ peer, member, heardMsAgo, uri, body }: CautionStatus): string {
  const evidence =
    body === undefined ? '' : ` (${body.slice(0, 12)} for ${uri ?? 'a file that is not known here'})`
  const who = `member ${member.slice(0, 12)}`
  return `${peer}  asked last: ${who} caught it with wrong bytes${evidence}, said ${formatDuration(heardMsAgo)} ago`
}

function peerLine({ address, node, member, roundTripMs, heardMsAgo }: PeerStatus): string {
  const roundTrip = roundTripMs === undefined ? '' : `, round trip ${roundTripMs.toFixed(1)} ms`
  const who = node?.slice(0, 12) ?? 'patent packets only'
  return `${address}  ${who}${memberText(member)}${roundTrip}, heard ${formatDuration(heardMsAgo)} ago`
}

/** With its ID: two members may have one name. */
function memberText(member: PeerStatus['member']): string {
  if (member === undefined) return ''
  const id = member.id.slice(0, 12)
  return member.name === undefined ? `, member ${id}` : `, member ${member.name} (${id})`
}

function shunnedLine({ peer, reason, detail, since, forMs, origin, part }: ShunnedPeer, now: number): string {
  const [ago, left] = [now - since, since + forMs - now].map((ms) => formatDuration(Math.max(0, ms)))
  const what = origin === undefined ? '' : ` for files of ${origin} alone,`
  return `${peer}  ${partText(part)}left aside${what} since ${ago} ago, for another ${left} (${reason}): ${detail}`
}

/** What alone is left aside: the machine is used as before. */
function partText(part: ShunnedPeer['part']): string {
  if (part === undefined) return ''
  return part === 'promises' ? 'its promises ' : `its place ${part} `
}
