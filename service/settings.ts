/**
 * The one table of settings (R12.1). The schema of `proxy.config.yaml`, the environment names, the `--help` text and
 * docs/configuration.md all come from it.
 */
import { VERIFY_MODES, type Policy } from '../core/policy.ts'
import { PRESET_NAMES } from '../retrieval/presets.ts'
import type { PresetName } from '../retrieval/presets.ts'
import { WEIGHTS } from '../providers/criteria.ts'
import {
  boolean,
  duration,
  either,
  functionPlace,
  httpUrl,
  integer,
  ipv4Address,
  listenAddress,
  loopbackAddress,
  listOf,
  network,
  oneOf,
  path,
  port,
  signaturePlace,
  size,
  text,
  urlGlob,
  weight,
} from './setting-types.ts'
import type { SettingType } from './setting-types.ts'

export interface Setting<T> {
  readonly type: SettingType<T>
  /** As one would write it; absent where the setting must be given, or where none means `undefined`. */
  readonly default?: string | number | boolean
  /** What it says, in one sentence. */
  readonly meaning: string
  /** Why the default is what it is, or what another value costs. */
  readonly reason: string
}

/** Keeps `T`, which an annotation would lose. */
export function setting<T>(definition: Setting<T>): Setting<T> {
  return definition
}

const auto = oneOf('auto')
const none = oneOf('none')
const autoOrOff = oneOf('auto', 'off')

const proxy = {
  listen: setting({
    type: listenAddress,
    default: '127.0.0.1:3128',
    meaning: 'Where the forward proxy listens; port 0 lets the system choose.',
    reason:
      'Loopback keeps the proxy from serving strangers (R1.5); 3128 is where such proxies customarily listen.',
  }),
  allowPorts: setting({
    type: either(auto, listOf(port(1), 'ports')),
    default: 'auto',
    meaning: 'Ports of origin servers that the proxy connects to.',
    reason:
      'auto: any port while the proxy listens on loopback only, else 80 and 443, so that it is no open relay (V§4).',
  }),
  stopGraceMs: setting({
    type: duration(600_000),
    default: 10_000,
    meaning: 'How long running transfers may go on when the node is told to stop.',
    reason: 'Most packages end within it, and service managers wait longer than that before they kill.',
  }),
}

