/** What every command is. Its table of options is what `parseArgs` reads and what `--help` prints. */

export interface Option {
  readonly type: 'string' | 'boolean'
  readonly short?: string
  /** Stands for the value in the help text: `FILE`. */
  readonly value?: string
  readonly meaning: string
}

export type Options = Readonly<Record<string, Option>>

export interface Command {
  /** What follows its name, apart from options: `[PATTERN]`. */
  readonly operands?: string
  /** What it does, in a few words. */
  readonly about: string
  /** More for its own help text: what operands mean, what exit codes say. */
  readonly details?: string
  readonly options: Options
  /** @returns the exit code. @throws Fault; BAD_REQUEST where the command line is wrong. */
  run(args: readonly string[]): Promise<number> | number
}

export const JSON_OPTION = {
  json: { type: 'boolean', meaning: 'prints JSON, for programs' },
} as const satisfies Options
