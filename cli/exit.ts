/** What the process's exit code says. */

export const EXIT = {
  done: 0,
  /** It failed, or found what should not be; the message says what. */
  failed: 1,
  /** The command line or the configuration is wrong. */
  usage: 2,
  /** No node is running. */
  notRunning: 3,
} as const
