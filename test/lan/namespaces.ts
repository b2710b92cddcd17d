/** A LAN of network namespaces on one bridge, which a test makes and removes (root and iproute2 needed). */
import { execFile, spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { promisify } from 'node:util'

export interface Host {
  readonly name: string
  readonly address: string
  /** Starts a program in the host's namespace; it is killed with the LAN. */
  start(command: string, args: readonly string[], options?: { readonly cwd?: string }): ChildProcess
  /** Runs a program to its end. @throws Error with its output when it fails. */
  run(command: string, ...args: string[]): Promise<string>
}

export interface NamespaceLan {
  readonly hosts: readonly Host[]
  remove(): Promise<void>
}

/** Why there can be no such LAN here; `undefined` when there can. */
export function whyNoNamespaces(): string | undefined {
  if (process.getuid?.() !== 0) return 'network namespaces need root'
  const probe = `ihprobe${process.pid}`
  if (spawnSync('ip', ['netns', 'add', probe]).status !== 0) return 'ip netns does not work here'
  spawnSync('ip', ['netns', 'delete', probe])
  return undefined
}

/** `count` hosts, 10.77.0.1/24 and on, with loopback and one LAN interface each. */
export function namespaceLan(count: number): NamespaceLan {
  const tag = `ih${process.pid % 100_000}`
  const children = new Set<ChildProcess>()
  const bridge = `${tag}sw`
  ip('netns', 'add', bridge)
  ip('-n', bridge, 'link', 'add', 'br0', 'type', 'bridge')
  ip('-n', bridge, 'link', 'set', 'br0', 'up')
  const hosts = Array.from({ length: count }, (_, at) => addHost(tag, bridge, at + 1, children))
  return {
    hosts,
    async remove() {
      await Promise.all([...children].map(ended))
      for (const { name } of hosts) spawnSync('ip', ['netns', 'delete', name])
      spawnSync('ip', ['netns', 'delete', bridge])
    },
  }
}

function addHost(tag: string, bridge: string, number: number, children: Set<ChildProcess>): Host {
  const name = `${tag}h${number}`
  const address = `10.77.0.${number}`
  const port = `${tag}p${number}`
  ip('netns', 'add', name)
  ip('link', 'add', 'eth0', 'netns', name, 'type', 'veth', 'peer', 'name', port, 'netns', bridge)
  ip('-n', bridge, 'link', 'set', port, 'master', 'br0', 'up')
  ip('-n', name, 'addr', 'add', `${address}/24`, 'broadcast', '10.77.0.255', 'dev', 'eth0')
  ip('-n', name, 'link', 'set', 'eth0', 'up')
  ip('-n', name, 'link', 'set', 'lo', 'up')
  return {
    name,
    address,
    start(command, args, options = {}) {
      const child = spawn('ip', ['netns', 'exec', name, command, ...args], {
        stdio: ['ignore', 'pipe', 'pipe'],
        ...options,
      })
      children.add(child)
      child.once('exit', () => children.delete(child))
      return child
    },
    async run(command, ...args) {
      const { stdout } = await promisify(execFile)('ip', ['netns', 'exec', name, command, ...args])
      return stdout
    },
  }
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve()
    child.once('exit', () => resolve())
    child.kill('SIGTERM')
  })
}

function ip(...args: string[]): void {
  const result = spawnSync('ip', args, { encoding: 'utf8' })
  if (result.status !== 0) throw new Error(`ip ${args.join(' ')}: ${result.stderr}`)
}
