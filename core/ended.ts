/**
 * The reason of what ends because nobody needs it any more. An `AbortController` that is given none makes an error with a
 * stack of its own each time, which costs more than what it ends; several of them end with every request.
 */
export const NO_LONGER_NEEDED = new Error('no longer needed')

/** Calls it when the signal aborts, at once where it has. */
export function onAbort(signal: AbortSignal, then: () => void): void {
  if (signal.aborted) then()
  else signal.addEventListener('abort', then, { once: true })
}
