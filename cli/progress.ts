/** One line on the terminal that says how far long work has come; nothing where nobody watches. */

export interface Progress {
  show(text: string): void
  /** Takes the line away, before anything else is printed. */
  clear(): void
}

const CLEAR_LINE = '\r\x1B[K'

export function progress(terminal: NodeJS.WriteStream = process.stderr): Progress {
  if (!terminal.isTTY) return { show: () => {}, clear: () => {} }
  return {
    show: (text) => void terminal.write(CLEAR_LINE + text.slice(0, terminal.columns - 1)),
    clear: () => void terminal.write(CLEAR_LINE),
  }
}
