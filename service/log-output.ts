/** Where the log is written: into a file, or to standard output, whose reader may let it wait for ever. */
import { closeSync, constants, fstatSync, openSync, statSync } from 'node:fs'
import { isatty } from 'node:tty'
import { pino } from 'pino'
import { keepProcess, type Clock } from '../core/clock.ts'
import { describe, Fault } from '../core/fault.ts'
import { BoundedOutput } from './bounded-output.ts'
import { terminalOutput } from './terminal-output.ts'

export interface LogOutput {
  /** One line or several, each with its end. */
  write(text: string): void
  /** Nothing more is written. Resolves with whether all has gone: what nobody reads would keep the process alive. */
  end(): Promise<boolean>
  /**
   * Writes into a file of the same name from now on: the one so far was renamed. Absent: it is no file.
   * @throws Fault CONFIG_INVALID when there can be no such file just now; the one so far is written on.
   */
  readonly reopen?: () => void
}

const STANDARD_OUTPUT = 1

/** Whether somebody looks at standard output. */
export function isTerminal(): boolean {
  return isatty(STANDARD_OUTPUT)
}

/** @throws Fault CONFIG_INVALID when there can be no such file */
export function fileOutput(file: string): LogOutput {
  const out = opening(file, () => synchronous(file))
  return { ...written(out), reopen: () => opening(file, () => reopened(out)) }
}

function reopened(out: Synchronous): void {
  try {
    out.reopen()
  } catch (error) {
    // It waits to close the descriptor that is written on, which would be somebody else's by the next time.
    out.removeAllListeners('ready')
    throw error
  }
}

function opening<Result>(file: string, open: () => Result): Result {
  try {
    checkRead(file)
    return open()
  } catch (error) {
    throw new Fault('CONFIG_INVALID', `log.file: cannot write to ${file}: ${describe(error)}`, {
      cause: error,
    })
  }
}

/** @param asWritten what a line is written as that this adds, pino's JSON */
export function standardOutput(clock: Clock, asWritten: (line: string) => string): LogOutput {
  if (isTerminal()) return bounded(new BoundedOutput(terminalOutput(clock), clock, asWritten))
  return isPipe()
    ? bounded(new BoundedOutput(process.stdout, clock, asWritten))
    : written(synchronous(STANDARD_OUTPUT))
}

function bounded(output: BoundedOutput): LogOutput {
  process.stdout.on('error', () => {})
  return {
    write: (text) => output.write(text),
    async end() {
      const letProcessEnd = keepProcess()
      return output.end().finally(letProcessEnd)
    },
  }
}

/** To open a pipe that nobody reads would wait until somebody does. @throws Error ENXIO then */
function checkRead(file: string): void {
  if (statSync(file, { throwIfNoEntry: false })?.isFIFO() !== true) return
  closeSync(openSync(file, constants.O_WRONLY | constants.O_NONBLOCK))
}

type Synchronous = ReturnType<typeof pino.destination>

function synchronous(destination: string | number): Synchronous {
  const out = pino.destination({ dest: destination, sync: true, mkdir: true })
  // A full disk, or a reader that has gone, costs lines of the log and not the node (R7.2).
  out.on('error', () => {})
  return out
}

function written(out: Synchronous): LogOutput {
  return { write: (text) => void out.write(text), end: async () => true }
}

/** What is written to a file comes to an end, or fails. */
function isPipe(): boolean {
  try {
    const kind = fstatSync(STANDARD_OUTPUT)
    return kind.isFIFO() || kind.isSocket()
  } catch {
    return false // it is closed
  }
}
