/** Where a demonstration is watched while it runs: a terminal, a plain output, or nowhere. */
import type { Writable } from 'node:stream'
import { sleep, systemClock } from '../core/clock.ts'
import { formatBytes } from '../core/units.ts'
import type { Status, TransferStatus } from '../service/status.ts'
import type { Machine } from './machine.ts'

export interface Stage {
  /** A line that stays. */
  say(line: string): void
  /** Shows what the machines transfer for as long as `work` takes. @returns what `work` returns. */
  during<T>(label: string, machines: readonly Machine[], work: Promise<T>): Promise<T>
}

/** Nobody watches. */
export const noStage: Stage = {
  say: () => {},
  during: (_label, _machines, work) => work,
}

/** Plain lines: one when something begins, and how far the transfers are from time to time. */
export function plainStage(out: Writable): Stage {
  const say = (line: string) => void out.write(`${line}\n`)
  return {
    say,
    async during(label, machines, work) {
      say(`${label} …`)
      return watching(machines, work, PLAIN_EVERY_MS, (lines) => lines.forEach(say))
    },
  }
}

/** @param columns of the terminal: a line that wrapped could not be drawn over. */
export function terminalStage(out: Writable, columns: () => number): Stage {
  const say = (line: string) => void out.write(`${line}\n`)
  return {
    say,
    async during(label, machines, work) {
      say(`${label} …`)
      let drawn = 0
      const draw = (lines: readonly string[]) => {
        out.write(drawnOver(drawn, lines, columns()))
        drawn = lines.length
      }
      return watching(machines, work, TERMINAL_EVERY_MS, draw).finally(() => draw([]))
    },
  }
}

const PLAIN_EVERY_MS = 1_000
const TERMINAL_EVERY_MS = 100

/** Goes up over the lines drawn before, erases from there on, and writes the new ones. */
function drawnOver(drawn: number, lines: readonly string[], columns: number): string {
  const up = drawn === 0 ? '' : `\u001B[${drawn}A\u001B[J`
  return up + lines.map((line) => `${line.slice(0, columns - 1)}\n`).join('')
}

async function watching<T>(
  machines: readonly Machine[],
  work: Promise<T>,
  everyMs: number,
  draw: (lines: readonly string[]) => void,
): Promise<T> {
  const over = new AbortController()
  const watch = watched(machines, everyMs, draw, over.signal)
  try {
    return await work
  } finally {
    over.abort()
    await watch
  }
}

async function watched(
  machines: readonly Machine[],
  everyMs: number,
  draw: (lines: readonly string[]) => void,
  over: AbortSignal,
): Promise<void> {
  await sleep(systemClock, everyMs, over)
  while (!over.aborted) {
    const lines = await Promise.all(machines.map((machine) => progressLines(machine)))
    if (!over.aborted) draw(lines.flat())
    await sleep(systemClock, everyMs, over)
  }
}

/** A node that is just being stopped has nothing to show; whoever waits for it learns why. */
async function progressLines(machine: Machine): Promise<string[]> {
  const known = await machine.status().catch(() => undefined)
  return known === undefined ? [] : statusLines(machine.name, known)
}

/** At most so many transfers of a machine are shown at once. */
const MAX_LINES = 4

/** The lines that show what a machine's node transfers now. */
export function statusLines(
  machine: string,
  { transfers, totals }: Pick<Status, 'transfers' | 'totals'>,
): string[] {
  const lines = transfers.slice(0, MAX_LINES).map((transfer) => `  ${machine}  ${transferText(transfer)}`)
  return lines.length > 0 ? lines : [`  ${machine}  ${formatBytes(totals.deliveredBytes)} delivered so far`]
}

/** A digest as a name is cut to this. */
const MAX_NAME = 32
/** Cells of a progress bar. */
const BAR = 24

const ORIGINS: Readonly<Record<string, string>> = {
  internet: 'from the Internet',
  peer: 'from a peer',
  'in-progress': 'from a peer’s running download',
  asking: 'asking the LAN',
}

function transferText({ uri, source, receivedBytes, totalBytes, bytesPerSecond }: TransferStatus): string {
  const done = totalBytes === undefined || totalBytes === 0 ? 0 : receivedBytes / totalBytes
  const bar = '█'.repeat(Math.round(done * BAR)).padEnd(BAR, '░')
  const rate = bytesPerSecond === undefined ? '' : `${formatBytes(bytesPerSecond)}/s`
  const name = uri
    .slice(uri.lastIndexOf('/') + 1)
    .replaceAll('%2B', '+')
    .slice(0, MAX_NAME)
  return `${bar} ${formatBytes(receivedBytes).padStart(7)} ${rate.padStart(9)}  ${ORIGINS[source] ?? source}  ${name}`
}
