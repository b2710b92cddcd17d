/** The log (R12.2): pino, one line per request, with what happened and never with credentials. */
import { pino, type Logger } from 'pino'
import type { RequestLine } from '../proxy/proxy-server.ts'
import type { Config } from './config.ts'
import { prettyStream } from './pretty-log.ts'

export function openLog(settings: Config['log']): Logger {
  const destination = settings.file === 'off' ? 1 : settings.file
  const isPretty = settings.pretty === 'auto' ? destination === 1 && process.stdout.isTTY : settings.pretty
  const options = { level: settings.level, base: null }
  if (isPretty) return pino(options, prettyStream(process.stdout))
  const lines = pino.destination({ dest: destination, sync: true, mkdir: true })
  // A full disk, or a reader that has gone, costs lines of the log and not the node (R7.2).
  lines.on('error', () => {})
  return pino(options, lines)
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