const peering = {
  enabled: setting({
    type: boolean,
    default: true,
    meaning: 'Whether the node takes part in peering at all; without it, it is a caching proxy.',
    reason: 'Sharing is what the node is for.',
  }),
  serve: setting({
    type: boolean,
    default: true,
    meaning: 'Whether the node is a peering server: answers "I need" and offers its copies.',
    reason: 'Every node is client and server at once (R1.1).',
  }),
  ask: setting({
    type: boolean,
    default: true,
    meaning: 'Whether the node is a peering client: asks the LAN before the Internet.',
    reason: 'Every node is client and server at once (R1.1).',
  }),
  address: setting({
    type: either(auto, ipv4Address),
    default: 'auto',
    meaning: 'The address by which peers reach this node.',
    reason:
      'auto: that of the first interface to a LAN, also when it comes later or is replaced; one to containers or virtual machines only where there is no other. Give it where a machine has several, or runs several nodes (R1.2); while the machine has it not, the node waits for it.',
  }),
  broadcast: setting({
    type: either(auto, ipv4Address),
    default: 'auto',
    meaning: 'Where service packets for all peers go.',
    reason: 'auto: the broadcast address of the subnet that peering.address is in.',
  }),
  packetPort: setting({
    type: port(1),
    default: 1967,
    meaning: 'UDP port of service packets; the same on every node of a LAN.',
    reason: 'The patents’ service port (R1.2). Not 0: a broadcast needs a port that all know.',
  }),
  filePort: setting({
    type: port(0),
    default: 6515,
    meaning: 'TCP port from which peers fetch files; port 0 lets the system choose.',
    reason: 'The patents’ file port (R1.2).',
  }),
  maxDelayMs: setting({
    type: either(auto, duration(60_000)),
    default: 'auto',
    meaning:
      'The delay response period: a peer that has the resource answers after a random delay of up to this.',
    reason:
      'The patents say 2000; auto fits it to the number of live peers and their round-trip times. Less answers sooner, more spreads the answers.',
  }),
  transmissionMs: setting({
    type: duration(60_000),
    default: 200,
    meaning: 'Time for an answer to travel, added to the delay response period.',
    reason: 'The patents’ figure; far above any LAN’s round trip.',
  }),
  waitForDownloads: setting({
    type: boolean,
    default: true,
    meaning: 'Whether a request may wait for a peer’s running download, unless its rule says otherwise.',
    reason:
      'One download for the whole LAN is worth the wait (patent A, FIG. 4B); the bytes stream while it runs.',
  }),
  maxReaders: setting({
    type: integer(1, 100),
    default: 3,
    meaning:
      'Peers that read one file from this node at the same time; who comes later is sent on to them, because each passes on what it receives.',
    reason:
      'A crowd becomes a tree: no node sends more than a few copies, and three more hops reach forty nodes.',
  }),
  maxUploads: setting({
    type: integer(1, 1000),
    default: 16,
    meaning:
      'Files that the node sends to peers at the same time; at the limit it stays silent, unless places become free all the time.',
    reason: 'Leaves the machine usable by the one who sits at it (R3.5).',
  }),
  maxUploadRate: setting({
    type: either(oneOf('off'), size('1 kB')),
    default: 'off',
    meaning: 'Bytes that the node sends to peers in a second, all files together.',
    reason: 'off: as fast as the network. On radio links, a limit leaves the air to others.',
  }),
  allowedNetworks: setting({
    type: either(auto, listOf(network, 'networks such as 192.168.0.0/16')),
    default: 'auto',
    meaning: 'Networks whose nodes count as peers.',
    reason: 'auto: the node’s own subnets only (R1.5).',
  }),
}

const cache = {
  directory: setting({
    type: path,
    default: './cache-data',
    meaning: 'Where stored responses lie; relative to the configuration file.',
    reason: 'Next to the configuration, so that a trial leaves nothing elsewhere.',
  }),
  maxSize: setting({
    type: size('1 MB'),
    default: '20 GB',
    meaning: 'Bytes that bodies may take on the disk; what was used least recently goes first.',
    reason: 'Holds some months of updates of one system.',
  }),
  maxObjectSize: setting({
    type: size('1 kB'),
    default: '10 GB',
    meaning: 'The largest body that is stored; never more than cache.maxSize.',
    reason: 'System images fit, and one of them cannot evict everything else.',
  }),
  memory: setting({
    type: size('0 B'),
    default: '64 MB',
    meaning: 'Bytes of bodies that stay in memory; a body larger than half of it does not.',
    reason:
      'Holds what many machines fetch at the same time. More serves large files that are asked for again at a third of the cost.',
  }),
  reserve: setting({
    type: size('0 B'),
    default: '1 GB',
    meaning: 'Free space on the disk that the cache leaves to others.',
    reason: 'A full disk hurts more than a cache miss.',
  }),
}

