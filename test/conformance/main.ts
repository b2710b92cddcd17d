/**
 * `npm run conformance -- [--suite DIR] [--id TEST]… [--print] [--json]`: the public HTTP cache suite against this node,
 * and what did not pass. `--print` shows the messages of the tests that `--id` names.
 */
import { parseArgs } from 'node:util'
import { measure, type Measured } from './measure.ts'
import { RELEASE } from './release.ts'

const { values } = parseArgs({
  options: {
    suite: { type: 'string', default: RELEASE },
    id: { type: 'string', multiple: true },
    print: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})

const results = await measure({
  directory: values.suite,
  isPrinted: values.print,
  ...(values.id === undefined ? {} : { ids: values.id }),
})
process.stdout.write(values.json ? `${JSON.stringify(results, null, 2)}\n` : report(results))

function report(all: readonly Measured[]): string {
  const isMissed = ({ kind, outcome }: Measured) => kind !== 'check' && outcome !== 'pass'
  const lines = all.map(
    (each) => `${each.outcome.padEnd(10)} ${each.kind.padEnd(8)} ${each.id}: ${each.message}`,
  )
  return [...lines.filter((_, at) => all[at] !== undefined && isMissed(all[at])), ...totals(all), ''].join(
    '\n',
  )
}

function totals(all: readonly Measured[]): string[] {
  return [false, true].flatMap((isCdn) => {
    const tests = all.filter((each) => each.isCdn === isCdn)
    if (tests.length === 0) return []
    const kinds = (['required', 'optimal', 'check'] as const).map((kind) => {
      const some = tests.filter((each) => each.kind === kind)
      return `${kind} ${some.filter(({ outcome }) => outcome === 'pass').length} of ${some.length}`
    })
    return [`${isCdn ? 'for CDNs: ' : ''}${kinds.join(', ')}`]
  })
}
