import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { aptPackages, aptRelease, aptSources } from '../../../verify/metadata/apt-archive.ts'
import { cratesIndex, downloadTemplate } from '../../../verify/metadata/crates-index.ts'
import { UnreadableIndex, type Emit, type IndexReader } from '../../../verify/metadata/mention.ts'
import { MAX_METALINK_URLS, metalink } from '../../../verify/metadata/metalink.ts'
import { npmPackument } from '../../../verify/metadata/npm-packument.ts'
import { pypiHtml, pypiJson } from '../../../verify/metadata/pypi-simple.ts'
import { rpmPrimary, rpmRepomd } from '../../../verify/metadata/rpm-md.ts'
import { MAX_SIDE_FILE, sideFile } from '../../../verify/metadata/side-file.ts'
import { CUTS, damaged, mentionsIn } from './reading.ts'

const A = 'a'.repeat(64)
const B = 'b'.repeat(64)
const LONG = 'c'.repeat(128)
const sha256 = (hex: string) => ({ algorithm: 'sha-256', hex }) as const
const sha512 = (hex: string) => ({ algorithm: 'sha-512', hex }) as const
const SRI = `sha512-${Buffer.from(LONG, 'hex').toString('base64')}`

interface Sample {
  readonly name: string
  readonly reader: (emit: Emit) => IndexReader
  readonly text: string
  readonly expected: readonly unknown[]
}

const crates = (emit: Emit) => cratesIndex(emit, 'http://c.test/dl')