const verification = {
  aptConfig: setting({
    type: either(autoOrOff, path),
    default: 'auto',
    meaning:
      'The apt.conf (APT_CONFIG) with which the node reads apt’s signed lists, for their digests (V2).',
    reason: 'auto: the system’s own where there is an apt.',
  }),
  gather: setting({
    type: boolean,
    default: true,
    meaning:
      'Whether digests are gathered from indexes that come from origin servers through this node (V2): npm, PyPI, rpm, apt, crates, Metalink, side files.',
    reason: 'They prove what peers send without a request; reading them costs no request either.',
  }),
  maxDigests: setting({
    type: integer(1_000, 5_000_000),
    default: 500_000,
    meaning: 'Gathered digests that are kept on the disk; the index that was read first makes room.',
    reason: 'About 60 MB: some large distributions at once.',
  }),
  askOrigin: setting({
    type: boolean,
    default: true,
    meaning:
      'Whether the origin server is asked for a digest, by HEAD, when a peer has a file that nothing else proves (V3).',
    reason: 'About 1 kB in place of the file; servers that publish none are soon left alone.',
  }),
  signers: setting({
    type: either(none, listOf(path, 'paths')),
    default: 'none',
    meaning:
      'Files of certificates in PEM: whose signature proves a peer’s copy, where a rule says where the signature is and names no signers (R8.2).',
    reason: 'None: which publishers to believe is for the owner of the machine to say.',
  }),
  revocations: setting({
    type: either(none, listOf(path, 'paths')),
    default: 'none',
    meaning: 'Revocation lists of these signers, in PEM or DER, for all rules.',
    reason:
      'Without them certificates count until they expire. A list that is out of date makes its issuer’s certificates count no more.',
  }),
  verifyFirstUpTo: setting({
    type: size('0 B'),
    default: '64 MiB',
    meaning:
      'A peer’s complete copy of up to this size is verified before its first byte is released, where it comes within two seconds.',
    reason:
      'A failure is then invisible; larger and slower copies stream with their last block held back (V§2).',
  }),
}

const site = {
  directory: setting({
    type: path,
    default: './site-data',
    meaning: 'Where the keys and passes of a site lie, once this machine belongs to one.',
    reason: 'Not in the cache, which may be thrown away. Only its owner can read it.',
  }),
  clearQuestions: setting({
    type: boolean,
    default: false,
    meaning:
      'Whether a member of a site names URLs to the LAN in clear, and not by a hash that only members can tell.',
    reason:
      'Nobody else need know which machine lacks which patch (V§4). true where strangers, or nodes of the patents, are to answer members.',
  }),
  attest: setting({
    type: boolean,
    default: true,
    meaning:
      'Whether a member vouches for what it fetched from origin servers, and takes what other members vouch for (V4).',
    reason:
      'Files that nothing else proves are then shared too; nothing happens before a machine has joined a site.',
  }),
  quorum: setting({
    type: integer(1, 3),
    default: 1,
    meaning: 'Members that must vouch for the same bytes before they count.',
    reason: '2 stops a single machine that was broken into; the file then comes over the Internet twice.',
  }),
}

const functions = {
  enabled: setting({
    type: boolean,
    default: true,
    meaning:
      'Whether the node takes part in elections, remembers who performs which function, and tells others.',
    reason: 'A packet in five seconds from each provider, and nothing while there is none.',
  }),
  offers: setting({
    type: either(
      none,
      listOf(functionPlace, 'functions with their places, such as print=http://192.168.1.7:8080/'),
    ),
    default: 'none',
    meaning:
      'Functions that something on this machine can perform, and where: the node stands for them in elections.',
    reason: 'Programs that use the library offer theirs by themselves.',
  }),
  providers: setting({
    type: either(
      none,
      listOf(functionPlace, 'functions with their places, such as print=http://192.168.1.7:8080/'),
    ),
    default: 'none',
    meaning: 'Providers that are designated here, whoever is elected.',
    reason: 'For a machine that is meant to do it. While it does not answer, the elected one is taken.',
  }),
  preference: setting({
    type: integer(0, 100),
    default: 50,
    meaning: 'How much this machine is wanted as a provider.',
    reason: '100 for a server in a rack, 0 for a laptop.',
  }),
  weights: setting({
    type: either(
      auto,
      listOf(weight(Object.keys(WEIGHTS)), 'criteria with what they count, such as wired=20'),
    ),
    default: 'auto',
    meaning: 'What each criterion counts when this machine is valued; one that is not named does not count.',
    reason: `auto: ${Object.entries(WEIGHTS)
      .map(([name, counts]) => `${name}=${counts}`)
      .join(', ')}. The same on all machines of a LAN.`,
  }),
  maxDelayMs: setting({
    type: either(auto, duration(2000)),
    default: 'auto',
    meaning: 'The response delay period of elections and discovery.',
    reason:
      'auto: 50 to 400, by the number of live peers. More spreads the answers of a large LAN, less decides sooner.',
  }),
}

