/** Names of the files of a set, across its components: one rule for who makes packages and who installs them. */
import type { Install } from './catalogue.ts'
import { insist } from './refused.ts'

/** What a set says of itself, at its top. */
export const SET_FILE = 'set.json'

/** Where a package's file lies in the set. */
export function placed({ into }: Install, name: string): string {
  return into === '.' ? name : `${into}/${name}`
}

/** Compared as systems do that know neither upper case nor two spellings of one letter. A name that is another's folder is one, too. */
export class SetNames {
  readonly #files = new Set([SET_FILE])
  readonly #folders = new Set<string>()

  /** @throws Refused unsafe-name */
  add(given: string): void {
    const name = given.normalize('NFC').toLowerCase()
    const parents = name.split('/').map((_, at, all) => all.slice(0, at).join('/'))
    const isFree =
      !this.#files.has(name) && !this.#folders.has(name) && !parents.some((parent) => this.#files.has(parent))
    insist(isFree, 'unsafe-name', `two files of the set have the name ${name}`)
    this.#files.add(name)
    for (const parent of parents) this.#folders.add(parent)
  }
}
