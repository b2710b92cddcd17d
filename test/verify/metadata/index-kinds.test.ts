import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseTargetUri, type TargetUri } from '../../../core/target-uri.ts'
import { findIndex } from '../../../verify/metadata/index-kinds.ts'

const HEX = 'a'.repeat(64)
const JSON_TYPE = 'application/json; charset=utf-8'

for (const [path, type, name, scope, isRelativeToRoot] of [
  ['/debian/dists/x/main/binary-amd64/Packages.gz', undefined, 'apt Packages', '/debian/', true],
  [`/debian/dists/x/main/binary-amd64/by-hash/SHA256/${HEX}`, undefined, 'apt Packages', '/debian/', true],
  ['/debian/dists/x/main/source/Sources.gz', undefined, 'apt Sources', '/debian/', true],
  ['/debian/dists/x/InRelease', undefined, 'apt Release', '/debian/dists/x/', true],
  ['/flat/Packages', undefined, 'apt Packages (flat)', '/flat/', true],
  [`/fedora/repodata/${HEX}-primary.xml.zst`, undefined, 'rpm-md primary', '/fedora/', true],
  [`/fedora/repodata/${HEX}-primary.xml.xz`, undefined, 'rpm-md primary', '/fedora/', true],
  ['/fedora/repodata/primary.xml.bz2', undefined, 'rpm-md primary', '/fedora/', true],
  ['/fedora/repodata/repomd.xml', 'text/xml', 'rpm-md', '/fedora/', true],
  ['/simple/x/', 'text/html', 'PyPI (HTML)', '/', false],
  ['/root/pypi/+simple/x/', 'application/vnd.pypi.simple.v1+json', 'PyPI (JSON)', '/root/pypi/', false],
  ['/maven/x/1.0/x-1.0.jar.sha256', 'text/plain', 'side file', '/maven/x/1.0/', false],
  ['/isos/x.meta4', undefined, 'Metalink', '/isos/', false],
  ['/index/se/rd/serde', 'text/plain', 'crates', '/', false],
  ['/index/3/f/foo', undefined, 'crates', '/', false],
  ['/lodash', 'application/vnd.npm.install-v1+json', 'npm', '/', false],
  ['/npm/@scope%2Fname', JSON_TYPE, 'npm', '/npm/', false],
  ['/npm/@scope/name', JSON_TYPE, 'npm', '/npm/', false],
] as const)
  test(`${path} (${type ?? 'no type'}) is ${name} and speaks for ${scope}`, () => {
    const uri = uriOf(path)
    const found = findIndex(uri, type)
    assert.equal(found?.kind.name, name)
    assert.equal(found?.scope, `http://x.test:81${scope}`)
    assert.equal(found?.base, isRelativeToRoot ? found?.scope : uri)
  })

for (const [path, type] of [
  ['/x_1.0_all.deb', undefined],
  ['/lodash', 'text/html'],
  ['/lodash?write=true', JSON_TYPE],
  ['/fedora/repodata/primary.xml.gz?x=1', undefined],
  ['/x.jar.sha1', undefined],
  ['/x.jar.md5', undefined],
  ['/simple/x', 'text/html'],
  ['/', JSON_TYPE],
] as const)
  test(`${path} (${type ?? 'no type'}) is no index`, () => {
    assert.equal(findIndex(uriOf(path), type), undefined)
  })

function uriOf(path: string): TargetUri {
  return parseTargetUri(`http://x.test:81${path}`) as TargetUri
}
