/** When this machine was started, and what local time it keeps. */
import { readFileSync } from 'node:fs'
import { uptime } from 'node:os'
import type { Clock } from '../core/clock.ts'
import type { Boot } from './product-updates.ts'

export function machineBoot(clock: Clock): Boot {
  return {
    id: bootId(clock),
    upMs: () => uptime() * 1000,
    utcOffsetMinutes: () => -new Date(clock.wall()).getTimezoneOffset(),
  }
}

/** Linux names each boot; elsewhere its minute does. */
function bootId(clock: Clock): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return `minute ${Math.round((clock.wall() - uptime() * 1000) / 60_000)}`
  }
}
