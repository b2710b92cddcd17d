/**
 * Rules for the well-known ecosystems (R6.3), by how their paths look, never by a host: mirrors have any name.
 *
 * `immutable` promises that the name never means other bytes, so each such pattern asks for what makes the promise
 * true: a digest, or a full version under a publishing rule that forbids replacing it. A name that fits only
 * loosely is left out: it is then validated at the origin server like any other, which costs a request, not a bug.
 */
import type { VerifyMode } from '../core/policy.ts'

/**
 * `immutable`: stored for good, asked for on the LAN and offered to it. `volatile`: stored and validated with the
 * origin server, never shared. `untouched`: not even stored.
 */
export type PresetTreatment = 'immutable' | 'volatile' | 'untouched'

interface PresetRule {
  /** What these files are. */
  readonly name: string
  /** A URL glob (glob-pattern.ts). */
  readonly match: string
  readonly treatment: PresetTreatment
  /** `auto` unless every client of these names verifies what it gets (V5). */
  readonly verify?: VerifyMode
  /** Whether a gateway gets them for members without Internet access although they are not shared: indexes of updates. */
  readonly gateway?: true
  /** Why the treatment is right. */
  readonly reason: string
}

export const PRESET_NAMES = [
  'apt',
  'rpm',
  'pacman',
  'apk',
  'npm',
  'pypi',
  'oci',
  'nix',
  'windows',
  'clamav',
  'games',
  'updates',
  'archives',
] as const
export type PresetName = (typeof PRESET_NAMES)[number]

export interface Preset {
  readonly name: PresetName
  readonly title: string
  /** The first match wins. */
  readonly rules: readonly PresetRule[]
}

const HEX = '[0-9a-f]'
const SHA256 = `${HEX}{64}`
const SHA512 = `${HEX}{128}`

const APT: Preset = {
  name: 'apt',
  title: 'apt and dpkg (Debian, Ubuntu and relatives)',
  rules: [
    {
      name: 'indexes by digest',
      match: `**/by-hash/{SHA256/${SHA256},SHA512/${SHA512}}`,
      treatment: 'immutable',
      reason: 'the name is the digest',
    },
    {
      name: 'packages',
      match: '**/pool/**/*_[0-9]*_*.{deb,udeb,ddeb}',
      treatment: 'immutable',
      reason:
        'package, version and architecture are in the name, and archives refuse a second upload of a version',
    },
    {
      name: 'indexes',
      match: '**/dists/**',
      treatment: 'volatile',
      gateway: true,
      reason: 'Release files and indexes change with every publication under the same name',
    },
    {
      name: 'indexes of flat repositories',
      match: '**/{InRelease,Release,Release.gpg,{Packages,Sources}{,.gz,.bz2,.xz,.lzma,.zst}}',
      treatment: 'volatile',
      gateway: true,
      reason: 'as above, for repositories without dists/',
    },
  ],
}

const RPM: Preset = {
  name: 'rpm',
  title: 'dnf, yum and zypper (Fedora, Red Hat, SUSE and relatives)',
  rules: [
    {
      name: 'metadata by digest',
      match: `**/repodata/{${SHA256},${SHA512}}-*`,
      treatment: 'immutable',
      reason: 'the name begins with the digest',
    },
    {
      name: 'metadata',
      match: '**/repodata/**',
      treatment: 'volatile',
      gateway: true,
      reason: 'repomd.xml, its signature and metadata without a digest change under the same name',
    },
    {
      name: 'latest packages',
      match: '**/*-latest{.,-[0-9]}*.rpm',
      treatment: 'volatile',
      gateway: true,
      reason:
        '"latest" in the place of the version (epel-release-latest-9.noarch.rpm) is replaced again and again',
    },
    {
      name: 'packages',
      match: '**/*-[0-9]*-[0-9]*.*.{rpm,drpm}',
      treatment: 'immutable',
      reason:
        'name, version, release and architecture identify one build; a name without both numbers does not match',
    },
  ],
}

const PACMAN: Preset = {
  name: 'pacman',
  title: 'pacman (Arch and relatives)',
  rules: [
    {
      name: 'packages',
      match: '**/*-*[0-9]*-[0-9]*-*.pkg.tar.{zst,xz}',
      treatment: 'immutable',
      reason: 'name, version, release and architecture identify one build',
    },
    {
      name: 'databases and signatures',
      match: '**/*.{db,files,db.tar.*,files.tar.*,{db,files,pkg.tar.zst,pkg.tar.xz}.sig}',
      treatment: 'volatile',
      gateway: true,
      reason: 'databases change under the same name; a package may be signed anew',
    },
  ],
}

