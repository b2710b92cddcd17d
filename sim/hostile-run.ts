/**
 * What one to three hostile peers of a kind cost (issue "must hold", V§4): a small LAN plays twice from one seed, without
 * them and among them. Random are how many nodes ask and when, the file, whether an honest node holds it, and who lies how.
 */
import { seededRandom, type Random } from '../core/random.ts'
import type { TargetUri } from '../core/target-uri.ts'
import { MEASURED_BYTES } from '../providers/speed-meter.ts'
import { SMALL_GROWING_BYTES } from '../retrieval/release.ts'
import { HOSTILE_KINDS, type HostileKind, type HostileSettings } from './hostile-peer.ts'
import { MB, play, WAN_BYTES_PER_SECOND } from './scenario.ts'
import type { Got } from './virtual-application.ts'
import type { VirtualNode } from './virtual-node.ts'

export interface HostileRun {
  readonly seed: number
  readonly hostile: readonly HostileSettings[]
  readonly requests: number
  /** Complete, with other bytes than the file's. */
  readonly wrong: number
  /** Broke off, as a growing copy of `SMALL_GROWING_BYTES` and more may that was begun wrong (V§2), and was asked for again at once. */
  readonly resumed: number
  /** Not right in the end, though it was without the hostile peers. */
  readonly failed: number
  /** The most that one request took longer than without them, in ms. */
  readonly addedMs: number
  /** Requests for copies that the hostile peers were sent: 0 shows nothing. */
  readonly asked: number
}

/** An application waits no longer than this for what peers cost it, in ms. */
export const MAX_ADDED_MS = 1000

const MOST_BYTES = 4 * MB

interface Scene {
  /** What the connection to the Internet carries, in bytes per second. */
  readonly line: number
  readonly nodes: number
  readonly hasHolder: boolean
  readonly size: number
  readonly files: number
  readonly withinMs: number
  readonly hostile: readonly HostileSettings[]
}

/** @param line what the connection to the Internet carries, in bytes per second. */
export async function hostileRun(seed: number, line = WAN_BYTES_PER_SECOND): Promise<HostileRun> {
  const scene = sceneOf(seed, line)
  const without = await playOnce(seed, { ...scene, hostile: [] })
  const among = await playOnce(seed, scene)
  const rights = among.got.filter(({ isRight }) => isRight)
  const added = among.got.map(({ got }, at) => got.doneMs - (without.got[at]?.got.doneMs ?? 0))
  return {
    seed,
    hostile: scene.hostile,
    requests: among.got.length,
    wrong: among.got.filter(({ got, isRight }) => got.outcome === 'complete' && !isRight).length,
    resumed: among.got.filter(({ isBroken }) => isBroken).length,
    failed: without.got.filter(({ isRight }) => isRight).length - rights.length,
    addedMs: Math.round(Math.max(...added)),
    asked: among.asked,
  }
}

/** What does not hold, in words; nothing where all is well. */
export function failuresAmongHostile({ wrong, failed, addedMs }: HostileRun): string[] {
  return [
    ...(wrong === 0 ? [] : [`${wrong} requests were answered with wrong bytes`]),
    ...(failed === 0 ? [] : [`${failed} requests failed that would not have without hostile peers`]),
    ...(addedMs <= MAX_ADDED_MS ? [] : [`${addedMs} ms were added, at most ${MAX_ADDED_MS} expected`]),
  ]
}

function sceneOf(seed: number, line: number): Scene {
  const random = seededRandom(seed ^ HOSTILE)
  const kind = HOSTILE_KINDS[seed % HOSTILE_KINDS.length] ?? 'short'
  const count = 1 + (random.uint32() % 3)
  const hostile = Array.from({ length: count }, () => ({
    kind,
    ...waysOf(random),
    ...nearTheLine(kind, random, line),
  }))
  // In every third run the others are of any kind.
  const mixed = hostile.map((each, at) =>
    at > 0 && seed % 3 === 0 ? { ...each, kind: kindOf(random) } : each,
  )
  const plain = plainOf(seed)
  return {
    line,
    nodes: 1 + (random.uint32() % 4),
    hasHolder: random.fraction() < 0.5,
    size: Math.ceil(MOST_BYTES ** (0.6 + 0.4 * random.fraction())),
    files: 1 + (random.uint32() % 3),
    withinMs: random.fraction() < 0.5 ? 5 : 1500,
    hostile: plain.isAlone ? plain.hostile : [...mixed, ...plain.hostile],
  }
}

