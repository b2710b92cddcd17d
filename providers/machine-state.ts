/** What this machine is, for the criteria: read from `/sys` where there is one, nothing where not. */
import { readdir, readFile, statfs } from 'node:fs/promises'
import { uptime } from 'node:os'
import { join } from 'node:path'

/** What can be read of the machine itself. */
export interface MachineFacts {
  readonly isWired: boolean | undefined
  readonly isOnMains: boolean | undefined
  readonly upSeconds: number
  readonly freeBytes: number | undefined
}

export interface MachinePlaces {
  /** `/sys`. */
  readonly sys: string
  /** The interface to the LAN; `undefined`: any that is up. */
  readonly interfaceName: string | undefined
  /** Where the cache is. */
  readonly directory: string
}

/** Never fails: what cannot be read is not known. */
export async function machineFacts(places: MachinePlaces): Promise<MachineFacts> {
  const [isWired, isOnMains, freeBytes] = await Promise.all([
    wired(places),
    mains(places.sys),
    freeOf(places.directory),
  ])
  return { isWired, isOnMains, upSeconds: uptime(), freeBytes }
}

/** A wireless interface has a folder `wireless`, or `phy80211`. */
async function wired({ sys, interfaceName }: MachinePlaces): Promise<boolean | undefined> {
  const net = join(sys, 'class/net')
  const names = interfaceName === undefined ? await namesIn(net) : [interfaceName]
  const parts = await Promise.all(
    names.filter((name) => name !== 'lo').map((name) => namesIn(join(net, name))),
  )
  const known = parts.filter((each) => each.length > 0)
  if (known.length === 0) return undefined
  return known.some((each) => !each.includes('wireless') && !each.includes('phy80211'))
}

/** On mains when a supply that is no battery says so; a machine without batteries has nothing to say. */
async function mains(sys: string): Promise<boolean | undefined> {
  const folder = join(sys, 'class/power_supply')
  const supplies = await Promise.all(
    (await namesIn(folder)).map(async (name) => ({
      type: await textOf(join(folder, name, 'type')),
      online: await textOf(join(folder, name, 'online')),
    })),
  )
  const plugs = supplies.filter(({ type }) => type === 'Mains' || type === 'USB')
  if (plugs.length > 0) return plugs.some(({ online }) => online === '1')
  return supplies.some(({ type }) => type === 'Battery') ? false : undefined
}

async function freeOf(directory: string): Promise<number | undefined> {
  try {
    const { bavail, bsize } = await statfs(directory)
    return bavail * bsize
  } catch {
    return undefined // not there yet
  }
}

async function namesIn(folder: string): Promise<readonly string[]> {
  return readdir(folder).catch(() => [])
}

async function textOf(file: string): Promise<string | undefined> {
  return readFile(file, 'utf8').then(
    (text) => text.trim(),
    () => undefined,
  )
}
