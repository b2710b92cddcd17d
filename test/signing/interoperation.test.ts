/** Cabinets and signatures against the programs that others use (issue 6, point 5). */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { checkAuthenticode } from '../../signing/authenticode.ts'
import { readCabinet, unpack } from '../../signing/cabinet/read.ts'
import { writeCabinet, type NewFile } from '../../signing/cabinet/write.ts'
import { readPemCertificates } from '../../signing/certificate.ts'
import { issueRevocationList } from '../../signing/issue.ts'
import { checkCms } from '../../signing/judge.ts'
import { toPem } from '../../signing/pem.ts'
import { readRevocationList } from '../../signing/revocation.ts'
import { signCabinet, signCms } from '../../signing/sign.ts'
import { missing, patterned, refusal, temporaryFolder, tool } from './fixtures.ts'
import { DAY, NOW, publisher, type KeyKind, type Publisher } from './signers.ts'
import { program as emptyProgram } from '../verify/signature/programs.ts'

const LIMITS = { maxFiles: 100, maxUnpackedBytes: 10_000_000 }
const KINDS: readonly KeyKind[] = ['rsa', 'p256']
/** What they call it: valid now, whenever the test runs. */
const TODAY = Math.floor(Date.now() / 1000) * 1000
const VALID = { notBefore: TODAY - DAY, notAfter: TODAY + 365 * DAY }

const FILES: readonly NewFile[] = [
  { name: 'cabinfo.ini', bytes: Buffer.from('[cabinfo]\r\n') },
  { name: 'data/signatures.dat', bytes: patterned(150_000) },
  { name: 'empty', bytes: Buffer.alloc(0) },
]

/** Files of a publisher, as the programs want them. */
function files(folder: string, { authority, identity }: Publisher) {
  const name = (each: string) => join(folder, each)
  writeFileSync(name('ca.pem'), toPem('CERTIFICATE', authority.certificate.der))
  writeFileSync(name('signer.pem'), toPem('CERTIFICATE', identity.certificate.der))
  writeFileSync(name('signer.key'), identity.key.export({ format: 'pem', type: 'pkcs8' }))
  return name
}

for (const compression of ['store', 'mszip'] as const) {
  test(
    `cabextract and gcab read what we write with ${compression}`,
    { skip: missing('cabextract', 'gcab') },
    (t) => {
      const folder = temporaryFolder(t)
      const file = join(folder, 'package.cab')
      for (const cabinet of [
        writeCabinet(FILES, compression, NOW),
        signCabinet(writeCabinet(FILES, compression, NOW), publisher('p256').identity),
      ]) {
        writeFileSync(file, cabinet)
        for (const [program, ...args] of [
          ['cabextract', '-q', '-d'],
          ['gcab', '-x', '-C'],
        ] as const) {
          const out = join(folder, `${program}-${randomUUID()}`)
          mkdirSync(out)
          tool(program, ...args, out, file)
          for (const { name, bytes } of FILES)
            assert.ok(readFileSync(join(out, name)).equals(bytes), `${program} ${name}`)
        }
      }
    },
  )
}

test('we read what gcab writes', { skip: missing('gcab') }, (t) => {
  const folder = temporaryFolder(t)
  for (const [at, options] of [['-c'], ['-c', '-z']].entries()) {
    writeFileSync(join(folder, 'signatures.dat'), patterned(150_000))
    tool('gcab', ...options, '-n', join(folder, `${at}.cab`), join(folder, 'signatures.dat'))
    const cabinet = readCabinet(readFileSync(join(folder, `${at}.cab`)), LIMITS)
    const bytes = Buffer.concat([...unpack(cabinet)].map((piece) => piece.bytes))
    assert.ok(bytes.equals(patterned(150_000)))
  }
})

