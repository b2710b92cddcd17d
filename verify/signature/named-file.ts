/**
 * Whether what a signed file says of itself is what was asked for (R8.3, patent B [0066]).
 *
 * Stops the oldest trick against signatures: a genuine file of the publisher, signed and unaltered, that is an older one, or
 * another one, under the new name. A signature proves who made a file and not that it is the one that is wanted; so the
 * signed part must say the requested file name, and the URL must say the version.
 */
import type { TargetUri } from '../../core/target-uri.ts'
import { demand } from '../../signing/refusal.ts'

/** What the signed part says. */
export interface OwnInfo {
  /** The original file name. */
  readonly name: string
  /** All that it calls its version; the release counts as one. */
  readonly versions: readonly string[]
}

/** @throws Refusal wrong-name, wrong-version */
export function checkNamed({ name, versions }: OwnInfo, uri: TargetUri): void {
  const path = pathOf(uri)
  const requested = path.slice(path.lastIndexOf('/') + 1)
  const isSame = requested.toLowerCase() === name.toLowerCase()
  demand(isSame, 'wrong-name', `expected ${requested}, got a signed file whose own name is ${name}`)
  const isVersion = versions.some((version) => saysVersion(path, version))
  demand(isVersion, 'wrong-version', `the URL says none of its versions, ${versions.join(', ')}`)
}

/** As a word of its own: `4.5` is not in `14.5`, `4.5.1` or `1.4.5`. A single digit says nothing. */
function saysVersion(path: string, version: string): boolean {
  if (!/^\d[\w.+-]+$/.test(version)) return false
  const isDotted = version.includes('.')
  return spellings(version).some((word) => {
    for (let at = path.indexOf(word); at >= 0; at = path.indexOf(word, at + 1))
      if (isWord(path, at, at + word.length, isDotted)) return true
    return false
  })
}

/** Programs carry four numbers, and names leave out the last where they are 0. */
function spellings(version: string): readonly string[] {
  const shorter = /^(\d+\.\d+.*)\.0$/.exec(version)?.[1]
  return shorter === undefined ? [version] : [version, ...spellings(shorter)]
}

function isWord(path: string, from: number, to: number, isDotted: boolean): boolean {
  const [before, after] = [path.slice(0, from), path.slice(to)]
  return isDotted
    ? !/\d\.?$/.test(before) && !/^\.?\d/.test(after)
    : !/\d$/.test(before) && !/^\d/.test(after)
}

/** Decoded; a path that cannot be decoded stays as it is, and will not be what any file calls itself. */
function pathOf(uri: TargetUri): string {
  const path = new URL(uri).pathname
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}
