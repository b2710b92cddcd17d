/** What tests of signed files share. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { Refusal } from '../../signing/refusal.ts'
import { seededRandom } from '../../core/random.ts'

/** Bytes that compress somewhat, the same each time. */
export function patterned(size: number, seed = size): Buffer {
  const random = seededRandom(seed)
  const words = Array.from({ length: 64 }, () => random.hex(6))
  let text = ''
  while (text.length < size) text += words[random.uint32() % 64]
  return Buffer.from(text.slice(0, size), 'latin1')
}

/** Why `act` was refused; an error of the test where it was not. */
export function refusal(act: () => unknown): string {
  try {
    act()
  } catch (error) {
    if (error instanceof Refusal) return error.reason
    throw error
  }
  return 'accepted'
}

export function temporaryFolder(test: Pick<TestContext, 'after'>): string {
  const folder = mkdtempSync(join(tmpdir(), 'ihave-signing-'))
  test.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** What lies in a folder, in hexadecimal by name. */
export function everyFile(folder: string): Map<string, string> {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  const files = names.filter((name) => statSync(join(folder, name)).isFile())
  return new Map(files.toSorted().map((name) => [name, readFileSync(join(folder, name)).toString('hex')]))
}

/** Says why a test that needs `programs` cannot run here. */
export function missing(...programs: readonly string[]): string | false {
  const absent = programs.filter((program) => spawnSync('which', [program]).status !== 0)
  return absent.length === 0 ? false : `not installed: ${absent.join(', ')}`
}

/** Runs a program to its end; an error with what it said where it fails. */
export function tool(program: string, ...args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8' })
  if (status === 0) return stdout
  throw new Error(`${program} ${args.join(' ')}: ${status} ${String(error ?? '')} ${stdout}${stderr}`)
}
