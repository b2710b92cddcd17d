/** An application without a program: one GET through a node. */
import { request } from 'node:http'
import type { Node } from '../../service/node.ts'
import { placeOf } from './raw.ts'

export interface Fetched {
  readonly status: number
  readonly fields: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Buffer
  /** Who gave the bytes, by `Cache-Status`: `hit`, or the detail of what was forwarded. */
  readonly source: string
  readonly ms: number
}

/** Reads to the end. @throws what ends it early. */
export function fetched(
  node: Pick<Node, 'proxyAddress'>,
  url: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Fetched> {
  const began = performance.now()
  const { address, port } = placeOf(node.proxyAddress)
  return new Promise((resolve, reject) => {
    const Host = new URL(url).host
    const asking = request({ host: address, port, path: url, headers: { Host, ...headers }, agent: false })
    asking.once('error', reject).end()
    asking.once('response', async (response) => {
      try {
        const chunks: Buffer[] = []
        for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk)
        const told = String(response.headers['cache-status'] ?? '')
        const source = /; hit/.test(told) ? 'hit' : (/detail=([\w-]+)/.exec(told)?.[1] ?? told)
        const { statusCode: status = 0, headers: fields } = response
        resolve({ status, fields, body: Buffer.concat(chunks), source, ms: performance.now() - began })
      } catch (error) {
        reject(error)
      }
    })
  })
}
