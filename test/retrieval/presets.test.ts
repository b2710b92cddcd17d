import assert from 'node:assert/strict'
import test from 'node:test'
import { parseTargetUri } from '../../core/target-uri.ts'
import { PRESET_NAMES, PRESETS } from '../../retrieval/presets.ts'
import { compileRules } from '../../retrieval/rules.ts'

const hex = (digits: number) => '0123456789abcdef'.repeat(8).slice(0, digits)
const GUID = '0a1b2c3d-0123-4567-89ab-0123456789ab'

/** Path (with query) and the name of the rule that must be the first to match. */
const CASES: readonly (readonly [path: string, rule: string])[] = [
  ['/debian/dists/bookworm/InRelease', 'apt: indexes'],
  ['/debian/dists/bookworm/Release.gpg', 'apt: indexes'],
  ['/debian/dists/bookworm/main/binary-amd64/Packages.xz', 'apt: indexes'],
  [`/debian/dists/bookworm/main/binary-amd64/by-hash/SHA256/${hex(64)}`, 'apt: indexes by digest'],
  [`/debian/dists/bookworm/main/binary-amd64/by-hash/MD5Sum/${hex(32)}`, 'apt: indexes'],
  ['/debian/pool/main/g/gcc-12/g%2b%2b-12_12.2.0-14_amd64.deb', 'apt: packages'],
  ['/debian/pool/main/libs/libssl-dev_3.0.11-1~deb12u2_amd64.deb', 'apt: packages'],
  ['/pool/main/c/console-setup-udeb_1.221_all.udeb', 'apt: packages'],
  ['/linux/direct/google-chrome-stable_current_amd64.deb', 'archives: moving names'],
  ['/pool/main/tool_current_amd64.deb', 'archives: moving names'],
  ['/repo/Packages.gz', 'apt: indexes of flat repositories'],
  ['/repo/InRelease', 'apt: indexes of flat repositories'],

  ['/fedora/repodata/repomd.xml', 'rpm: metadata'],
  [`/fedora/repodata/${hex(64)}-primary.xml.gz`, 'rpm: metadata by digest'],
  ['/fedora/repodata/primary.xml.gz', 'rpm: metadata'],
  ['/fedora/Packages/k/kernel-6.5.6-300.fc39.x86_64.rpm', 'rpm: packages'],
  ['/fedora/Packages/j/java-latest-openjdk-21.0.1.0.12-3.rolling.fc39.x86_64.rpm', 'rpm: packages'],
  ['/epel/epel-release-latest-9.noarch.rpm', 'rpm: latest packages'],
  ['/pgdg-redhat-repo-latest.noarch.rpm', 'rpm: latest packages'],
  ['/free/el/rpmfusion-free-release-9.noarch.rpm', 'default'],

  ['/archlinux/core/os/x86_64/linux-6.6.1.arch1-1-x86_64.pkg.tar.zst', 'pacman: packages'],
  ['/archlinux/extra/os/x86_64/go-2:1.21.4-1-x86_64.pkg.tar.zst', 'pacman: packages'],
  [
    '/archlinux/core/os/x86_64/linux-6.6.1.arch1-1-x86_64.pkg.tar.zst.sig',
    'pacman: databases and signatures',
  ],
  ['/archlinux/core/os/x86_64/core.db', 'pacman: databases and signatures'],
  ['/archlinux/core/os/x86_64/core.db.tar.gz', 'pacman: databases and signatures'],

  ['/alpine/v3.18/main/x86_64/busybox-1.36.1-r5.apk', 'apk: packages'],
  ['/alpine/v3.18/main/x86_64/APKINDEX.tar.gz', 'apk: indexes'],
  ['/download/app-1.0-release.apk', 'default'],

  ['/left-pad/-/left-pad-1.3.0.tgz', 'npm: tarballs'],
  ['/@types/node/-/node-24.0.0.tgz', 'npm: tarballs'],
  ['/left-pad', 'default'],
  ['/left-pad/-/left-pad-latest.tgz', 'archives: moving names'],

  [`/packages/ab/cd/${hex(60)}/six-1.16.0-py2.py3-none-any.whl`, 'pypi: distributions'],
  [`/packages/ab/cd/${hex(60)}/six-1.16.0-py2.py3-none-any.whl.metadata`, 'pypi: side files'],
  ['/simple/six/', 'pypi: indexes'],

  [`/v2/library/debian/blobs/sha256:${hex(64)}`, 'oci: blobs and manifests by digest'],
  [`/v2/library/debian/manifests/sha256:${hex(64)}`, 'oci: blobs and manifests by digest'],
  ['/v2/library/debian/manifests/latest', 'oci: manifests by tag'],
  [`/v2/library/debian/blobs/sha256:${hex(63)}`, 'default'],

  [`/nar/${'0123456789abcdfghijklmnpqrsvwxyz'.repeat(2).slice(0, 52)}.nar.xz`, 'nix: archives'],
  ['/0123456789abcdfghijklmnpqrsvwxyz.narinfo', 'nix: descriptions'],

  ['/msdownload/update/v3/static/trustedr/en/authrootstl.cab', 'windows: trust lists'],
  ['/msdownload/update/v3/static/trustedr/en/AuthRootSTL.cab', 'windows: trust lists'],
  ['/msdownload/update/v3/static/trustedr/en/disallowedcertstl.cab?0123456789abcdef', 'windows: trust lists'],
  ['/elsewhere/pinrulesstl.cab', 'windows: trust lists'],
  [
    `/c/msdownload/update/software/secu/2023/11/windows10.0-kb5032189-x64_${hex(40)}.cab`,
    'windows: payloads',
  ],
  [`/d/upgr/2023/10/22621.2715_${hex(40)}.esd`, 'windows: payloads'],
  ['/v11/3/msdownload/update/selfupdate/wsus3setup.cab?2311', 'windows: catalogs and tools'],
  [`/Content/8F/${hex(40).toUpperCase()}.cab`, 'windows: payloads on a WSUS server'],
  [`/filestreamingservice/files/${GUID}?P1=1700000000&P2=404&P3=2&P4=abc`, 'windows: delivery files'],
  ['/pr/guid/Office/Data/16.0.16924.20150/stream.x64.x-none.dat', 'windows: Office builds'],
  ['/pr/guid/Office/Data/v64.cab', 'default'],

  ['/daily-27090.cdiff', 'clamav: differences'],
  ['/daily.cvd', 'clamav: databases'],
  ['/main.cld', 'clamav: databases'],

  [`/depot/731/chunk/${hex(40)}`, 'games: Steam chunks'],
  [`/depot/731/chunk/${hex(39)}`, 'default'],
  [`/tpr/wow/data/01/23/${hex(32)}`, 'games: Battle.net files'],
  [`/tpr/wow/data/01/23/${hex(32)}.index`, 'games: Battle.net files'],
  ['/channels/public/bundles/0123456789ABCDEF.bundle', 'games: Riot bundles'],
  [`/Builds/Fortnite/ChunksV4/42/0123456789ABCDEF_${hex(32).toUpperCase()}.chunk`, 'games: Epic chunks'],

  ['/myupdate.cab', 'updates: catalogues'],
  ['/site/MyUpdate.CAB', 'updates: catalogues'],
  ['/site/vsasap.200101131511.cab', 'updates: packages'],
  ['/site/VsASaP.200101131511.CAB', 'updates: packages'],
  ['/site/vsasap.cab', 'default'],

  ['/releases/node-v20.9.0-linux-x64.tar.xz', 'archives: full versions'],
  ['/vlc/3.0.20/vlc-3.0.20-win64.exe', 'archives: full versions'],
  ['/debian-cd/current/amd64/iso-cd/debian-12.2.0-amd64-netinst.iso', 'archives: full versions'],
  ['/gems/concurrent-ruby-1.2.2.gem', 'archives: full versions'],
  ['/flat/tool_1.2.3_amd64.deb', 'archives: full versions'],
  ['/releases/tool-1.2.tar.gz', 'default'],
  ['/releases/tool.tar.gz', 'default'],
  ['/releases/tool-latest-1.2.3.tar.gz', 'archives: moving names'],
  ['/releases/latest-1.2.3.tar.gz', 'archives: moving names'],
  ['/maven/tool/tool-1.2.3-SNAPSHOT.jar', 'archives: moving names'],
  ['/releases/tool-1.2.3-dev.zip', 'archives: moving names'],
  ['/group/tool/-/archive/v1.2.3/tool-v1.2.3.tar.gz', 'archives: made on demand or nightly'],
  ['/nightly/tool-1.2.3.zip', 'archives: made on demand or nightly'],
  ['/get/tool-1.2.3.zip?branch=main', 'archives: made by a program'],
  ['/', 'default'],
  ['/index.html', 'default'],
]

