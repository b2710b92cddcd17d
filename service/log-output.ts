/** Where the log is written: into a file, or to standard output, whose reader may let it wait for ever. */
import { fstatSync, statSync } from 'node:fs'
import { isatty } from 'node:tty'
import { pino } from 'pino'
import type { Clock } from '../core/clock.ts'
import { describe, Fault } from '../core/fault.ts'
import { PipeOutput } from './pipe-output.ts'
import { terminalOutput } from './terminal-output.ts'

export interface LogOutput {
  /** One line or several, each with its end. */
  write(text: string): void
  /** Nothing more is written. Resolves with whether all has gone: what nobody reads would keep the process alive. */
  end(): Promise<boolean>
}

const STANDARD_OUTPUT = 1

/** Whether somebody looks at standard output. */
export function isTerminal(): boolean {
  return isatty(STANDARD_OUTPUT)
}

/**
 * @param asWritten what a line is written as that this adds, pino's JSON
 * @throws Fault CONFIG_INVALID when there can be no such file
 */
export function logOutput(
  file: string | undefined,
  clock: Clock,
  asWritten: (line: string) => string,
): LogOutput {
  if (file !== undefined) return fileOutput(checked(file))
  if (isTerminal()) return new PipeOutput(terminalOutput(clock), clock, asWritten)
  if (!isPipe()) return fileOutput(STANDARD_OUTPUT)
  process.stdout.on('error', () => {})
  return new PipeOutput(process.stdout, clock, asWritten)
}

function checked(file: string): string {
  const kind = statSync(file, { throwIfNoEntry: false })
  if (kind?.isDirectory() === true) throw unusable(file, 'it is a directory')
  // To open one waits until somebody reads it.
  if (kind?.isFIFO() === true) throw unusable(file, 'it is a pipe; write to standard output instead')
  return file
}

function fileOutput(destination: string | number): LogOutput {
  const out = openFile(destination)
  // A full disk, or a reader that has gone, costs lines of the log and not the node (R7.2).
  out.on('error', () => {})
  return { write: (text) => void out.write(text), end: async () => true }
}

function openFile(destination: string | number): ReturnType<typeof pino.destination> {
  try {
    return pino.destination({ dest: destination, sync: true, mkdir: true })
  } catch (error) {
    throw unusable(String(destination), describe(error))
  }
}

function unusable(file: string, why: string): Fault {
  return new Fault('CONFIG_INVALID', `log.file: cannot write to ${file}: ${why}`)
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
