/** Stored responses and moments for the tables of these tests. */
import type { EpochMs } from '../../../core/clock.ts'
import type { Sha256 } from '../../../core/digest.ts'
import type { Fields } from '../../../core/fields.ts'
import type { StoredResponse } from '../../../core/store.ts'
import { parseTargetUri } from '../../../core/target-uri.ts'

/** When every stored response of these tests came: on a full second. */
export const RECEIVED = Date.UTC(2026, 10, 23, 12) as EpochMs

export function afterSeconds(seconds: number): EpochMs {
  return (RECEIVED + seconds * 1000) as EpochMs
}

/** An HTTP date relative to `RECEIVED`, written by the platform rather than by the code under test. */
export function httpDate(seconds: number): string {
  return new Date(RECEIVED + seconds * 1000).toUTCString()
}

export function stored(fields: Fields, overrides: Partial<StoredResponse> = {}): StoredResponse {
  const uri = parseTargetUri('http://archive.example/pool/a_1.deb')
  if (uri === undefined) throw new Error('a readable URI')
  return {
    id: 1,
    uri,
    selecting: [],
    status: 200,
    fields,
    requestTime: RECEIVED,
    responseTime: RECEIVED,
    size: 10,
    digest: '0'.repeat(64) as Sha256,
    source: 'internet',
    shareable: true,
    ...overrides,
  }
}

/** `Cache-Control` alone, as one line. */
export function cacheControl(value: string): Fields {
  return [['Cache-Control', value]]
}
