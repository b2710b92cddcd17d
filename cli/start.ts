/** `ihave start`: runs a node until SIGTERM, SIGINT, or a SIGHUP that is not for its log file. */
import { systemClock } from '../core/clock.ts'
import { describe } from '../core/fault.ts'
import { parseArgs } from '../core/node-util.ts'
import { openLog, type Log } from '../service/logging.ts'
import { collectAtRest, V8_HEAP } from './at-rest.ts'
import type { Command } from './command.ts'
import { keepCompiled } from './compiled.ts'
import { CONFIG_OPTION, configFrom } from './config-option.ts'
import { serving, sparing, v8Engine } from './engine.ts'
import { EXIT } from './exit.ts'
import { boundYoungGeneration, V8_YOUNG_GENERATION } from './young-generation.ts'

export const start: Command = {
  about: 'runs a node until it is told to stop',
  options: CONFIG_OPTION,
  run,
}

async function run(args: readonly string[]): Promise<number> {
  const engine = v8Engine(systemClock)
  sparing(engine)
  const { values } = parseArgs({ args: [...args], options: CONFIG_OPTION })
  const config = configFrom(values.config)
  const log = openLog(config.log)
  process.on('exit', () => log.flush())
  const told = toldToStop(log)
  const flushCompiled = keepCompiled(config.cache)
  // The other commands need not wait for a whole node to be loaded.
  const { Node } = await import('../service/node.ts')
  const node = new Node(config, log)
  await node.start()
  log.print(node.readyLine())
  flushCompiled()
  serving(engine)
  collectAtRest({ ...engine, ...V8_HEAP })
  boundYoungGeneration({ ...engine, ...V8_YOUNG_GENERATION })
  log.events.info(`${await told}: stopping; running transfers get ${config.proxy.stopGraceMs} ms`)
  await node.stop()
  if (!(await log.end())) process.exit(EXIT.done)
  return EXIT.done
}

function beginAnew({ events, reopen }: Log): void {
  try {
    reopen?.()
    events.info('SIGHUP: log.file was begun anew')
  } catch (error) {
    events.warn(`SIGHUP: ${describe(error)}; the one so far is written on`)
  }
}

/**
 * Resolves with the first signal; a second one ends the process at once, but for SIGHUP, which comes twice or more where a terminal is
 * closed (of the system, the shell, npm). With a log file it is for that (logrotate(8)).
 */
function toldToStop(log: Log): Promise<string> {
  return new Promise((resolve) => {
    let isStopping = false
    const stop = (signal: string) => {
      isStopping = true
      resolve(signal)
    }
    for (const signal of ['SIGTERM', 'SIGINT'] as const)
      process.on(signal, () => (isStopping ? process.exit(130) : stop(signal)))
    process.on('SIGHUP', () => (log.reopen === undefined ? stop('SIGHUP') : beginAnew(log)))
    process.on('uncaughtException', (error) => {
      process.stderr.write(`ihave: a fault of the program itself: ${error.stack ?? describe(error)}\n`)
      process.exit(1)
    })
  })
}
