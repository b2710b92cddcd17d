/** The files of an update, and nodes that want them. */
import type { TargetUri } from '../../core/target-uri.ts'
import type { Site, Stage } from '../stage.ts'
import type { VirtualNode } from '../virtual-node.ts'

/** Six files of an update as they come: their shares of the whole. */
const SIX = [910, 16, 370, 360, 240, 340]

/** In bytes, all six together. */
export const SIX_BYTES = SIX.reduce((sum, size) => sum + size * 1000, 0)

export function sixFiles(stage: Stage, bytes: number, name = 'file'): TargetUri[] {
  const whole = SIX.reduce((sum, size) => sum + size, 0)
  return SIX.map((size, at) => stage.file(`/${name}-${at}`, Math.ceil((size * bytes) / whole)))
}

/** `count` files, the large ones eight times as large as the small ones. */
export function someFiles(stage: Stage, count: number, bytes: number, name = 'file'): TargetUri[] {
  const shares = Array.from({ length: count }, () => 8 ** stage.random.fraction())
  const whole = shares.reduce((sum, share) => sum + share, 0)
  return shares.map((share, at) => stage.file(`/${name}-${at}`, Math.ceil((share * bytes) / whole)))
}

/** An application that wants all of them at once. */
export async function wantAll(
  stage: Stage,
  site: Site,
  node: VirtualNode,
  uris: readonly TargetUri[],
): Promise<void> {
  await Promise.all(uris.map((uri) => stage.want(site, node, uri)))
}

/** Every node starts within `withinMs`, and gets to know the others. */
export async function bootAll(stage: Stage, withinMs: number): Promise<void> {
  await stage.everywhere(async (_site, node) => {
    await stage.soon(withinMs)
    await node.start()
  })
  await stage.clock.sleep(1000)
}
