/** Breaks a command off at its nth change of the disk: what a full disk, a kill or a power cut do to it. */
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import type { TestContext } from 'node:test'

/** Every call that changes the disk. Opening counts only for writing. */
const CHANGES = ['openSync', 'writeSync', 'fsyncSync', 'renameSync', 'mkdirSync', 'rmSync', 'cpSync'] as const

/** `once`: one call fails, and what tidies up after it works. `from then on`: nothing works any more, as after a kill. */
export type Breaking = 'once' | 'from then on'

export interface Broken {
  /** The call that failed, or the error that it became; `undefined`: the command had fewer changes than that. */
  readonly error: Error | undefined
  readonly isBroken: boolean
}

/** Runs `act` with its change number `nth` (from 1) failing. */
export function breakOff(context: TestContext, nth: number, breaking: Breaking, act: () => void): Broken {
  let changes = 0
  const fails = () => (breaking === 'once' ? ++changes === nth : ++changes >= nth)
  const mocks = CHANGES.map((name) => {
    const original = fs[name] as (...args: unknown[]) => unknown
    return context.mock.method(fs, name, (...args: unknown[]) => {
      const isReading = name === 'openSync' && (args[1] === undefined || args[1] === 'r')
      if (!isReading && fails()) throw new Error(`broken off at change ${nth}: ${name} ${String(args[0])}`)
      return original.apply(fs, args)
    })
  })
  syncBuiltinESMExports()
  try {
    act()
    return { error: undefined, isBroken: changes >= nth }
  } catch (error) {
    return { error: error as Error, isBroken: changes >= nth }
  } finally {
    for (const mock of mocks) mock.mock.restore()
    syncBuiltinESMExports()
  }
}
