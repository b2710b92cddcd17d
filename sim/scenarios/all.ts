/** Every scenario of `npm run simulate`, by its name. */
import type { Play } from '../play.ts'
import { boot, power, staggered, starved } from './boot.ts'
import { crowd } from './crowd.ts'
import { everything } from './everything.ts'
import { clocks, crashes, liars, plain } from './machines.ts'
import { lossy, partitions, reordered } from './network.ts'
import { severalSources } from './several-sources.ts'
import { slowOrigin } from './slow-origin.ts'
import { weekly } from './weekly.ts'

export const PLAYS: readonly Play[] = [
  boot,
  power,
  staggered,
  starved,
  weekly,
  crowd,
  severalSources,
  slowOrigin,
  partitions,
  lossy,
  reordered,
  crashes,
  liars,
  clocks,
  plain,
  everything,
]
