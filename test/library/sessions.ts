/** Sessions for tests: the same questions to a daemon. */
import { join } from 'node:path'
import { connect } from '../../library/connect.ts'
import type { Session } from '../../library/session.ts'
import type { Node } from '../../service/node.ts'
import type { Scene } from '../clients/harness.ts'

/** With a node of this scene. */
export async function connected(scene: Scene, node: Node): Promise<Session> {
  const session = await connect({ socket: socketOf(node) })
  scene.ending(() => session.close())
  return session
}

export function socketOf(node: Node): string {
  return join(node.status().cache.directory, 'control.sock')
}
