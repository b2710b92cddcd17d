/** "Did you mean …?" */

/** The candidate that is a likely misspelling away from `word`: at most a third of its letters differ. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  const bound = Math.max(1, Math.floor(word.length / 3))
  const near = candidates
    .map((candidate) => ({ candidate, distance: editDistance(word.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ distance }) => distance <= bound)
  return near.toSorted((a, b) => a.distance - b.distance)[0]?.candidate
}

/** Insertions, deletions and substitutions that lead from one word to the other (Levenshtein), row by row. */
export function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, at) => at)
  for (const letter of from) row = nextRow(row, letter, to)
  return row.at(-1) ?? 0
}

function nextRow(row: readonly number[], letter: string, to: string): number[] {
  const next = [(row[0] ?? 0) + 1]
  for (let at = 0; at < to.length; at += 1) {
    const substituted = (row[at] ?? 0) + (letter === to.charAt(at) ? 0 : 1)
    next.push(Math.min(substituted, (row[at + 1] ?? 0) + 1, (next[at] ?? 0) + 1))
  }
  return next
}