for (const kind of KINDS) {
  test(`osslsigncode verifies our ${kind} signature of a cabinet`, { skip: missing('osslsigncode') }, (t) => {
    const who = publisher(kind, 'Interoperation', VALID)
    const name = files(temporaryFolder(t), who)
    writeFileSync(name('signed.cab'), signCabinet(writeCabinet(FILES, 'mszip', NOW), who.identity))
    const said = tool('osslsigncode', 'verify', '-CAfile', name('ca.pem'), '-in', name('signed.cab'))
    assert.match(said, /Signature verification: ok/)
  })

  test(
    `we verify osslsigncode’s ${kind} signature of a cabinet, and find each changed bit of its header`,
    {
      skip: missing('osslsigncode'),
    },
    (t) => {
      const who = publisher(kind, 'Interoperation', VALID)
      const name = files(temporaryFolder(t), who)
      writeFileSync(name('plain.cab'), writeCabinet(FILES, 'mszip', NOW))
      const key = ['-certs', name('signer.pem'), '-key', name('signer.key'), '-h', 'sha256']
      tool('osslsigncode', 'sign', ...key, '-in', name('plain.cab'), '-out', name('signed.cab'))
      const cabinet = readFileSync(name('signed.cab'))
      assert.equal(checkAuthenticode(cabinet, who.trust, TODAY).signer, 'Interoperation')
      for (let bit = 0; bit < 60 * 8; bit++) {
        const changed = Buffer.from(cabinet)
        changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        assert.notEqual(
          refusal(() => checkAuthenticode(changed, who.trust, TODAY)),
          'accepted',
          `bit ${bit}`,
        )
      }
    },
  )

  test(
    `a time stamp by osslsigncode outlives the ${kind} certificate`,
    { skip: missing('osslsigncode') },
    (t) => {
      const who = publisher(kind, 'Interoperation', VALID)
      const stamper = publisher(
        kind,
        'Time',
        { notBefore: TODAY - DAY, notAfter: TODAY + 3650 * DAY },
        'timeStamping',
      )
      const name = files(temporaryFolder(t), who)
      writeFileSync(
        name('tsa.pem'),
        toPem('CERTIFICATE', stamper.identity.certificate.der) +
          toPem('CERTIFICATE', stamper.authority.certificate.der),
      )
      writeFileSync(name('tsa.key'), stamper.identity.key.export({ format: 'pem', type: 'pkcs8' }))
      writeFileSync(name('plain.cab'), writeCabinet(FILES, 'mszip', NOW))
      const key = ['-certs', name('signer.pem'), '-key', name('signer.key'), '-h', 'sha256']
      const tsa = ['-TSA-certs', name('tsa.pem'), '-TSA-key', name('tsa.key')]
      tool('osslsigncode', 'sign', ...key, ...tsa, '-in', name('plain.cab'), '-out', name('signed.cab'))
      const cabinet = readFileSync(name('signed.cab'))
      const later = TODAY + 2 * 365 * DAY
      const both = {
        certificates: [...who.trust.certificates, ...stamper.trust.certificates],
        revocations: [],
      }
      const signed = checkAuthenticode(cabinet, both, later)
      assert.equal(signed.provedTime?.by, 'Time')
      assert.equal(
        refusal(() => checkAuthenticode(cabinet, who.trust, later)),
        'wrong-signer',
      )
      const revoked = (at: number, isCompromised = false) => {
        const { serial } = who.identity.certificate
        const list = issueRevocationList(who.authority, [{ serial, at, isCompromised }], TODAY, later + DAY)
        return { ...both, revocations: [readRevocationList(list)] }
      }
      assert.equal(
        refusal(() => checkAuthenticode(cabinet, revoked(TODAY - 3600_000), later)),
        'certificate-revoked',
      )
      assert.equal(
        refusal(() => checkAuthenticode(cabinet, revoked(later - DAY, true), later)),
        'certificate-revoked',
      )
      assert.equal(checkAuthenticode(cabinet, revoked(later - DAY), later).signer, 'Interoperation')
    },
  )

  for (const form of ['attached', 'detached'] as const) {
    test(
      `openssl verifies our ${form} ${kind} signature in CMS, and we verify its`,
      { skip: missing('openssl') },
      (t) => {
        const who = publisher(kind, 'Interoperation', VALID)
        const name = files(temporaryFolder(t), who)
        const content = patterned(10_000)
        writeFileSync(name('content'), content)
        writeFileSync(name('ours'), signCms(content, who.identity, TODAY, form))
        const detached = form === 'detached' ? ['-content', name('content')] : []
        const verify = [
          '-binary',
          '-inform',
          'DER',
          '-CAfile',
          name('ca.pem'),
          '-purpose',
          'any',
          '-out',
          name('out'),
        ]
        tool('openssl', 'cms', '-verify', ...verify, '-in', name('ours'), ...detached)
        assert.ok(readFileSync(name('out')).equals(content))
        const nodetach = form === 'attached' ? ['-nodetach'] : []
        const sign = [
          '-binary',
          '-outform',
          'DER',
          '-md',
          'sha256',
          '-nosmimecap',
          '-signer',
          name('signer.pem'),
          '-inkey',
          name('signer.key'),
        ]
        tool('openssl', 'cms', '-sign', ...sign, ...nodetach, '-in', name('content'), '-out', name('theirs'))
        const theirs = readFileSync(name('theirs'))
        const checked = checkCms(theirs, form === 'detached' ? content : undefined, who.trust, TODAY)
        assert.ok(Buffer.from(checked.content).equals(content))
        assert.equal(
          refusal(() => checkCms(theirs, patterned(9_999), who.trust, TODAY)),
          'altered',
        )
      },
    )
  }
}

