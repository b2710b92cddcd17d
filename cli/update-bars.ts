/** Progress bars of an update on a terminal, one line for each package; plain lines elsewhere. */
import { printable, printableLines } from '../core/printable.ts'
import { formatBytes } from '../core/units.ts'
import type { Received, RunResult, UpdateEvent } from '../update/installer/events.ts'

export interface Bars {
  show(event: UpdateEvent): void
}

const CELLS = 24

export function updateBars(out: NodeJS.WriteStream): Bars {
  const rows: string[] = []
  const places = new Map<string, number>()
  const print = (component: string, text: string) => {
    const at = places.get(component) ?? rows.length
    places.set(component, at)
    rows[at] = printable(text)
    if (!out.isTTY) return
    // Up to the first row, and every row anew: nothing else writes meanwhile.
    const up = rows.length - (at === rows.length - 1 && !drawn.has(component) ? 1 : 0)
    out.write(
      `${up > 0 ? `\x1B[${up}F` : ''}${rows.map((row) => `\x1B[2K${row.slice(0, out.columns - 1)}\n`).join('')}`,
    )
    drawn.add(component)
  }
  const drawn = new Set<string>()
  return {
    show(event) {
      switch (event.event) {
        case 'progress':
          if (out.isTTY) print(event.component, barLine(event.component, event.bytes, event.total, ''))
          return
        case 'package': {
          const line = barLine(
            event.component,
            event.bytes,
            event.bytes,
            `${event.version} from ${PLACES[event.source]}`,
          )
          print(event.component, line)
          if (!out.isTTY) out.write(printableLines([line]))
          return
        }
        case 'catalogue':
        case 'recovered':
        case 'retry':
        case 'proxy-failed':
        case 'installed':
        case 'rolled-back':
        case 'refused':
          out.write(printableLines([eventText(event)]))
          rows.length = 0
          places.clear()
          drawn.clear()
          return
        case 'done':
          out.write(printableLines(doneLines(event)))
      }
    },
  }
}

const PLACES = {
  internet: 'the Internet',
  peer: 'a peer',
  cache: 'this machine’s cache',
  kept: 'an interrupted run',
} as const

function barLine(component: string, bytes: number, total: number, rest: string): string {
  const part = total === 0 ? 1 : Math.min(1, bytes / total)
  const bar = '#'.repeat(Math.round(part * CELLS)).padEnd(CELLS, '.')
  return `  ${component.padEnd(12)} [${bar}] ${formatBytes(bytes).padStart(8)} ${rest}`.trimEnd()
}

type Told = Exclude<UpdateEvent, { event: 'progress' | 'package' | 'done' }>

export function eventText(event: Told): string {
  switch (event.event) {
    case 'catalogue': {
      const { product, number, released, signer, needed, components } = event
      return `${product} release ${number} of ${released}, signed by ${signer}: ${needed} of ${components} components are needed`
    }
    case 'recovered':
      return `an update was interrupted (${event.phase} ${event.id}); it is brought to its end first`
    case 'retry':
      return `${event.component}: a bad copy (${event.reason}: ${event.detail}); asking the origin server`
    case 'proxy-failed':
      return `the proxy failed (${event.detail}); what is missing comes from the origin server directly`
    case 'installed':
      return `installed ${event.id}${event.from === undefined ? '' : ` in the place of ${event.from}`}`
    case 'rolled-back':
      return `back to ${event.id ?? 'nothing installed'} from ${event.from}: ${event.reason}`
    case 'refused':
      return `refused (${event.reason}): ${event.detail}`
  }
}

function doneLines({ outcome, reason, detail, received, installed, proxyFailed }: RunResult): string[] {
  const set = installed === undefined ? 'nothing is installed' : `installed: ${installed}`
  // Why is on the line before.
  const told = outcome === 'refused' ? `refused (${reason ?? ''})` : `${outcome}: ${detail}`
  const past = proxyFailed === undefined ? '' : '; past the proxy, which failed'
  return [`${told}; ${set}`, ...receivedLines(received).map((line) => `${line}${past}`)]
}

/** What came over the WAN and what from peers. */
function receivedLines({ catalogue, internet, peer, cache, kept }: Received): string[] {
  if (catalogue + internet + peer + cache + kept === 0) return []
  const parts = [
    `${formatBytes(internet + catalogue)} over the WAN (catalogue ${formatBytes(catalogue)})`,
    `${formatBytes(peer)} from peers`,
    ...(cache > 0 ? [`${formatBytes(cache)} from this machine’s cache`] : []),
    ...(kept > 0 ? [`${formatBytes(kept)} kept from an interrupted run`] : []),
  ]
  return [`received: ${parts.join(', ')}`]
}