/** In every third run there are some besides the others, or in their place, that speak only the patents' packets. */
function plainOf(seed: number): { readonly hostile: readonly HostileSettings[]; readonly isAlone: boolean } {
  const random = seededRandom(seed ^ PLAIN)
  const count = random.uint32() % 3 === 0 ? 1 + (random.uint32() % 3) : 0
  const isAlone = count > 0 && random.fraction() < 0.3
  return {
    hostile: Array.from({ length: count }, () => ({ ...waysOf(random), kind: 'plain-promises' })),
    isAlone,
  }
}

/** From what a growing copy must bring at least, to what is no harm any more. */
const SLOWEST = 3000
const QUICKEST = 4_000_000
/** What a complete copy, and a growing one of somebody who was not heard to ask, must bring. */
const LEAST = { whole: 165_000, stranger: 45_000 }

function waysOf(random: Random): Omit<HostileSettings, 'kind'> {
  const role = random.fraction() < 0.5 ? 'holder' : 'downloader'
  const asks = random.fraction() < 0.5
  const isFirst = random.fraction() < 0.5
  const isStranger = role === 'downloader' && !asks
  const least = role === 'holder' ? LEAST.whole : isStranger ? LEAST.stranger : SLOWEST
  const bytesPerSecond = Math.round(least * (QUICKEST / least) ** random.fraction())
  return { role, asks, isFirst, bytesPerSecond }
}

/** What is sent nearly whole comes about as quickly as the line, whose speed anybody on the LAN can learn. */
const NEAR_THE_LINE = { least: 0.9, most: 1.5 }
const STOPS = { least: 0.5, most: 0.98 }

function nearTheLine(kind: HostileKind, random: Random, line: number): Partial<HostileSettings> {
  if (kind !== 'nearly-whole' && kind !== 'nearly-whole-wrong') return {}
  const between = ({ least, most }: typeof STOPS) => least + (most - least) * random.fraction()
  return {
    bytesPerSecond: Math.round(between(NEAR_THE_LINE) * line),
    stopsAt: between(STOPS),
  }
}

function kindOf(random: Random): HostileKind {
  return HOSTILE_KINDS[random.uint32() % HOSTILE_KINDS.length] ?? 'short'
}

interface Outcome {
  readonly got: readonly { readonly got: Got; readonly isBroken: boolean; readonly isRight: boolean }[]
  readonly asked: number
}

/** The applications ask at the same moments whoever lies. Every node has fetched something before, as machines have. */
function playOnce(
  seed: number,
  { line, nodes, hasHolder, size, files, withinMs, hostile }: Scene,
): Promise<Outcome> {
  const moments = seededRandom(seed ^ MOMENTS)
  return play(seed, { patienceMs: 120_000, wanBytesPerSecond: line }, async (scenario) => {
    const all = await scenario.nodes(nodes + 1)
    const uris = Array.from({ length: files }, (_, at) => scenario.file(`/${at}`, size))
    const [holder, ...askers] = all
    for (const [at, node] of all.entries()) await node.get(scenario.file(`/before-${at}`, MEASURED_BYTES))
    if (hasHolder) for (const uri of uris) await holder?.get(uri)
    const peers = await Promise.all(hostile.map((settings) => scenario.hostilePeer(settings)))
    await scenario.settle()
    const wanted = askers.flatMap((node) =>
      uris.map((uri) => ({ node, uri, afterMs: moments.fraction() * withinMs })),
    )
    const got = await Promise.all(
      wanted.map(async ({ node, uri, afterMs }, at) => {
        await scenario.clock.sleep(afterMs)
        const client = `application ${at}`
        const first = await node.get(uri, { client })
        const isBroken = first.outcome === 'cut' && size >= SMALL_GROWING_BYTES
        const each = isBroken ? await resumed(node, uri, client, first) : first
        const isRight = each.outcome === 'complete' && each.status === 200
        return { got: each, isBroken, isRight: isRight && each.sha256 === scenario.sha256(uri) }
      }),
    )
    return { got, asked: peers.reduce((sum, { asked }) => sum + asked, 0) }
  })
}

/** As apt asks again: it is sent the whole, whatever part it wants (V§2). Its time is that of both. */
async function resumed(node: VirtualNode, uri: TargetUri, client: string, broken: Got): Promise<Got> {
  const rest = await node.get(uri, { client, fields: [['Range', `bytes=${broken.bytes}-`]] })
  return { ...rest, doneMs: broken.doneMs + rest.doneMs }
}

const HOSTILE = 0x686f7374
const PLAIN = 0x706c6169
const MOMENTS = 0x6d6f6d65