test(
  'we verify osslsigncode’s signature of a program, and find what was changed',
  { skip: missing('osslsigncode') },
  (t) => {
    const who = publisher('rsa', 'Interoperation', VALID)
    const name = files(temporaryFolder(t), who)
    writeFileSync(name('plain.exe'), emptyProgram())
    const key = ['-certs', name('signer.pem'), '-key', name('signer.key'), '-h', 'sha256']
    tool('osslsigncode', 'sign', ...key, '-in', name('plain.exe'), '-out', name('signed.exe'))
    const program = readFileSync(name('signed.exe'))
    assert.equal(checkAuthenticode(program, who.trust, TODAY).signer, 'Interoperation')
    const changed = Buffer.from(program)
    changed[600] = (changed[600] ?? 0) ^ 1
    assert.equal(
      refusal(() => checkAuthenticode(changed, who.trust, TODAY)),
      'altered',
    )
    assert.equal(
      refusal(() => checkAuthenticode(emptyProgram(), who.trust, TODAY)),
      'unsigned',
    )
  },
)

for (const [what, args, digest] of [
  ['RSA with 1024 bits', ['-newkey', 'rsa:1024', '-sha256'], 'sha256'],
  ['SHA-1', ['-newkey', 'rsa:2048', '-sha256'], 'sha1'],
] as const) {
  test(`${what} is refused, whoever signed`, { skip: missing('openssl') }, (t) => {
    const folder = temporaryFolder(t)
    const name = (each: string) => join(folder, each)
    const subject = ['-subj', '/CN=Old', '-addext', 'extendedKeyUsage=codeSigning', '-days', '30']
    tool(
      'openssl',
      'req',
      '-x509',
      '-nodes',
      ...args,
      ...subject,
      '-keyout',
      name('key'),
      '-out',
      name('pem'),
    )
    writeFileSync(name('content'), 'content')
    const sign = [
      '-binary',
      '-outform',
      'DER',
      '-md',
      digest,
      '-nosmimecap',
      '-signer',
      name('pem'),
      '-inkey',
      name('key'),
    ]
    tool('openssl', 'cms', '-sign', ...sign, '-nodetach', '-in', name('content'), '-out', name('signed'))
    const trust = { certificates: readPemCertificates(readFileSync(name('pem'), 'utf8')), revocations: [] }
    assert.equal(
      refusal(() => checkCms(readFileSync(name('signed')), undefined, trust, TODAY)),
      'weak-signature',
    )
  })
}
