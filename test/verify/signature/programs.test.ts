/** Programs (PE) that osslsigncode has signed, as peers would send them. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import * as fc from 'fast-check'
import type { TargetUri } from '../../../core/target-uri.ts'
import { readProgramInfo } from '../../../signing/program-info.ts'
import { toPem } from '../../../signing/pem.ts'
import { Refusal } from '../../../signing/refusal.ts'
import { checkEmbedded } from '../../../verify/signature/embedded.ts'
import { missing, temporaryFolder, tool } from '../../signing/fixtures.ts'
import { DAY, publisher } from '../../signing/signers.ts'
import { program, type ProgramVersion } from './programs.ts'
import { candidate } from './signed-files.ts'

const skip = missing('osslsigncode')
const TODAY = Math.floor(Date.now() / 1000) * 1000
const WHO = publisher('p256', 'Programs', { notBefore: TODAY - DAY, notAfter: TODAY + 365 * DAY })
const TOOL: ProgramVersion = { name: 'tool-1.2.4.exe', version: '1.2.4', numbers: [1, 2, 4, 0] }
const URI = 'http://updates.test/dl/tool-1.2.4.exe'

function signed(context: TestContext, version?: ProgramVersion, more: readonly string[] = []): Buffer {
  const name = (each: string) => join(folder, each)
  const folder = temporaryFolder(context)
  writeFileSync(name('signer.pem'), toPem('CERTIFICATE', WHO.identity.certificate.der))
  writeFileSync(name('signer.key'), WHO.identity.key.export({ format: 'pem', type: 'pkcs8' }))
  writeFileSync(name('plain.exe'), program(version))
  const key = ['-certs', name('signer.pem'), '-key', name('signer.key'), '-h', 'sha256']
  tool('osslsigncode', 'sign', ...key, ...more, '-in', name('plain.exe'), '-out', name('signed.exe'))
  return readFileSync(name('signed.exe'))
}

async function judged(bytes: Buffer, uri = URI, trust = WHO.trust, now = TODAY): Promise<string> {
  try {
    await checkEmbedded(candidate(bytes), uri as TargetUri, trust, now)
    return 'verified'
  } catch (error) {
    if (error instanceof Refusal) return error.reason
    throw error
  }
}

test('a program that says the requested name and version is proved', { skip }, async (t) => {
  assert.equal(await judged(signed(t, TOOL)), 'verified')
  const other = 'http://updates.test/releases/1.2.4/tool.exe'
  assert.equal(await judged(signed(t, { ...TOOL, name: 'TOOL.EXE' }), other), 'verified')
})

test('an older program, renamed or under the name that all have, is refused', { skip }, async (t) => {
  const older: ProgramVersion = { name: 'tool-1.2.3.exe', version: '1.2.3', numbers: [1, 2, 3, 0] }
  assert.equal(await judged(signed(t, older)), 'wrong-name')
  const plain = { ...older, name: 'tool.exe' }
  assert.equal(await judged(signed(t, plain), 'http://updates.test/releases/1.2.4/tool.exe'), 'wrong-version')
  assert.equal(
    await judged(signed(t, plain), 'http://updates.test/releases/latest/tool.exe'),
    'wrong-version',
  )
})

test('a time stamp lets a program outlive its signer’s certificate', { skip }, async (t) => {
  const lasting = { notBefore: TODAY - DAY, notAfter: TODAY + 3650 * DAY }
  const stamper = publisher('p256', 'Time', lasting, 'timeStamping')
  const name = (each: string) => join(folder, each)
  const folder = temporaryFolder(t)
  const { identity, authority } = stamper
  const chain = [identity.certificate, authority.certificate].map(({ der }) => toPem('CERTIFICATE', der))
  writeFileSync(name('tsa.pem'), chain.join(''))
  writeFileSync(name('tsa.key'), identity.key.export({ format: 'pem', type: 'pkcs8' }))
  const bytes = signed(t, TOOL, ['-TSA-certs', name('tsa.pem'), '-TSA-key', name('tsa.key')])
  const certificates = [...WHO.trust.certificates, ...stamper.trust.certificates]
  const later = TODAY + 2 * 365 * DAY
  assert.equal(await judged(bytes, URI, { certificates, revocations: [] }, later), 'verified')
  assert.equal(await judged(bytes, URI, WHO.trust, later), 'wrong-signer')
  assert.equal(await judged(signed(t, TOOL), URI, WHO.trust, later), 'certificate-expired')
})

test('a program that does not say what it is proves nothing', { skip }, async (t) => {
  assert.equal(await judged(signed(t)), 'unnamed')
  assert.equal(await judged(signed(t, { version: '1.2.4', numbers: [1, 2, 4, 0] })), 'unnamed')
})

test(
  'a changed bit anywhere in a program is refused, in its checksum and its headers too',
  { skip },
  async (t) => {
    const right = signed(t, TOOL)
    const accepted: number[] = []
    for (let at = 0; at < right.length; at++) {
      const changed = Buffer.from(right)
      changed[at] = (changed[at] ?? 0) ^ (1 << (at & 7))
      if ((await judged(changed)) === 'verified') accepted.push(at)
    }
    assert.deepEqual(accepted, [])
  },
)

const RIGHT = program(TOOL)

function info(bytes: Buffer) {
  return readProgramInfo(async ({ start, end }) => bytes.subarray(start, end), bytes.length)
}

test('name and versions are read from the version information', async () => {
  assert.deepEqual(await info(RIGHT), { name: 'tool-1.2.4.exe', versions: ['1.2.4.0', '1.2.4'] })
})

test('whatever a program is made of, it is read or refused, and never more than that', async () => {
  const change = fc.tuple(fc.nat(RIGHT.length - 1), fc.nat(255))
  await fc.assert(
    fc.asyncProperty(fc.array(change, { maxLength: 8 }), fc.nat(RIGHT.length), async (changes, length) => {
      const bytes = Buffer.from(RIGHT)
      for (const [at, value] of changes) bytes[at] = value
      try {
        await info(bytes.subarray(0, length))
      } catch (error) {
        assert.ok(error instanceof Refusal, String(error))
      }
    }),
    { numRuns: 2_000 },
  )
})
