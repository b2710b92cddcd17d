/** Who this node is among its peers, and where they fetch from it. */
import type { NodeId } from './packets.ts'

/** Read anew each time: a node that has left the LAN may come back with another ID, or at another port. */
export interface Self {
  readonly node: NodeId
  /** The TCP port of its server for peers. */
  readonly filePort: number
}
