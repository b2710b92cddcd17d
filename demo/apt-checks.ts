/** What must be so after apt went through three nodes. */
import type { Package } from './apt-packages.ts'
import type { DownloadedFile } from './apt-machine.ts'
import type { LoggedRequest } from './request-log.ts'
import type { Check } from './result.ts'

/** What one machine did and got. */
export interface AptEvidence {
  readonly machine: string
  /** What its own apt's lists say. */
  readonly packages: readonly Package[]
  readonly files: readonly DownloadedFile[]
  readonly requests: readonly LoggedRequest[]
}

/** Indexes above this many bytes must not be downloaded twice. */
const LARGE_INDEX_BYTES = 100_000

/** @param evidence the first machine's first; the others must have taken everything large from their peers. */
export function aptChecks(evidence: readonly AptEvidence[]): Check[] {
  const [, ...later] = evidence
  return [
    ...evidence.map((each) => digestsCheck(each)),
    sameFilesCheck(evidence),
    ...later.flatMap((each) => [packagesCheck(each), indexesCheck(each)]),
  ]
}

function digestsCheck({ machine, packages, files }: AptEvidence): Check {
  const wrong = packages.flatMap(({ name, sha256 }) => {
    const file = files.find((each) => each.name.startsWith(`${name}_`))
    if (file === undefined) return [`${name} is missing`]
    return file.sha256 === sha256 ? [] : [`${file.name}: expected ${sha256}, got ${file.sha256}`]
  })
  const none = packages.length === 0 ? ['no package was chosen'] : []
  return check(`${machine}: every package has the SHA-256 that apt's signed lists name`, [...none, ...wrong])
}

function sameFilesCheck(evidence: readonly AptEvidence[]): Check {
  const contents = evidence.map(({ files }) =>
    files.map(({ name, sha256 }) => `${name} ${sha256}`).join('\n'),
  )
  const isSame = new Set(contents).size === 1
  return check('all machines have the same files', isSame ? [] : ['their names or contents differ'])
}

/** Every package counts: one that was never asked for proves nothing about peers. */
function packagesCheck({ machine, packages, requests }: AptEvidence): Check {
  const asked = requests.filter(({ url }) => url.endsWith('.deb'))
  const missing = packages.length - asked.length
  const unasked = missing > 0 ? [`${missing} packages were not asked for at all`] : []
  return check(`${machine}: no package came from the Internet`, [...unasked, ...fromInternet(asked)])
}

/**
 * Indexes that are named by their digest (`Acquire-By-Hash`). Without such a name nothing proves an index, so that it is
 * validated with the origin server by design.
 */
function indexesCheck({ machine, requests }: AptEvidence): Check {
  const large = requests.filter(({ url, bytes }) => url.includes('/by-hash/') && bytes > LARGE_INDEX_BYTES)
  const none = large.length === 0 ? ['no large index was asked for at all'] : []
  return check(`${machine}: no large index came from the Internet`, [...none, ...fromInternet(large)])
}

function fromInternet(requests: readonly LoggedRequest[]): string[] {
  return requests
    .filter(({ source, received }) => !isLocal(source) || (received?.internet ?? 0) > 0)
    .map(
      ({ url, source, received }) => `${url} (${source}, ${received?.internet ?? 0} bytes from the Internet)`,
    )
}

function isLocal(source: string): boolean {
  return source === 'peer' || source === 'in-progress' || source === 'hit'
}

function check(name: string, failures: readonly string[]): Check {
  return { name, failure: failures.length === 0 ? undefined : failures.join('; ') }
}
