/** Sessions for tests: the same questions to a daemon and to a node in the same process. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { Fault } from '../../core/fault.ts'
import { connect } from '../../library/connect.ts'
import { embed } from '../../library/embed.ts'
import type { Session } from '../../library/session.ts'
import type { Node } from '../../service/node.ts'
import { BROADCAST, until, type Scene, type Sections } from '../clients/harness.ts'

/** With a node of this scene. */
export async function connected(scene: Scene, node: Node): Promise<Session> {
  const session = await connect({ socket: socketOf(node) })
  scene.ending(() => session.close())
  return session
}

export function socketOf(node: Node): string {
  return join(node.status().cache.directory, 'control.sock')
}

/** How a session reaches its node. */
export const WAYS = ['connected', 'embedded'] as const
export type Way = (typeof WAYS)[number]

/** One with a node of its own. */
export async function sessionWith(scene: Scene, way: Way, sections: Sections): Promise<Session> {
  if (way === 'connected') return connected(scene, await scene.node(sections))
  const { peering, cache, ...rest } = sections as Record<string, object>
  const session = await embed({
    settings: {
      peering: { broadcast: BROADCAST, filePort: 0, ...peering },
      cache: { reserve: '0 B', ...cache },
      verification: { aptConfig: 'off' },
      ...rest,
    },
  })
  scene.ending(() => session.close())
  return session
}

/** Waits until each has heard of all the others. */
export async function acquaintedSessions(...sessions: readonly Session[]): Promise<void> {
  const knows = async (session: Session) =>
    ((await session.status()).peering?.peers.length ?? 0) >= sessions.length - 1
  await until('sessions that know each other', async () => {
    for (const each of sessions) if (!(await knows(each))) return false
    return true
  })
}

/** Waits until a session's node retrieves nothing. */
export async function settledSession(session: Session): Promise<void> {
  await until('a node that retrieves nothing', async () => (await session.status()).transfers.length === 0)
}

/** For `assert.rejects`. */
export function fault(
  code: Fault['code'],
  message: RegExp,
  blame?: Fault['blame'],
): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof Fault, String(error))
    assert.equal(error.code, code, error.message)
    assert.match(error.message, message)
    if (blame !== undefined) assert.equal(error.blame, blame, error.message)
    return true
  }
}
