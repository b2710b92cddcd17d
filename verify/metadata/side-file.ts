/**
 * Side files: `x.jar.sha256` beside `x.jar`, as Maven repositories have them and many download directories. The content is
 * the digest, alone or in the form of `sha256sum`.
 *
 * Stops a peer that sends other bytes under the name. `.md5` and `.sha1` are not read.
 */
import { mention, strongDigest, UnreadableIndex, type Emit, type IndexReader } from './mention.ts'

/** A side file is a line; a longer one is something else. */
export const MAX_SIDE_FILE = 1024

/** @param name of the file that it is about, as the side file's own name gives it. */
export function sideFile(emit: Emit, name: string, algorithm: 'sha-256' | 'sha-512'): IndexReader {
  let text = ''
  return {
    push(more) {
      text += more
      if (text.length > MAX_SIDE_FILE)
        throw new UnreadableIndex(`a side file of more than ${MAX_SIDE_FILE} characters`)
    },
    end() {
      const [, hex, named] = /^\s*([0-9a-fA-F]+)(?:[ \t]+\*?(?:\.\/)?(\S+))?\s*$/.exec(text) ?? []
      const digest = strongDigest(algorithm, hex)
      if (digest === undefined) throw new UnreadableIndex(`expected one ${algorithm} digest`)
      if (named !== undefined && named !== decodedName(name))
        throw new UnreadableIndex('the side file is about another file')
      emit(mention(`./${name}`, digest, undefined))
    },
  }
}

function decodedName(name: string): string {
  try {
    return decodeURIComponent(name)
  } catch {
    return name
  }
}