const gateway = {
  offer: setting({
    type: boolean,
    default: true,
    meaning:
      'Whether this machine gets updates from the Internet for members of its site that have no access (docs/gateway.md).',
    reason:
      'Only members may ask, and only for what the rules here call updates. Nothing happens before a machine has joined a site.',
  }),
  requestsPerMinute: setting({
    type: integer(1, 100_000),
    default: 1200,
    meaning:
      'Requests that one member may make of this gateway in a minute; all together four times as many.',
    reason: 'An installation asks for some hundred files in a few seconds.',
  }),
  bytesPerHour: setting({
    type: size('1 MB'),
    default: '20 GB',
    meaning: 'Bytes that one member may have of this gateway in an hour; all together four times as many.',
    reason: 'A system image fits.',
  }),
  atOnce: setting({
    type: integer(1, 1000),
    default: 32,
    meaning: 'Requests of one member that are answered at the same time; of all together four times as many.',
    reason: 'Package managers ask for up to 16 files at once.',
  }),
}

const checks = {
  offer: setting({
    type: boolean,
    default: true,
    meaning:
      'Whether this machine, when it is elected, checks catalogues and indexes of updates on behalf of its site (docs/gateway.md).',
    reason: 'One machine that asks often is enough; the others hear of news, and fetch and verify as always.',
  }),
  everyMs: setting({
    type: duration(86_400_000, 1000),
    default: 900_000,
    meaning: 'How often each of them is checked, give or take a tenth.',
    reason: 'A question to the origin server in a quarter of an hour, for all machines of the site together.',
  }),
  urls: setting({
    type: either(oneOf('none'), listOf(httpUrl, 'URLs')),
    default: 'none',
    meaning: 'Catalogues and indexes that are checked besides those that machines of the site use.',
    reason: 'Those that machines use are known without it.',
  }),
}

const log = {
  level: setting({
    type: oneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'),
    default: 'info',
    meaning: 'The least level that is logged.',
    reason: 'info is one line per request.',
  }),
  file: setting({
    type: either(oneOf('off'), path),
    default: 'off',
    meaning:
      'A file for the log. A SIGHUP begins it anew, as logrotate(8) wants after it has renamed it; without a file it stops the node, as the end of its terminal does.',
    reason: 'off: standard output, where service managers look for it.',
  }),
  pretty: setting({
    type: oneOf('auto', true, false),
    default: 'auto',
    meaning: 'Whether log lines are written for people rather than as JSON.',
    reason: 'auto: on a terminal.',
  }),
}

const control = {
  socket: setting({
    type: either(auto, path),
    default: 'auto',
    meaning: 'The Unix socket of the control API, for the command line.',
    reason:
      'auto: control.sock in the cache directory, or in the system’s directory for temporary files where that path has more than 100 bytes. File permissions are its access control (V§4).',
  }),
  listen: setting({
    type: either(oneOf('off'), loopbackAddress),
    default: 'off',
    meaning: 'A port on loopback for the control API as well; port 0 lets the system choose.',
    reason:
      'For programs that cannot use a Unix socket. Everybody on the machine can connect there, so that a token is needed (V§4).',
  }),
  token: setting({
    type: either(auto, path),
    default: 'auto',
    meaning:
      'The file to which the token for control.listen is written at each start, for the node’s user alone; not over a file that is something else.',
    reason: 'auto: control.token in the cache directory.',
  }),
}

/** Section by section, as in the file. */
export const SETTINGS = {
  proxy,
  peering,
  cache,
  verification,
  site,
  functions,
  gateway,
  checks,
  log,
  control,
}

const presetList = listOf(oneOf(...PRESET_NAMES), `presets (${PRESET_NAMES.join(', ')})`)

