/** Fuzzed: files whose writers are strangers: indexes in XML, cabinets, DER. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { readCabinet, unpack } from '../../signing/cabinet/read.ts'
import { readCertificate } from '../../signing/certificate.ts'
import { readSignedData } from '../../signing/cms.ts'
import { elementsOf, readDer, type Der } from '../../signing/der.ts'
import { Refusal } from '../../signing/refusal.ts'
import { metalink } from '../../verify/metadata/metalink.ts'
import { UnreadableIndex, type Emit, type IndexReader } from '../../verify/metadata/mention.ts'
import { rpmPrimary, rpmRepomd } from '../../verify/metadata/rpm-md.ts'
import { pypiHtml } from '../../verify/metadata/pypi-simple.ts'
import { CUTS, mentionsIn } from '../verify/metadata/reading.ts'
import { corpusOf, fuzz } from './corpora.ts'

const READERS: Readonly<Record<string, (emit: Emit) => IndexReader>> = {
  primary: rpmPrimary,
  repomd: rpmRepomd,
  metalink,
  html: pypiHtml,
}

/** What all readers make of a text, by name; a refusal is one word. */
function readings(bytes: Buffer, cuts: readonly number[] = []): string {
  const text = bytes.toString('utf8')
  const found = Object.entries(READERS).map(([name, reader]) => {
    try {
      const mentions = mentionsIn(reader, text, cuts)
      return `${name}: ${mentions.map(({ digest, ...each }) => `${digest.hex.slice(0, 8)} ${JSON.stringify(each)}`).join(', ')}`
    } catch (error) {
      if (error instanceof UnreadableIndex) return `${name}: refused`
      throw error
    }
  })
  return found.filter((each) => !each.endsWith(': ')).join('; ')
}

const indexes = corpusOf('xml', (bytes) => readings(bytes))

test('an index is read the same however it is cut into pieces, or refused; nothing else is thrown', () => {
  fuzz(fc.tuple(indexes.mutants, CUTS), ([bytes, cuts]) => {
    const whole = readings(bytes)
    const cut = readings(bytes, cuts)
    // A reader of pieces may give up earlier; what it reads, it reads alike.
    if (!whole.includes('refused') && !cut.includes('refused')) assert.equal(cut, whole)
  })
})

const LIMITS = { maxFiles: 10, maxUnpackedBytes: 100_000 }

function unpacked(bytes: Buffer): string {
  return refusalOf(() => {
    let size = 0
    const names = new Set<string>()
    for (const { file, bytes: piece } of unpack(readCabinet(bytes, LIMITS))) {
      names.add(file.name)
      size += piece.length
      assert.ok(size <= LIMITS.maxUnpackedBytes)
    }
    assert.ok(names.size <= LIMITS.maxFiles)
    for (const name of names) assert.doesNotMatch(name, /^\/|^[A-Za-z]:|(^|\/)\.\.(\/|$)|\\/)
    return `${size} bytes: ${[...names].join(', ')}`
  })
}

/** What `act` gives, or why it refuses. */
function refusalOf(act: () => string): string {
  try {
    return act()
  } catch (error) {
    if (error instanceof Refusal) return error.reason
    throw error
  }
}

const cabinets = corpusOf('cabinets', unpacked)

test('a cabinet is unpacked within its limits, to names that lead nowhere else, or refused', () => {
  fuzz(cabinets.mutants, (bytes) => void unpacked(bytes))
})

/** Every element, to a depth that no certificate has. */
function walk(der: Der, depth = 0): number {
  if ((der.tag & 0x20) === 0 || depth > 30) return 1
  return 1 + elementsOf(der).reduce((sum, each) => sum + walk(each, depth + 1), 0)
}

const elements = (bytes: Buffer) => refusalOf(() => `${walk(readDer(bytes))} elements`)
const certificate = (bytes: Buffer) => refusalOf(() => readCertificate(bytes).name)
const signature = (bytes: Buffer) => refusalOf(() => `${readSignedData(bytes).signers.length} signers`)

const ders = corpusOf('der', (bytes) => [elements(bytes), certificate(bytes), signature(bytes)].join('; '))

test('DER is read or refused, and what is read is the only spelling of it', () => {
  fuzz(ders.mutants, (bytes) => {
    const found = elements(bytes)
    certificate(bytes)
    signature(bytes)
    if (found.endsWith('elements')) assert.equal(readDer(bytes).whole.length, bytes.length)
  })
})
