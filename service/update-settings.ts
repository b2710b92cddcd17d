/** What one item of `updates` can say: a product that the node keeps up to date (R9). */
import { setting } from './settings.ts'
import {
  boolean,
  componentName,
  duration,
  either,
  httpUrl,
  integer,
  listOf,
  oneOf,
  path,
  size,
  text,
  timeOfDay,
  word,
} from './setting-types.ts'

const HOUR_MS = 3_600_000
const words = listOf(word, 'words: a program and its arguments')

export const UPDATE_SETTINGS = {
  name: setting<string | undefined>({
    type: text,
    meaning: 'What logs and "ihave status" call the product.',
    reason: 'Without one, the catalogue’s URL.',
  }),
  catalog: setting<string | undefined>({
    type: httpUrl,
    meaning: 'Where the publisher’s myupdate.cab is.',
    reason: 'Required.',
  }),
  trust: setting<string | undefined>({
    type: path,
    meaning: 'The publisher’s publisher.pem, or any certificates in PEM.',
    reason: 'Required: nothing is installed that these do not lead to.',
  }),
  into: setting<string | undefined>({
    type: path,
    meaning: 'The folder in which the product is installed; applications use current/ in it.',
    reason: 'Required.',
  }),
  crl: setting<string | undefined>({
    type: path,
    meaning: 'A revocation list, in PEM or DER.',
    reason: 'Without one, certificates count until they expire.',
  }),
  components: setting<readonly string[] | undefined>({
    type: listOf(componentName, 'names of components'),
    meaning: 'Only these components of the product.',
    reason: 'Without it, all.',
  }),
  productVersion: setting<string | undefined>({
    type: text,
    meaning: 'The product’s version, where it was installed by other means.',
    reason: 'Packages can demand a least version of the product.',
  }),
  allowDowngrade: setting({
    type: boolean,
    default: false,
    meaning: 'Whether a component may become older where the publisher says so.',
    reason: 'An older version is what attackers want back.',
  }),
  installCommand: setting<readonly string[] | undefined>({
    type: words,
    meaning: 'Run in the new set’s folder after the switch, without a shell.',
    reason: 'Without it, unpacking is all.',
  }),
  checkCommand: setting<readonly string[] | undefined>({
    type: words,
    meaning: 'Likewise; says by its exit code whether the new set works. If not, the old one is put back.',
    reason: 'Only the product knows whether it works.',
  }),
  timeLimitMs: setting({
    type: duration(86_400_000),
    default: 60_000,
    meaning: 'How long each command may take.',
    reason: 'A command that hangs must not hold up updates for good.',
  }),
  leastRate: setting({
    type: either(oneOf('off'), size('1 kB')),
    default: 5_000,
    meaning:
      'Bytes that each download must bring in a second, a minute at a time; less is refused (too-slow).',
    reason: 'A byte now and then would hold up updates for days. Less for a line that is slower than that.',
  }),
  keep: setting({
    type: integer(0, 100),
    default: 2,
    meaning: 'Former sets that stay, for going back.',
    reason: 'One might be bad without anybody having noticed; two rarely are.',
  }),
  atBoot: setting({
    type: boolean,
    default: false,
    meaning: 'Whether to check as soon as the machine has started.',
    reason: 'Machines have better to do in their first minutes.',
  }),
  afterBootMs: setting({
    type: either(oneOf('off'), duration(24 * HOUR_MS)),
    default: 300_000,
    meaning: 'How long after the machine’s start to check.',
    reason: 'The patents’ figure (R9.3).',
  }),
  afterFailureMs: setting({
    type: duration(1000 * HOUR_MS),
    default: 6 * HOUR_MS,
    meaning: 'How long after an unsuccessful check to check again.',
    reason: 'The patents’ figure (R9.3).',
  }),
  afterSuccessMs: setting({
    type: duration(1000 * HOUR_MS),
    default: 12 * HOUR_MS,
    meaning: 'How long after a successful check to check again.',
    reason: 'The patents’ figure (R9.3).',
  }),
  dailyAt: setting({
    type: either(oneOf('off'), timeOfDay),
    default: 'off',
    meaning: 'A time of day, local, at which to check as well.',
    reason: 'off: the intervals are enough.',
  }),
  jitterMs: setting({
    type: duration(24 * HOUR_MS),
    default: 120_000,
    meaning: 'Checks are put off by up to this, each machine by its own.',
    reason:
      'Not all machines ask the publisher in the same second; more helps the publisher, less the hurry.',
  }),
}