/** Settings beside the sections. */
export const PRESETS_SETTING = setting<boolean | readonly PresetName[]>({
  type: either(boolean, presetList),
  default: true,
  meaning: 'Which presets apply after the rules: all, none, or those named.',
  reason: 'Unmodified updaters gain at once; presets name only what is safe to share.',
})

/** What one item of `rules` can say. */
export const RULE_SETTINGS = {
  match: setting({
    type: urlGlob,
    meaning: 'The URLs that the rule is about.',
    reason: 'Required.',
  }),
  name: setting<string | undefined>({
    type: text,
    meaning: 'What logs and explanations call the rule.',
    reason: 'Without one, its pattern.',
  }),
  share: setting({
    type: boolean,
    default: false,
    meaning: 'Whether the URL may be named to the LAN, and the copy offered to it.',
    reason: 'What machines fetch is private unless a rule says that it is not (R6.3).',
  }),
  immutable: setting({
    type: boolean,
    default: false,
    meaning: 'Whether this name always means the same bytes, so that a copy never needs validation.',
    reason: 'Wrong for a name that can change: it would stay old for good.',
  }),
  store: setting({
    type: boolean,
    default: true,
    meaning: 'Whether responses may be stored at all.',
    reason: 'HTTP’s own rules (RFC 9111) still apply.',
  }),
  verify: setting({
    type: oneOf(...VERIFY_MODES),
    default: 'auto',
    meaning:
      'How a copy from a peer is verified: by the ladder (auto), by the updater itself (updater), by the ladder without MD5 (strict).',
    reason: 'updater only where every client of these URLs verifies signatures, as apt and pacman do (V5).',
  }),
  gateway: setting<boolean | undefined>({
    type: boolean,
    meaning:
      'Whether a gateway of the site gets the URL for members whose machines cannot reach the Internet (docs/gateway.md).',
    reason: 'Without one, what is shared. Indexes and catalogues are not shared, and needed there too.',
  }),
  speaksFor: setting<readonly string[] | undefined>({
    type: listOf(urlGlob, 'URL globs'),
    meaning:
      'Files elsewhere of which an index with such a URL gives the digests, as a mirror’s index does of files on another host.',
    reason:
      'Without one, an index speaks for files below its own root only: no page on the web may vouch for another server’s files.',
  }),
  signers: setting<readonly string[] | undefined>({
    type: listOf(path, 'paths'),
    meaning:
      'Files of certificates in PEM: whose signature proves a peer’s copy of these files (docs/verification.md).',
    reason: 'Without them, those of verification.signers, if the rule says where the signature is.',
  }),
  signature: setting<Policy['signature'] | undefined>({
    type: signaturePlace,
    meaning:
      'Where the signature is: in the file (a cabinet or a program), or beside it, at its URL with this at the end.',
    reason: 'Without it, in the file where the rule names signers, and nowhere else.',
  }),
  waitForDownloads: setting<boolean | undefined>({
    type: boolean,
    meaning: 'Whether a request may wait for a peer’s running download.',
    reason: 'Without one, peering.waitForDownloads decides.',
  }),
}

/** Every setting that the environment can give, dotted: `peering.packetPort`. Rules are too long for it. */
export const SETTING_KEYS: readonly string[] = [
  ...Object.entries(SETTINGS).flatMap(([section, settings]) =>
    Object.keys(settings).map((key) => `${section}.${key}`),
  ),
  'presets',
]

/** The values of a group of settings. */
export type ValuesOf<Settings> = {
  readonly [Key in keyof Settings]: Settings[Key] extends Setting<infer Value> ? Value : never
}

/** `IHAVE_PEERING_PACKET_PORT` for `peering.packetPort`: the environment variable that overrides the file. */
export function environmentName(key: string): string {
  return `IHAVE_${key.replaceAll('.', '_').replace(/[A-Z]/g, '_$&').toUpperCase()}`
}