const APK: Preset = {
  name: 'apk',
  title: 'apk (Alpine)',
  rules: [
    {
      name: 'packages',
      match: '**/*-[0-9]*-r[0-9]*.apk',
      treatment: 'immutable',
      reason:
        'version and release (-r0) identify one build; an application for Android carries no such release',
    },
    {
      name: 'indexes',
      match: '**/APKINDEX.tar.gz',
      treatment: 'volatile',
      gateway: true,
      reason: 'changes under the same name',
    },
  ],
}

const NPM: Preset = {
  name: 'npm',
  title: 'npm, yarn and pnpm',
  rules: [
    {
      name: 'tarballs',
      match: '**/-/*-[0-9]*.[0-9]*.[0-9]*.tgz',
      treatment: 'immutable',
      reason: 'registries refuse to publish a version twice',
    },
  ],
}

const PYPI: Preset = {
  name: 'pypi',
  title: 'pip and relatives',
  rules: [
    {
      name: 'side files',
      match: `**/packages/${HEX}{2}/${HEX}{2}/${HEX}{60}/*.{metadata,asc,provenance}`,
      treatment: 'volatile',
      gateway: true,
      reason: 'the digest in the path is the distribution’s, not theirs',
    },
    {
      name: 'distributions',
      match: `**/packages/${HEX}{2}/${HEX}{2}/${HEX}{60}/*`,
      treatment: 'immutable',
      reason: 'the path is the digest (BLAKE2b, 32 bytes)',
    },
    {
      name: 'indexes',
      match: '**/simple/*/',
      treatment: 'volatile',
      gateway: true,
      reason: 'a project’s list of files grows',
    },
  ],
}

const OCI: Preset = {
  name: 'oci',
  title: 'container images (OCI distribution)',
  rules: [
    {
      name: 'blobs and manifests by digest',
      match: `/v2/**/{blobs,manifests}/{sha256:${SHA256},sha512:${SHA512}}`,
      treatment: 'immutable',
      reason: 'the name is the digest; answers to requests with Authorization are still never shared (V§3)',
    },
    {
      name: 'manifests by tag',
      match: '/v2/**/manifests/*',
      treatment: 'volatile',
      reason: 'a tag moves',
    },
  ],
}

const NIX: Preset = {
  name: 'nix',
  title: 'Nix binary caches',
  rules: [
    {
      name: 'archives',
      match: '**/nar/[0-9a-df-np-sv-z]{52}.nar{,.xz,.zst,.bz2}',
      treatment: 'immutable',
      reason: 'the name is the SHA-256 of the file in base 32',
    },
    {
      name: 'descriptions',
      match: '**/*.narinfo',
      treatment: 'volatile',
      gateway: true,
      reason: 'signatures and the choice of compression change',
    },
  ],
}

const WINDOWS: Preset = {
  name: 'windows',
  title: 'Windows Update, WSUS, Microsoft Store and Office',
  rules: [
    {
      name: 'trust lists',
      match: '**/{update/v3/static/trustedr/**,{authroot,pinrules,disallowedcert}*}',
      treatment: 'untouched',
      reason: 'lists of trusted and revoked certificates: an old one is a security hole',
    },
    {
      name: 'payloads',
      match: `**/*_${HEX}{40}.{appx,appxbundle,cab,cat,dll,esd,exe,msi,msix,msixbundle,msp,msu,psf,txt,wim,xml,zip}`,
      treatment: 'immutable',
      reason: 'the name ends in the SHA-1 of the file, which is proof of identity here, not of integrity',
    },
    {
      name: 'payloads on a WSUS server',
      match: '**/Content/[0-9A-F]{2}/[0-9A-F]{40}.{cab,esd,exe,msi,msp,msu,psf,txt,wim}',
      treatment: 'immutable',
      reason: 'the name is the SHA-1 of the file',
    },
    {
      name: 'delivery files',
      match: '/filestreamingservice/files/[0-9a-fA-F-]{36}{,/pieceshash}',
      treatment: 'immutable',
      reason: 'one GUID names one file; what follows in the query is a permit, not part of the name',
    },
    {
      name: 'Office builds',
      match: '**/{Office,office}/{Data,data}/[0-9]*.[0-9]*.[0-9]*.[0-9]*/**',
      treatment: 'immutable',
      reason: 'the directory is the full build number',
    },
    {
      name: 'catalogs and tools',
      match: '**/msdownload/update/**',
      treatment: 'volatile',
      gateway: true,
      reason: 'names without a digest (redirections, self-updates) are replaced in place',
    },
  ],
}

