import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { Fault } from '../../core/fault.ts'
import { readCommandLine } from '../../sim/command-line.ts'
import { PLAYS } from '../../sim/scenarios/all.ts'

const read = (line: string) => readCommandLine(line.split(' ').filter((word) => word !== ''))

/** What each run is made from. */
function parametersOf(line: string) {
  const command = read(line)
  assert.ok(command.kind === 'plays')
  return command.jobs.map(({ play, parameters }) => ({ scenario: play.name, ...parameters }))
}

describe('the command line of the simulation', () => {
  test('plays what the documentation says', () => {
    assert.deepEqual(parametersOf('--scenario boot --nodes 250 --loss 0.05'), [
      { scenario: 'boot', seed: 1, nodes: 250, subnets: 1, loss: 0.05 },
    ])
    assert.equal(parametersOf('--scenario crashes --seeds 1..1000').length, 1000)
    assert.equal(parametersOf('--nodes 10 --seeds 1..20').length, 20 * PLAYS.length)
    assert.deepEqual(parametersOf('--scenario boot --nodes 10000 --subnets 40 --loss 0.05 --json'), [
      { scenario: 'boot', seed: 1, nodes: 10_000, subnets: 40, loss: 0.05 },
    ])
    assert.deepEqual(parametersOf('--scenario crowd --seed 7 --bytes 30000000 --subnets 2 --nodes 7'), [
      { scenario: 'crowd', seed: 7, nodes: 7, subnets: 2, bytes: 30_000_000 },
    ])
    assert.equal(parametersOf('').length, PLAYS.length)
    assert.deepEqual(read('--hostile 1..1000'), { kind: 'hostile', first: 1, last: 1000, isJson: false })
    assert.deepEqual(read('--hostile 1..420 --line 1.5MB --json'), {
      kind: 'hostile',
      first: 1,
      last: 420,
      line: { text: '1.5MB', bytesPerSecond: 1_500_000 },
      isJson: true,
    })
    assert.deepEqual(read('--report docs/simulation'), { kind: 'report', folder: 'docs/simulation' })
    assert.deepEqual(read('-h --nodes 0'), { kind: 'help' })
  })

  const refused: readonly (readonly [line: string, message: RegExp])[] = [
    ['--nodes 2.5', /--nodes: expected a whole number, got "2\.5"/],
    ['--nodes 1e2', /--nodes: expected a whole number/],
    ['--nodes 0', /--nodes: expected 1 to 250 in each of 1 subnets, got 0 in all/],
    ['--nodes 251', /--nodes: expected 1 to 250/],
    ['--subnets 1.5 --nodes 4', /--subnets: expected a whole number, got "1\.5"/],
    ['--subnets 0', /--subnets: expected at least 1, got 0/],
    ['--subnets 5 --nodes 4', /--nodes: expected 1 to 250 in each of 5 subnets, got 4 in all/],
    ['--scenario boot --bytes 0', /--bytes: expected at least 1000000 for boot, got 0/],
    ['--scenario boot --bytes 1', /--bytes: expected at least 1000000 for boot, got 1/],
    ['--scenario boot --bytes 1000000.5', /--bytes: expected a whole number/],
    ['--bytes 1000000', /--bytes: expected at least 30000000 for crowd, got 1000000/],
    ['--loss 1.1', /--loss: expected a share from 0 to 1/],
    ['--loss x', /--loss: expected a share from 0 to 1/],
    ['--seed 1.5', /--seed: expected a whole number, got "1\.5"/],
    ['--seeds 1', /--seeds: expected two numbers like 1\.\.1000, got "1"/],
    ['--seed 1 --seeds 1..2', /--seed does not go together with --seeds/],
    ['--scenario booot', /--scenario: expected one of boot, /],
    ['--line 1MB', /--line goes with --hostile only/],
    ['--scenario boot --line 1MB', /--line goes with --hostile only/],
    ['--hostile 1..2 --line 0MB', /--line: expected a rate like 1MB/],
    ['--hostile 2..1', /--hostile: expected two numbers like 1\.\.1000, got "2\.\.1"/],
    ...['scenario boot', 'nodes 4', 'subnets 1', 'seed 1', 'seeds 1..2', 'loss 0', 'bytes 1000000'].map(
      (option) => [`--hostile 1..2 --${option}`, /^--[a-z]+ does not go together with --hostile$/] as const,
    ),
    ...['hostile 1..2', 'line 1MB', 'nodes 4', 'json'].map(
      (option) => [`--report x --${option}`, /^--[a-z]+ does not go together with --report$/] as const,
    ),
  ]
  for (const [line, message] of refused)
    test(`refuses ${line}`, () => {
      assert.throws(
        () => read(line),
        (error) => error instanceof Fault && message.test(error.message),
      )
    })

  test('that is refused is exit code 2, with what was expected', () => {
    const main = join(import.meta.dirname, '../../sim/main.ts')
    const { status, stdout, stderr } = spawnSync(process.execPath, [main, '--nodes', '2.5'], {
      encoding: 'utf8',
    })
    assert.deepEqual([status, stdout], [2, ''])
    assert.match(stderr, /^simulate: .*--nodes: expected a whole number, got "2\.5"\n$/)
  })
})
