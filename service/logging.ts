/** The log (R12.2): pino, one line per request, with what happened and never with credentials. */
import { pino, type Logger } from 'pino'
import { type Clock, type EpochMs, systemClock } from '../core/clock.ts'
import type { RequestLine } from '../proxy/proxy-server.ts'
import type { RetrievalReport } from '../retrieval/source.ts'
import { BatchedLines } from './batched-lines.ts'
import type { Config } from './config.ts'
import { fileOutput, isTerminal, standardOutput, type LogOutput } from './log-output.ts'
import { prettyLine, prettyLines } from './pretty-log.ts'

/** For what is said in words alone. */
export interface LineLog {
  info(line: string): void
  warn(line: string): void
}

export interface Log {
  readonly events: Logger
  /** Writes a request's line, a moment later; the order of all lines stays. */
  readonly request: (line: RequestLine) => void
  /** Writes a line to standard output, wherever the log goes. */
  readonly print: (line: string) => void
  /** Writes what waits. */
  readonly flush: () => void
  /**
   * Begins `log.file` anew, which was renamed or removed; absent: the log is in no file.
   * @throws Fault CONFIG_INVALID when there can be no such file just now; the one so far is written on.
   */
  readonly reopen: (() => void) | undefined
  /** Nothing more is written. Resolves with whether all has gone: what nobody reads would keep the process alive. */
  readonly end: () => Promise<boolean>
}

/** @throws Fault CONFIG_INVALID when there can be no such file */
export function openLog(settings: Config['log'], clock: Clock = systemClock): Log {
  const file = settings.file === 'off' ? undefined : settings.file
  const isPretty = settings.pretty === 'auto' ? file === undefined && isTerminal() : settings.pretty
  let standard: LogOutput | undefined
  const toStandard = () => (standard ??= standardOutput(clock, isPretty ? prettyLine : (line) => line))
  const output = file === undefined ? toStandard() : fileOutput(file)
  const lines = isPretty ? prettyLines(output) : new BatchedLines(output, clock)
  const events = pino({ level: settings.level, base: null }, lines)
  const entryOf = requestEntries()
  return {
    events,
    request(line) {
      if (events.isLevelEnabled('info')) lines.add(entryOf(line, clock.wall()))
    },
    print(line) {
      lines.flush()
      toStandard().write(`${line}\n`)
    },
    flush: () => lines.flush(),
    reopen: reopening(output, () => lines.flush()),
    async end() {
      lines.flush()
      const ended = await Promise.all([standard?.end() ?? true, output.end()])
      return ended.every((each) => each)
    },
  }
}

function reopening(output: LogOutput, flush: () => void): Log['reopen'] {
  const { reopen } = output
  if (reopen === undefined) return undefined
  return () => {
    // What was logged before it was renamed is in the file that was.
    flush()
    reopen()
  }
}

/** pino's number of the level. */
const INFO = 30

/** What is the same in each line about the same hit: all but the times. */
interface Repeated {
  readonly line: RequestLine
  readonly beforeMs: string
  readonly behindMs: string
}

/** URLs that are remembered with their last line. */
const REMEMBERED = 1_024

/** A request's line as pino writes it; by hand for hits, which are many: a twentieth of pino's time. */
export function requestEntries(): (line: RequestLine, time: EpochMs) => string {
  const known = new Map<string, Repeated>()
  return (line, time) => {
    const { trace, url, ms, firstByteMs } = line
    const isUsual = line.error === undefined && line.code === undefined
    if (!isUsual || (trace?.retrieval !== undefined && !isPlain(trace.retrieval)))
      return `${JSON.stringify({ level: INFO, time, ...requestFields(line), msg: 'request' })}\n`
    if (trace?.retrieval !== undefined)
      return `{"level":${INFO},"time":${time}${beforeMs(line)}${ms},"firstByteMs":${firstByteMs}${behindMs(line)}`
    let repeated = known.get(url)
    if (repeated === undefined || !isRepeated(line, repeated.line)) {
      repeated = { line, beforeMs: inOnePiece(beforeMs(line)), behindMs: inOnePiece(behindMs(line)) }
      if (known.size >= REMEMBERED) known.clear()
      known.set(url, repeated)
    }
    return `{"level":${INFO},"time":${time}${repeated.beforeMs}${ms},"firstByteMs":${firstByteMs}${repeated.behindMs}`
  }
}

/** A text that V8 has put together is a tree of its pieces, and is gone through piece by piece each time it is written. */
function inOnePiece(text: string): string {
  return Buffer.from(text).toString()
}

function isRepeated(line: RequestLine, last: RequestLine): boolean {
  const isSameRequest = line.method === last.method && line.client === last.client && line.way === last.way
  const isSameAnswer =
    line.status === last.status && line.bytes === last.bytes && line.outcome === last.outcome
  return isSameRequest && isSameAnswer && line.rule === last.rule && line.trace?.how === last.trace?.how
}

function beforeMs({ method, url, client, way, status }: RequestLine): string {
  return `,"method":${quoted(method)},"url":${quoted(url)},"client":${quoted(client)},"way":"${way}","status":${status},"ms":`
}

function behindMs({ bytes, outcome, rule, trace }: RequestLine): string {
  const told = rule === undefined ? '' : `,"rule":${quoted(rule)}`
  const source = trace === undefined ? '' : `,"source":"${trace.how}"`
  const retrieval = trace?.retrieval === undefined ? '' : plainRetrieval(trace.retrieval)
  return `,"bytes":${bytes},"outcome":"${outcome}"${told}${source}${retrieval},"msg":"request"}\n`
}

/** No peer was in it, and nothing failed. */
function isPlain({ answered, failures }: RetrievalReport): boolean {
  return answered.size === 0 && failures.length === 0
}

function plainRetrieval({ asked, waitedMs, bytes }: RetrievalReport): string {
  const received = `{"peer":${bytes.peer},"in-progress":${bytes['in-progress']},"internet":${bytes.internet}}`
  return `,"asked":${asked},"peers":[],"waitedMs":${waitedMs},"received":${received}`
}

/** A JSON string; nearly all need no escape. */
function quoted(text: string): string {
  return /^[ !#-[\]-~]*$/.test(text) ? `"${text}"` : JSON.stringify(text)
}

/** A request's line as fields of the log. */
export function requestFields(line: RequestLine): Record<string, unknown> {
  const { trace, error, code, rule, ...rest } = line
  const retrieval = trace?.retrieval
  return {
    ...rest,
    ...(error === undefined ? {} : { error }),
    ...(code === undefined ? {} : { code }),
    ...(rule === undefined ? {} : { rule }),
    ...(trace === undefined ? {} : { source: trace.how }),
    ...(retrieval === undefined
      ? {}
      : {
          asked: retrieval.asked,
          peers: [...retrieval.answered],
          waitedMs: retrieval.waitedMs,
          received: retrieval.bytes,
          ...(retrieval.failures.length === 0 ? {} : { failures: retrieval.failures }),
        }),
  }
}
