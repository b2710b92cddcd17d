/** Lines from pieces of text, each at most so long; of a longer one only the beginning is given. */

/** Characters of the longest line that is kept. */
export const MAX_LINE = 16_384

/** Calls `take` for each line, without its end; the last one needs no newline. After it, `finish`. */
export function lines(
  take: (line: string) => void,
  finish: () => void = () => {},
): { push(text: string): void; end(): void } {
  let rest = ''
  return {
    push(text) {
      let start = 0
      for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', start)) {
        take(`${rest}${text.slice(start, Math.min(end, start + MAX_LINE))}`.replace(/\r$/, ''))
        rest = ''
        start = end + 1
      }
      rest = `${rest}${text.slice(start, start + MAX_LINE)}`.slice(0, MAX_LINE)
    },
    end() {
      if (rest !== '') take(rest)
      rest = ''
      finish()
    },
  }
}
