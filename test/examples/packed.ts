/** The package as npm makes it, installed into an empty directory without a network. */
import { spawn, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Scene } from '../clients/harness.ts'

const ROOT = new URL('../../', import.meta.url).pathname
const MODULES = join(ROOT, 'node_modules')

/** Packs, and installs: what npm would fetch is what this checkout has. @returns the directory of a project that uses it. */
export function installed(scene: Scene): string {
  const project = scene.directory()
  const modules = join(project, 'node_modules')
  mkdirSync(join(modules, 'ihave'), { recursive: true })
  run('npm', ['pack', '--silent', '--pack-destination', project], ROOT)
  const archive = readdirSync(project).find((name) => name.endsWith('.tgz')) ?? ''
  run(
    'tar',
    ['-xzf', join(project, archive), '--strip-components', '1', '-C', join(modules, 'ihave')],
    project,
  )
  for (const name of dependencies()) {
    mkdirSync(dirname(join(modules, name)), { recursive: true })
    symlinkSync(join(MODULES, name), join(modules, name))
  }
  writeFileSync(join(project, 'package.json'), JSON.stringify({ type: 'module', private: true }))
  return project
}

/** Everything at the top of this checkout's modules, scoped ones by their full names. */
function dependencies(): string[] {
  return readdirSync(MODULES).flatMap((name) => {
    if (name.startsWith('.') || name === 'ihave') return []
    return name.startsWith('@') ? readdirSync(join(MODULES, name)).map((each) => `${name}/${each}`) : [name]
  })
}

/** An example, as a user has copied it. */
export function copied(project: string, name: string): string {
  const file = join(project, name)
  cpSync(join(ROOT, 'examples', name), file)
  return file
}

/** @throws Error with what it said when it fails. */
export function run(program: string, args: readonly string[], cwd: string): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { cwd, encoding: 'utf8' })
  if (status === 0) return stdout
  throw new Error(`${program} ${args.join(' ')}: ${error?.message ?? ''}${stdout}${stderr}`)
}

/** The compiler of this checkout. */
export function compile(project: string): string {
  return run(process.execPath, [join(MODULES, 'typescript/bin/tsc'), '-p', project], project)
}

/** A running program. */
export class Program {
  stdout = ''
  stderr = ''
  readonly exit: Promise<number | string>
  readonly #kill: (signal: NodeJS.Signals) => void

  constructor(scene: Scene, args: readonly string[], cwd: string, environment: NodeJS.ProcessEnv = {}) {
    const env = { PATH: process.env['PATH'], HOME: cwd, TMPDIR: cwd, ...environment }
    const child = spawn(process.execPath, args, { cwd, env })
    child.stdout.on('data', (chunk: Buffer) => (this.stdout += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (this.stderr += chunk.toString()))
    this.exit = new Promise((resolve) => child.once('close', (code, signal) => resolve(code ?? signal ?? '')))
    this.#kill = (signal) => child.kill(signal)
    scene.ending(() => child.kill('SIGKILL'))
  }

  kill(signal: NodeJS.Signals): void {
    this.#kill(signal)
  }
}
