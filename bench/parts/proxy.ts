/** What every proxy that is measured has in common. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Running } from './processes.ts'

export interface Proxy extends Running {
  /** On 127.0.0.1. */
  readonly port: number
  /**
   * What its request lines name: a forward proxy takes the absolute form of the target, a cache that stands before one
   * origin server the origin form (RFC 9112 3.2).
   */
  readonly form: 'absolute' | 'origin'
}

/** Room for bodies. */
export interface CacheRoom {
  readonly memoryMegabytes: number
  readonly diskMegabytes: number
}

/** @returns `program` where the machine has it. */
export function installed(program: string): string | undefined {
  return existsSync(program) ? program : undefined
}

/** Writes `<name>.conf` into `directory`. @returns its path. */
export function configured(directory: string, name: string, lines: readonly string[]): string {
  mkdirSync(directory, { recursive: true })
  const file = join(directory, `${name}.conf`)
  writeFileSync(file, `${lines.join('\n')}\n`)
  return file
}