const SAMPLES: readonly Sample[] = [
  {
    name: 'an npm packument',
    reader: npmPackument,
    text: JSON.stringify({
      name: 'x',
      versions: {
        '1.0.0': {
          dist: { shasum: 'd'.repeat(40), tarball: 'http://r.test/x/-/x-1.0.0.tgz', integrity: SRI },
        },
        '1.0.1': { dist: { tarball: 'http://r.test/x/-/x-1.0.1.tgz', shasum: 'd'.repeat(40) } },
        '1.0.2': {
          dist: { integrity: `sha1-AAAA ${SRI}`, tarball: 'x-1.0.2.tgz', signatures: [{ sig: 'y' }] },
        },
        '1.0.3': { dist: { integrity: `${SRI} sha512-${'A'.repeat(86)}==`, tarball: 'x-1.0.3.tgz' } },
      },
      dist: { tarball: 'no', integrity: SRI },
    }),
    expected: [
      { reference: 'http://r.test/x/-/x-1.0.0.tgz', digest: sha512(LONG) },
      { reference: 'x-1.0.2.tgz', digest: sha512(LONG) },
    ],
  },
  {
    name: 'a simple index in HTML',
    reader: pypiHtml,
    text: `<!DOCTYPE html><html><body><a href="../../p/x-1.whl#sha256=${A}" data-requires-python="&gt;=3">x</a>
      <a href='http://f.test/x-2.whl#sha256=${B.toUpperCase()}&amp;egg=x'>x</a><a href="x-3.whl#md5=${'d'.repeat(32)}">x</a>
      <a href="x-4.whl">x</a><a href="x-5.whl#sha256=${A}" href="x-6.whl#sha256=${A}">x</a></body></html>`,
    expected: [
      { reference: '../../p/x-1.whl', digest: sha256(A) },
      { reference: 'http://f.test/x-2.whl', digest: sha256(B) },
    ],
  },
  {
    name: 'a simple index with a base',
    reader: pypiHtml,
    text: `<base href="http://f.test/files/"><a href="x-1.whl#sha512=${LONG}">x</a><base href="http://other.test/">`,
    expected: [{ reference: 'http://f.test/files/x-1.whl', digest: sha512(LONG) }],
  },
  {
    name: 'a simple index in JSON',
    reader: pypiJson,
    text: JSON.stringify({
      files: [
        { filename: 'x-1.whl', url: 'x-1.whl', hashes: { md5: 'd'.repeat(32), sha256: A }, size: 12 },
        { filename: 'x-2.whl', url: 'x-2.whl', hashes: {}, size: 13 },
        { hashes: { sha256: B }, url: 'x-3.whl', 'core-metadata': { sha256: A } },
      ],
    }),
    expected: [
      { reference: 'x-1.whl', digest: sha256(A), size: 12 },
      { reference: 'x-3.whl', digest: sha256(B) },
    ],
  },
  {
    name: 'rpm primary metadata',
    reader: rpmPrimary,
    text: `<?xml version="1.0"?><metadata xmlns:rpm="u" packages="4">
      <package type="rpm"><name>x</name><checksum type="sha256" pkgid="YES">${A}</checksum>
        <size package="12" installed="99" archive="98"/><location href="Packages/x-1-1.rpm"/>
        <format><rpm:entry name="y"/><file>/location</file><checksum type="sha256">${B}</checksum></format></package>
      <package><checksum type="sha">${'d'.repeat(40)}</checksum><location href="Packages/y-1-1.rpm"/></package>
      <package><checksum type="sha256">${B}</checksum><location xml:base="http://o.test/" href="z.rpm"/></package>
      <package><location href="v&amp;w.rpm"/><checksum type="sha512">${LONG}</checksum></package></metadata>`,
    expected: [
      { reference: 'Packages/x-1-1.rpm', digest: sha256(A), size: 12 },
      { reference: 'v&w.rpm', digest: sha512(LONG) },
    ],
  },
  {
    name: 'rpm repomd.xml',
    reader: rpmRepomd,
    text: `<repomd><data type="primary"><checksum type="sha256">${A}</checksum><open-checksum type="sha256">${B}</open-checksum>
      <location href="repodata/${A}-primary.xml.gz"/><size>12</size><open-size>99</open-size></data></repomd>`,
    expected: [{ reference: `repodata/${A}-primary.xml.gz`, digest: sha256(A), size: 12 }],
  },
  {
    name: 'a crates index file',
    reader: crates,
    text: [
      { name: 'Foo', vers: '1.0.0', deps: [{ name: 'no', cksum: B }], cksum: A, yanked: false },
      { name: 'Foo', vers: '1.0.1+x', cksum: B },
      { name: 'Foo', vers: '../../x', cksum: B },
    ]
      .map((each) => JSON.stringify(each))
      .join('\n'),
    expected: [
      { reference: 'http://c.test/dl/Foo/1.0.0/download', digest: sha256(A) },
      { reference: 'http://c.test/dl/Foo/1.0.1%2Bx/download', digest: sha256(B) },
    ],
  },
  {
    name: 'a side file',
    reader: (emit) => sideFile(emit, 'x%20y.jar', 'sha-256'),
    text: `${A.toUpperCase()}\n`,
    expected: [{ reference: './x%20y.jar', digest: sha256(A) }],
  },
  {
    name: 'a side file in the form of sha512sum',
    reader: (emit) => sideFile(emit, 'x.iso', 'sha-512'),
    text: `${LONG}  x.iso\n`,
    expected: [{ reference: './x.iso', digest: sha512(LONG) }],
  },
  {
    name: 'a metalink',
    reader: metalink,
    text: `<metalink xmlns="urn:ietf:params:xml:ns:metalink"><file name="x.iso"><size>12</size>
      <hash type="md5">${'d'.repeat(32)}</hash><hash type="sha-512">${LONG}</hash><hash type="sha-256">${A}</hash>
      <pieces length="6" type="sha-256"><hash>${B}</hash><hash type="sha-256">${B}</hash></pieces>
      <url location="de">http://m.test/x.iso</url><url>x.iso</url></file><file name="y"><url>y</url></file></metalink>`,
    expected: [
      { reference: 'http://m.test/x.iso', digest: sha256(A), size: 12 },
      { reference: 'x.iso', digest: sha256(A), size: 12 },
    ],
  },
  {
    name: 'apt Packages',
    reader: aptPackages,
    text: `Package: x\nFilename: pool/x_1%2.deb\nSize: 12\nSHA256: ${A}\n\nPackage: y\nFilename: y\nMD5sum: ${'d'.repeat(32)}\n`,
    expected: [{ reference: './pool/x_1%252.deb', digest: sha256(A), size: 12 }],
  },
  {
    name: 'apt Sources',
    reader: aptSources,
    text: `Package: x\nFiles:\n ${'d'.repeat(32)} 3 x.dsc\nChecksums-Sha256:\n ${A} 12 x.dsc\n ${B} 13 x.tar.gz\nDirectory: pool/x\n\nPackage: y\nChecksums-Sha256:\n ${A} 1 y.dsc\n`,
    expected: [
      { reference: './pool/x/x.dsc', digest: sha256(A), size: 12 },
      { reference: './pool/x/x.tar.gz', digest: sha256(B), size: 13 },
    ],
  },
  {
    name: 'apt Release',
    reader: aptRelease,
    text: `-----BEGIN PGP SIGNED MESSAGE-----\n\nMD5Sum:\n ${'d'.repeat(32)} 1 main/no\nSHA256:\n ${A} 12 main/binary-all/Packages.gz\nAcquire-By-Hash: yes\n ${B} 1 no\n`,
    expected: [
      { reference: './main/binary-all/Packages.gz', digest: sha256(A), size: 12 },
      { reference: `./main/binary-all/by-hash/SHA256/${A}`, digest: sha256(A), size: 12 },
    ],
  },
]