const CLAMAV: Preset = {
  name: 'clamav',
  title: 'ClamAV virus definitions',
  rules: [
    {
      name: 'differences',
      match: '**/*-[0-9]*.cdiff',
      treatment: 'immutable',
      reason: 'the number names the step from one version to the next',
    },
    {
      name: 'databases',
      match: '**/*.{cvd,cld}',
      treatment: 'volatile',
      gateway: true,
      reason: 'replaced several times a day under the same name',
    },
  ],
}

const GAMES: Preset = {
  name: 'games',
  title: 'game launchers',
  rules: [
    {
      name: 'Steam chunks',
      match: `/depot/[0-9]*/chunk/${HEX}{40}`,
      treatment: 'immutable',
      reason: 'the name is the SHA-1 of the content',
    },
    {
      name: 'Battle.net files',
      match: `/tpr/**/{config,data,patch}/${HEX}{2}/${HEX}{2}/${HEX}{32}{,.index}`,
      treatment: 'immutable',
      reason: 'the name is the digest of the content or of its index',
    },
    {
      name: 'Riot bundles',
      match: '**/channels/public/{bundles/[0-9A-F]{16}.bundle,releases/[0-9A-F]{16}.manifest}',
      treatment: 'immutable',
      reason: 'the name is the identifier that a signed manifest gives to this content',
    },
    {
      name: 'Epic chunks',
      match: '**/ChunksV[0-9]/[0-9]{2}/[0-9A-F]{16}_[0-9A-F]{32}.chunk',
      treatment: 'immutable',
      reason: 'the name is the digest and GUID of the content',
    },
  ],
}

const UPDATES: Preset = {
  name: 'updates',
  title: 'products that are published with ihave (docs/updates.md)',
  rules: [
    {
      name: 'catalogues',
      match: '**/[Mm]y[Uu]pdate.{cab,CAB}',
      treatment: 'untouched',
      gateway: true,
      reason: 'an old catalogue hides updates: it comes from the origin server each time, never from a peer',
    },
    {
      name: 'packages',
      match: '**/[A-Za-z0-9]*.[0-9]{12}.{cab,CAB}',
      treatment: 'immutable',
      verify: 'updater',
      reason:
        'the name ends in the minute of release, and no name is used twice; updaters check signature, name, version and digest',
    },
  ],
}

const ARCHIVE_SUFFIXES =
  '{tar.{gz,bz2,xz,zst,lz},tgz,txz,zip,7z,deb,msi,msix,msixbundle,appx,appxbundle,exe,dmg,pkg,iso,' +
  'jar,aar,gem,crate,whl,nupkg,AppImage,snap,flatpak}'

const ARCHIVES: Preset = {
  name: 'archives',
  title: 'any archive or installer with its full version in the name',
  rules: [
    {
      name: 'made on demand or nightly',
      match: `**/{archive,snapshot,tarball,zipball,snapshots,nightly,nightlies,daily,weekly,staging}/**.${ARCHIVE_SUFFIXES}`,
      treatment: 'volatile',
      reason: 'packed anew, from tags that can move or from each night’s sources',
    },
    {
      name: 'made by a program',
      match: `**/*.${ARCHIVE_SUFFIXES}[?]**`,
      treatment: 'volatile',
      reason: 'a query can change what the name means',
    },
    {
      name: 'moving names',
      match: `**/{,*[-_.]}{[Ll]atest,LATEST,current,nightly,daily,snapshot,SNAPSHOT,rolling,{dev,devel,git,head,HEAD,main,master,trunk,edge}.}*${ARCHIVE_SUFFIXES}`,
      treatment: 'volatile',
      reason: 'the word says that the file is replaced in place, whatever numbers stand beside it',
    },
    {
      name: 'full versions',
      match: `**/*[-_]{,v,V}[0-9]*.[0-9]*.[0-9]*.${ARCHIVE_SUFFIXES}`,
      treatment: 'immutable',
      reason: 'major, minor and patch number name one release; names with fewer numbers are often a series',
    },
  ],
}

/** In the order in which their rules are tried; `archives` last, for it is the most general. */
export const PRESETS: readonly Preset[] = [
  APT,
  RPM,
  PACMAN,
  APK,
  NPM,
  PYPI,
  OCI,
  NIX,
  WINDOWS,
  CLAMAV,
  GAMES,
  UPDATES,
  ARCHIVES,
]
