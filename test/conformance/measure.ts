/** The suite's whole run against one real node, in forward-proxy mode. */
import type { Server } from 'node:http'
import { Scene } from '../clients/harness.ts'
import {
  openSuite,
  type Kind,
  type SuiteGroup,
  type SuiteTest,
  type Verdict,
  type Verdicts,
} from './suite.ts'
import { givingUndici, throughProxy } from './through-proxy.ts'

/** How a test ended. `setup`: what it needs first did not work; `dependency`: a test that it builds on failed. */
export type Outcome = 'pass' | 'fail' | 'setup' | 'dependency'

export interface Measured {
  readonly id: string
  readonly group: string
  readonly name: string
  readonly kind: Kind
  /** About `CDN-Cache-Control`, which a forward proxy leaves alone. */
  readonly isCdn: boolean
  readonly outcome: Outcome
  /** What the suite says about a test that did not pass. */
  readonly message: string
}

export interface Choice {
  /** Where the suite lies. */
  readonly directory: string
  /** Only these tests; all that are not for browsers alone unless given. */
  readonly ids?: readonly string[]
  /** Whether the suite prints the messages of these tests. */
  readonly isPrinted?: boolean
}

/** Most tests pause for some seconds; more at once would be late on a busy machine. */
const TESTS_AT_ONCE = 40

/** The name in `Via` and `Proxy-Status` that shows that a response came through the node. */
const PSEUDONYM = 'ihave'

/** @throws when the suite reached its origin server by another way than the node. */
export async function measure({ directory, ids, isPrinted = false }: Choice): Promise<readonly Measured[]> {
  const scene = new Scene()
  try {
    const suite = await openSuite(directory)
    const { base, server } = await suite.serve()
    scene.ending(() => closed(server))
    const node = await scene.node({ peering: { enabled: false } })
    const proxy = throughProxy(`http://${node.proxyAddress}`, PSEUDONYM)
    scene.ending(() => proxy.close())
    scene.ending(givingUndici(proxy.dispatcher))
    const chosen = choose(suite.groups, ids)
    const told = isPrinted ? printed(chosen, ids) : chosen
    const run = () => suite.run(told, base, proxy.fetch, TESTS_AT_ONCE)
    const verdicts = await (isPrinted ? run() : quietly(run))
    const [stray] = proxy.strays()
    if (stray !== undefined) throw new Error(`not through the proxy: ${stray}`)
    return chosen.flatMap((group) => group.tests.map((test) => measured(group, test, chosen, verdicts)))
  } finally {
    await scene.close()
  }
}

/** With a test comes what it depends on. */
function choose(groups: readonly SuiteGroup[], ids: readonly string[] | undefined): readonly SuiteGroup[] {
  const known = new Map(groups.flatMap(({ tests }) => tests.map((test) => [test.id, test] as const)))
  const wanted = new Set<string>()
  const want = (id: string) => {
    if (wanted.has(id)) return
    wanted.add(id)
    known.get(id)?.depends_on?.forEach(want)
  }
  for (const id of ids ?? known.keys()) want(id)
  const isChosen = ({ id, browser_only: isForBrowsers }: SuiteTest) =>
    isForBrowsers !== true && wanted.has(id)
  return groups.map((group) => ({ ...group, tests: group.tests.filter(isChosen) }))
}

function printed(groups: readonly SuiteGroup[], ids: readonly string[] = []): readonly SuiteGroup[] {
  const dumped = (test: SuiteTest): SuiteTest => (ids.includes(test.id) ? { ...test, dump: true } : test)
  return groups.map((group) => ({ ...group, tests: group.tests.map(dumped) }))
}

function measured(
  group: SuiteGroup,
  test: SuiteTest,
  groups: readonly SuiteGroup[],
  verdicts: Verdicts,
): Measured {
  const tests = new Map(groups.flatMap((each) => each.tests.map((one) => [one.id, one] as const)))
  const verdict = verdicts[test.id] ?? ['Setup', 'it was not run']
  return {
    id: test.id,
    group: group.id,
    name: test.name,
    kind: test.kind ?? 'required',
    isCdn: test.cdn_only === true,
    outcome: outcomeOf(test, tests, verdicts),
    message: verdict === true ? '' : verdict.join(': '),
  }
}

function outcomeOf(test: SuiteTest, tests: ReadonlyMap<string, SuiteTest>, verdicts: Verdicts): Outcome {
  const failsFirst = test.depends_on?.some((id) => {
    const first = tests.get(id)
    return first === undefined || outcomeOf(first, tests, verdicts) !== 'pass'
  })
  return failsFirst === true ? 'dependency' : ownOutcome(verdicts[test.id])
}

function ownOutcome(verdict: Verdict | undefined): Outcome {
  if (verdict === true) return 'pass'
  return verdict === undefined || verdict[0] === 'Setup' ? 'setup' : 'fail'
}

/** The suite's client and its server tell the console about everything that they wonder at. */
async function quietly<T>(run: () => Promise<T>): Promise<T> {
  const { log, error } = console
  Object.assign(console, { log: () => {}, error: () => {} })
  try {
    return await run()
  } finally {
    Object.assign(console, { log, error })
  }
}

function closed(server: Server): Promise<void> {
  server.closeAllConnections()
  return new Promise((resolve) => server.close(() => resolve()))
}
