/** Sessions for tests: the same questions to a daemon. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { Fault } from '../../core/fault.ts'
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

/** For `assert.rejects`. */
export function fault(code: Fault['code'], message: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof Fault, String(error))
    assert.equal(error.code, code, error.message)
    assert.match(error.message, message)
    return true
  }
}
