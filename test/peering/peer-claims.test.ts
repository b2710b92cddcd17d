import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Address } from '../../core/transport.ts'
import { claimsForeignPlace } from '../../peering/peer-claims.ts'
import type { ResponsePacket } from '../../peering/packets.ts'
import { nodeId, plainResponse } from './fixtures.ts'

const FROM = '10.0.0.9' as Address

const at = (location: string): ResponsePacket => plainResponse(1, FROM, { node: nodeId(0), location })

for (const location of [
  'http://10.0.0.9/a',
  'http://10.0.0.9:1/a',
  'http://10.0.0.9:6515/a',
  'http://10.0.0.9:65535/a',
  'HTTP://10.0.0.9:6515/a',
  'http://10.0.0.9:06515/a',
])
  test(`${location} is at its sender`, () => assert.equal(claimsForeignPlace(at(location), FROM), false))

for (const location of [
  'http://10.0.0.98/a',
  'http://10.0.0.98:6515/a',
  'http://10.0.0.9.example.org/a',
  'http://10.0.0.9@10.0.0.8/a',
  'http://10.0.0.9:6515@10.0.0.8/a',
  'http://10.0.0.9:6515.example.org/a',
  'http://10.0.0.9:65536/a',
  'http://10.0.0.9:6x/a',
  'http://10.0.0.8/10.0.0.9/',
  'http:\\\\10.0.0.8/a',
])
  test(`${location} is elsewhere, or nowhere`, () =>
    assert.equal(claimsForeignPlace(at(location), FROM), true))