for (const { name, reader, text, expected } of SAMPLES) {
  test(`${name} names its files with their digests, wherever it is cut`, () => {
    assert.deepEqual(mentionsIn(reader, text), expected)
    fc.assert(fc.property(CUTS, (cuts) => assert.deepEqual(mentionsIn(reader, text, cuts), expected)))
  })

  test(`${name} that is damaged names strong digests only, or is found unreadable`, () => {
    fc.assert(
      fc.property(fc.oneof(damaged(text), fc.string()), CUTS, (each, cuts) => {
        try {
          for (const { digest, reference, size = 0 } of mentionsIn(reader, each, cuts)) {
            assert.equal(digest.hex.length, digest.algorithm === 'sha-256' ? 64 : 128)
            assert.match(digest.hex, /^[0-9a-f]+$/)
            assert.ok(reference.length <= each.length * 3 + 128 && Number.isSafeInteger(size))
          }
        } catch (error) {
          assert.ok(error instanceof UnreadableIndex, String(error))
        }
      }),
    )
  })
}

/** Readers of JSON and XML, which show where they end. */
const SHOWING: readonly unknown[] = [npmPackument, pypiJson, rpmPrimary, rpmRepomd, metalink]

for (const { name, reader, text } of SAMPLES.filter((each) => SHOWING.includes(each.reader)))
  test(`${name} that is cut anywhere before its end is unreadable`, () => {
    const end = text.trimEnd().length
    for (let cut = 1; cut < end; cut += 1)
      assert.throws(() => mentionsIn(reader, text.slice(0, cut)), UnreadableIndex, `cut at ${cut} of ${end}`)
  })

test('a metalink with very many URLs is read up to the bound', () => {
  const urls = '<url>http://m.test/x</url>'.repeat(MAX_METALINK_URLS + 1)
  const text = `<metalink><file><hash type="sha-256">${A}</hash>${urls}</file></metalink>`
  assert.equal(mentionsIn(metalink, text).length, MAX_METALINK_URLS)
})

for (const [what, text] of [
  ['about another file', `${A}  y.iso`],
  ['with a short digest', A.slice(1)],
  ['with more than one line', `${A} x.iso\n${B} y.iso`],
  ['that is a page', '<html>not found</html>'],
  ['that does not end', 'x'.repeat(MAX_SIDE_FILE + 1)],
] as const)
  test(`a side file ${what} is unreadable`, () => {
    assert.throws(() => mentionsIn((emit) => sideFile(emit, 'x.iso', 'sha-256'), text), UnreadableIndex)
  })

for (const [dl, uri] of [
  ['http://c.test/{prefix}/{crate}-{version}.crate', 'http://c.test/Fo/oB/FooBar-1.0.0.crate'],
  ['http://c.test/{lowerprefix}/{sha256-checksum}', `http://c.test/fo/ob/${A}`],
  ['http://c.test', 'http://c.test/FooBar/1.0.0/download'],
] as const)
  test(`crates lie where the template says: ${dl}`, () => {
    const line = JSON.stringify({ name: 'FooBar', vers: '1.0.0', cksum: A })
    const [mention] = mentionsIn((emit) => cratesIndex(emit, dl), line)
    assert.equal(mention?.reference, uri)
  })

test('the template of a crates index is in its config.json', () => {
  assert.equal(downloadTemplate('{"dl":"http://c.test/dl","api":"http://c.test"}'), 'http://c.test/dl')
  assert.equal(downloadTemplate('{"api":{"dl":"no"}}'), undefined)
  assert.throws(() => downloadTemplate('{"dl"'), UnreadableIndex)
})
