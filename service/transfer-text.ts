/** How far a transfer is, in words: `1.6 MB of 6.0 MB, 1.1 MB/s from in-progress 192.168.1.7`. */
import { formatBytes } from '../core/units.ts'
import type { TransferStatus } from './status.ts'

export function transferText(transfer: Omit<TransferStatus, 'uri'>): string {
  const { source, peer, receivedBytes, totalBytes, bytesPerSecond } = transfer
  const of = totalBytes === undefined ? '' : ` of ${formatBytes(totalBytes)}`
  const rate = bytesPerSecond === undefined ? '' : `, ${formatBytes(bytesPerSecond)}/s`
  const machine = peer === undefined ? '' : ` ${peer}`
  return `${formatBytes(receivedBytes)}${of}${rate} from ${source}${machine}`
}
