/** Machines of a site as processes of their own, and what people say to them on the command line. */
import assert from 'node:assert/strict'
import { dirname, join } from 'node:path'
import { askStatus } from '../../service/control.ts'
import type { SiteAnswer } from '../../service/site-operations.ts'
import type { Status } from '../../service/status.ts'
import { CLI, freePacketPort, type NodeProcess, type Scene } from './harness.ts'
import { Origin } from './origin.ts'
import { run } from './programs.ts'

export interface Machine {
  readonly config: string
  /** Where it keeps what it has of a site. */
  readonly directory: string
  readonly proxy: string
  readonly node: NodeProcess
}

export interface Lan {
  readonly origin: Origin
  readonly packetPort: number
  /** A machine that runs, at 127.0.0.NUMBER. */
  readonly machine: (number: number, site?: { readonly quorum: number }) => Promise<Machine>
}

/** A LAN of its own, with an origin server whose files are shared if somebody vouches for them. */
export async function lan(scene: Scene): Promise<Lan> {
  const origin = await Origin.start(scene)
  const packetPort = await freePacketPort()
  const machine = async (number: number, more: { readonly quorum?: number } = {}) => {
    const directory = join(scene.directory(), 'site')
    const config = scene.configFile({
      peering: { address: `127.0.0.${number}`, packetPort },
      site: { directory, ...more },
      rules: [{ match: `http://${origin.authority}/**`, share: true, immutable: true }],
    })
    const node = scene.ihave(config)
    return { config, directory, node, proxy: await node.ready() }
  }
  return { origin, packetPort, machine }
}

export interface Said {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export async function ihave(...args: readonly string[]): Promise<Said> {
  const { code, stdout, stderr } = await run(process.execPath, [CLI, ...args])
  return { code, stdout: stdout.toString(), stderr }
}

/** `ihave site …`, which must work. */
export async function site(at: Machine, ...args: readonly string[]): Promise<SiteAnswer> {
  const { code, stdout, stderr } = await trySite(at, ...args)
  assert.equal(code, 0, stderr)
  return JSON.parse(stdout) as SiteAnswer
}

export function trySite(at: Machine, ...args: readonly string[]): Promise<Said> {
  return ihave('site', ...args, '--config', at.config, '--json')
}

/** What its node has heard, by kind. */
export async function packets(at: Machine): Promise<Record<string, number>> {
  const { stdout } = await ihave('status', '--config', at.config, '--json')
  return (JSON.parse(stdout) as Status).packets
}

async function transfersOf({ config }: Machine): Promise<Status['transfers']> {
  return (await askStatus(join(dirname(config), 'cache/control.sock'))).transfers
}

/** Whether it has stored all that it has been given. */
export async function isSettled(at: Machine): Promise<boolean> {
  return (await transfersOf(at)).length === 0
}

/** Whether bytes of this URL have come to it from a peer's download that still runs. */
export async function readsAlong(at: Machine, uri: string): Promise<boolean> {
  const transfers = await transfersOf(at)
  return transfers.some((each) => each.uri === uri && each.source === 'in-progress' && each.receivedBytes > 0)
}