const rules = compileRules([], PRESET_NAMES)

for (const [path, expected] of CASES)
  test(`${path} falls under ${expected}`, () => {
    const uri = parseTargetUri(`http://mirror.example${path}`) ?? assert.fail(path)
    assert.equal(rules.policyFor(uri).rule, expected)
  })

test('every preset rule is what some path falls under', () => {
  const tried = new Set(CASES.map(([, rule]) => rule))
  assert.deepEqual(
    rules.all.map((each) => each.rule).filter((name) => !tried.has(name)),
    [],
  )
})

test('every preset has a name in the list, once', () => {
  assert.deepEqual(
    PRESETS.map((preset) => preset.name),
    [...PRESET_NAMES],
  )
})

test('no preset names a host, so any mirror is recognized', () => {
  for (const { rules: each } of PRESETS)
    for (const { match } of each) assert.doesNotMatch(match, /^[^/]*:?\/\//)
})

test('presets share only what never changes; trust lists and catalogues are not even stored', () => {
  const untouched = ['windows: trust lists', 'updates: catalogues']
  for (const rule of rules.all) {
    assert.equal(rule.share, rule.immutable, rule.rule)
    assert.equal(rule.store, !untouched.includes(rule.rule), rule.rule)
    // Every client of these names is an updater that verifies for itself (V5).
    assert.equal(rule.verify, rule.rule === 'updates: packages' ? 'updater' : 'auto', rule.rule)
  }
})
