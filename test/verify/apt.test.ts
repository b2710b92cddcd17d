import assert from 'node:assert/strict'
import { test } from 'node:test'
import { apt } from '../../verify/apt.ts'
import type { Run } from '../../verify/run.ts'

const { signal } = new AbortController()

test('only what apt trusts is a target; a file name may hold spaces', async () => {
  const answer = [
    'yes http://deb.example/debian/ /var/lib/apt/lists/a b_Packages.lz4',
    'no http://unsigned.example/ /var/lib/apt/lists/unsigned_Packages',
    ' http://unknown.example/ /var/lib/apt/lists/unknown_Packages',
    'yes http://no-file.example/ ',
    'garbage',
    '',
  ].join('\n')
  assert.deepEqual(await apt(says(answer)).targets(signal), [
    { repository: 'http://deb.example/debian/', file: '/var/lib/apt/lists/a b_Packages.lz4' },
  ])
})

for (const [answer, directory] of [
  ["D='/var/lib/apt/lists/'\n", '/var/lib/apt/lists/'],
  [String.raw`D='/srv/it'\''s/lists/'` + '\n', "/srv/it's/lists/"],
] as const) {
  test(`the lists' directory is read from ${answer.trim()}`, async () => {
    assert.equal(await apt(says(answer)).listsDirectory(signal), directory)
  })
}

test('no directory in the answer is a failure, not the current directory', async () => {
  await assert.rejects(apt(says('')).listsDirectory(signal))
})

test('another apt.conf is named to every program; without one the machine decides', async () => {
  const seen: (string | undefined)[] = []
  const run: Run = async function* (_program, _args, { env }) {
    seen.push(env['APT_CONFIG'])
    yield Buffer.from("D='/x/'\n")
  }
  for (const each of [apt(run, '/srv/apt.conf'), apt(run)]) {
    await each.listsDirectory(signal)
    await each.targets(signal)
    for await (const chunk of each.cat('/x/a', signal)) assert.ok(chunk)
  }
  assert.deepEqual(seen, [...Array(3).fill('/srv/apt.conf'), ...Array(3).fill(undefined)])
})

test('an answer beyond 4 MiB is refused', async () => {
  await assert.rejects(apt(talksOn).targets(signal), /more than/)
})

const talksOn: Run = async function* () {
  for (let at = 0; at < 5; at++) yield Buffer.alloc(1024 * 1024, 0x78)
}

function says(answer: string): Run {
  return async function* () {
    yield Buffer.from(answer)
  }
}
