/** A LAN of network namespaces on one bridge, which a test or benchmark makes and removes (root and iproute2 needed). */
import { execFile, spawn, spawnSync, type ChildProcess, type StdioOptions } from 'node:child_process'
import { promisify } from 'node:util'

/** A program that does not end when it is asked to is killed after this, in ms. */
const PATIENCE_MS = 15_000

/**
 * The kernel keeps no more than 1,024 neighbours of all namespaces together (`gc_thresh3`), and then finds no host any more. What it is
 * told for good does not count: more hosts than this are told who their neighbours are.
 */
const MOST_UNTOLD = 30

export interface Host {
  readonly name: string
  readonly address: string
  /** Starts a program in the host's namespace; it is killed with the LAN. */
  start(
    command: string,
    args: readonly string[],
    options?: { readonly cwd?: string; readonly stdio?: StdioOptions },
  ): ChildProcess
  /** Runs a program to its end. @throws Error with its output when it fails. */
  run(command: string, ...args: string[]): Promise<string>
  /** What leaves the host goes out at this rate from now on, whatever is counted over more than some ms (tc-tbf(8)). */
  limitSending(megabits: number): void
  /** The same for what comes in, at its port of the switch. */
  limitReceiving(megabits: number): void
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

/** `count` hosts (up to 254), 10.77.0.1/24 and on, with loopback and one LAN interface each. */
export function namespaceLan(count: number): NamespaceLan {
  const tag = `ih${process.pid % 100_000}`
  const children = new Set<ChildProcess>()
  const bridge = `${tag}sw`
  ip('netns', 'add', bridge)
  ip('-n', bridge, 'link', 'add', 'br0', 'type', 'bridge')
  ip('-n', bridge, 'link', 'set', 'br0', 'up')
  const made = [bridge]
  const removeNow = () => {
    for (const child of children) child.kill('SIGKILL')
    for (const name of made.splice(0)) spawnSync('ip', ['netns', 'delete', name])
  }
  // Nothing stays behind where a failure or a signal ends the process before `remove` is called.
  process.once('exit', removeNow)
  const hosts = Array.from({ length: count }, (_, at) => {
    made.push(`${tag}h${at + 1}`)
    return addHost(tag, bridge, at + 1, children)
  })
  if (count > MOST_UNTOLD) for (const { name } of hosts) tellNeighbours(name, count)
  return {
    hosts,
    async remove() {
      await Promise.all([...children].map(ended))
      removeNow()
      process.off('exit', removeNow)
    },
  }
}

function addHost(tag: string, bridge: string, number: number, children: Set<ChildProcess>): Host {
  const name = `${tag}h${number}`
  const address = addressOf(number)
  const port = `${tag}p${number}`
  ip('netns', 'add', name)
  const end = ['eth0', 'address', hardwareAddressOf(number), 'netns', name]
  ip('link', 'add', ...end, 'type', 'veth', 'peer', 'name', port, 'netns', bridge)
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
    limitSending: (megabits) => limit(name, 'eth0', megabits),
    limitReceiving: (megabits) => limit(bridge, port, megabits),
  }
}

function addressOf(number: number): string {
  return `10.77.0.${number}`
}

/** Nobody else's: of those that are administered locally (IEEE 802). */
function hardwareAddressOf(number: number): string {
  return `02:00:0a:4d:00:${number.toString(16).padStart(2, '0')}`
}

function tellNeighbours(namespace: string, count: number): void {
  const numbers = Array.from({ length: count }, (_, at) => at + 1)
  const lines = numbers.map(
    (number) =>
      `neigh replace ${addressOf(number)} lladdr ${hardwareAddressOf(number)} dev eth0 nud permanent\n`,
  )
  const result = spawnSync('ip', ['-n', namespace, '-batch', '-'], {
    input: lines.join(''),
    encoding: 'utf8',
  })
  if (result.status !== 0) throw new Error(`ip neigh in ${namespace}: ${result.stderr}`)
}

/**
 * The bucket holds what the line carries in 6.4 ms. With less, a timer of the kernel that is late costs line that nothing makes up for
 * (of 20 Mbit/s 2 %, with a bucket of two packets), and what a network card is given as one packet of 64 kB and cuts up itself (TSO)
 * is cut up by the processor, at 100 Mbit/s for each of the hosts. What does not fit waits: 100 ms of the line, and 250 kB at the least, as
 * before a thin line, where less would be lost again and again by all that come through it.
 */
function limit(namespace: string, device: string, megabits: number): void {
  const burst = Math.round(megabits * 125 * 6.4)
  const queue = Math.max(250_000, megabits * 12_500)
  const bucket = ['rate', `${megabits}mbit`, 'burst', String(burst), 'limit', String(queue)]
  const tc = ['-n', namespace, 'qdisc', 'replace', 'dev', device, 'root', 'tbf', ...bucket]
  const result = spawnSync('tc', tc, { encoding: 'utf8' })
  if (result.status !== 0) throw new Error(`tc ${tc.join(' ')}: ${result.stderr}`)
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve()
    const killing = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS)
    child.once('exit', () => {
      clearTimeout(killing)
      resolve()
    })
    child.kill('SIGTERM')
  })
}

function ip(...args: string[]): void {
  const result = spawnSync('ip', args, { encoding: 'utf8' })
  if (result.status !== 0) throw new Error(`ip ${args.join(' ')}: ${result.stderr}`)
}
