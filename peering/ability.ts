/**
 * How well a machine can fetch for the others, of those that ask for the same (R5.4): whoever reaches the Internet, by a cable, and
 * has nothing else to do. Nobody is better than able; what stands in the way makes it less.
 */

/** In per cent; who says nothing of itself can. */
export const FULL_ABILITY = 100

/** What a machine knows of itself; `undefined`: it does not know, which is no obstacle. */
export interface AbilityFacts {
  /** 1: the Internet is within reach; 0: it is not. */
  readonly reach?: number | undefined
  readonly isWired?: boolean | undefined
  readonly isOnMains?: boolean | undefined
  /** It had to wait for its turn at the processor lately. */
  readonly isBusy?: boolean | undefined
  /** It sends files to as many as it may. */
  readonly isUploading?: boolean | undefined
}

/** A radio link carries the file twice, and its air is everybody's. */
const WIRELESS = 1 / 4
/** It may be closed at any moment. */
const ON_BATTERY = 1 / 2
const LOADED = 1 / 2

/** A whole number up to `FULL_ABILITY`; 0 where the Internet is out of reach, and nowhere else. */
export function abilityOf({ reach = 1, isWired, isOnMains, isBusy, isUploading }: AbilityFacts): number {
  if (reach <= 0) return 0
  const share =
    Math.min(1, reach) *
    (isWired === false ? WIRELESS : 1) *
    (isOnMains === false ? ON_BATTERY : 1) *
    (isBusy === true ? LOADED : 1) *
    (isUploading === true ? LOADED : 1)
  return Math.max(1, Math.round(share * FULL_ABILITY))
}
