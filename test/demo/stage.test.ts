import assert from 'node:assert/strict'
import { Writable } from 'node:stream'
import { describe, test } from 'node:test'
import type { Machine } from '../../demo/machine.ts'
import { noStage, plainStage, statusLines, terminalStage, type Stage } from '../../demo/stage.ts'
import type { Status, TransferStatus } from '../../service/status.ts'

function transfer(change: Partial<TransferStatus> = {}): TransferStatus {
  return {
    uri: 'http://a.example/pool/x_1%2Bb1.deb',
    source: 'internet',
    receivedBytes: 500_000,
    totalBytes: 1_000_000,
    bytesPerSecond: 2_000_000,
    ...change,
  }
}

const TOTALS: Status['totals'] = {
  requests: {},
  deliveredBytes: 9_400_000,
  receivedBytes: { internet: 0, peer: 0, 'in-progress': 0 },
  uploadedBytes: 0,
  uploads: 0,
}

describe('the lines that show a machine', () => {
  test('have a bar, the bytes, the rate, the source and the name', () => {
    assert.deepEqual(statusLines('machine 1', { transfers: [transfer()], totals: TOTALS }), [
      `  machine 1  ${'█'.repeat(12)}${'░'.repeat(12)}  500 kB  2.0 MB/s  from the Internet  x_1+b1.deb`,
    ])
  })

  const empty = [
    ['of unknown size', { totalBytes: undefined }],
    ['of size 0', { receivedBytes: 0, totalBytes: 0 }],
  ] as const
  for (const [name, change] of empty) {
    test(`have an empty bar for a body ${name}`, () => {
      const [line] = statusLines('machine 1', { transfers: [transfer(change)], totals: TOTALS })
      assert.ok(line?.includes('░'.repeat(24)))
    })
  }

  test('are at most four', () => {
    const transfers = Array.from({ length: 5 }, () => transfer())
    assert.equal(statusLines('machine 1', { transfers, totals: TOTALS }).length, 4)
  })

  test('say what was delivered when nothing runs', () => {
    const lines = statusLines('machine 1', { transfers: [], totals: TOTALS })
    assert.deepEqual(lines, ['  machine 1  9.4 MB delivered so far'])
  })
})

/** A machine whose node is asked `times` for its status; then `asked` resolves. */
function watchedMachine(times: number) {
  const { promise: asked, resolve } = Promise.withResolvers<void>()
  let count = 0
  const machine = {
    name: 'machine 1',
    status: async () => {
      if (++count === times) resolve()
      return { transfers: [transfer()], totals: TOTALS } as unknown as Status
    },
  } as unknown as Machine
  return { machine, asked }
}

function output(): { out: Writable; text: () => string } {
  const parts: string[] = []
  const out = new Writable({
    write(chunk: Buffer, _encoding, done) {
      parts.push(chunk.toString())
      done()
    },
  })
  return { out, text: () => parts.join('') }
}

describe('a stage', () => {
  const stages: readonly (readonly [string, (out: Writable) => Stage])[] = [
    ['nowhere', () => noStage],
    ['plain', (out) => plainStage(out)],
    ['on a terminal', (out) => terminalStage(out, () => 80)],
  ]
  for (const [name, make] of stages) {
    test(`${name} gives what the work gives, and its error`, async () => {
      const stage = make(output().out)
      assert.equal(await stage.during('work', [], Promise.resolve(7)), 7)
      await assert.rejects(stage.during('work', [], Promise.reject(new Error('no'))), /no/)
    })
  }

  test('on a terminal draws over its own lines, cuts them to its width, and leaves none behind', async () => {
    const { out, text } = output()
    const { machine, asked } = watchedMachine(3)
    await terminalStage(out, () => 20).during('work', [machine], asked)
    const line = '  machine 1  ██████\n'
    assert.ok(text().startsWith(`work …\n${line}\u001B[1A\u001B[J${line}`))
    assert.ok(text().endsWith(`${line}\u001B[1A\u001B[J`))
  })

  test('survives a node that does not answer', async () => {
    const { out, text } = output()
    const { promise: asked, resolve } = Promise.withResolvers<void>()
    const machine = {
      name: 'machine 1',
      status: async () => {
        resolve()
        throw new Error('it is being stopped')
      },
    } as unknown as Machine
    await terminalStage(out, () => 80).during('work', [machine], asked)
    assert.equal(text(), 'work …\n')
  })
})
