/** Commands of the machine's owner: run without a shell, with a time limit, in a group of their own that ends with them; not what leaves that group. */
import { spawn } from 'node:child_process'
import type { Clock } from '../../core/clock.ts'

export interface OwnCommand {
  /** The program and its arguments. */
  readonly words: readonly string[]
  readonly limitMs: number
}

export type CommandResult =
  | { readonly kind: 'done' }
  /** With the last of what it said. */
  | { readonly kind: 'failed'; readonly detail: string }

export type RunCommand = (
  command: OwnCommand,
  folder: string,
  environment: Readonly<Record<string, string>>,
) => Promise<CommandResult>

/** Of what a command says, this much is kept for the message. */
const MAX_SAID = 2_000

export function commandRunner(clock: Clock): RunCommand {
  return ({ words, limitMs }, cwd, environment) => {
    const [program = '', ...args] = words
    return new Promise((resolve) => {
      const env = { ...process.env, ...environment }
      const child = spawn(program, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
      let said = ''
      const listen = (bytes: Buffer) => (said = (said + bytes.toString()).slice(-MAX_SAID))
      child.stdout.on('data', listen)
      child.stderr.on('data', listen)
      let isLate = false
      const cancel = clock.after(limitMs, () => {
        isLate = true
        endGroup(child.pid)
      })
      const fail = (what: string) =>
        resolve({ kind: 'failed', detail: `${program} ${what}${said === '' ? '' : `: ${said.trim()}`}` })
      child.once('error', (error) => {
        cancel()
        fail(`cannot be run: ${error.message}`)
      })
      child.once('exit', (code, signal) => {
        cancel()
        // What it started and left must not hold us up.
        endGroup(child.pid)
        child.stdout.destroy()
        child.stderr.destroy()
        if (isLate) return fail(`took longer than ${limitMs} ms`)
        if (code === 0) return resolve({ kind: 'done' })
        fail(`ended with ${code ?? signal}`)
      })
    })
  }
}

function endGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL')
  } catch {
    // It has gone already.
  }
}
