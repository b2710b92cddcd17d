/**
 * `catalog.ini`: what there is, where, and how it is installed ([0054], "a script with instructions on how to check the
 * current version"). TUF's targets name its digest, and those of the packages.
 */
import { readIni, writeIni } from '../signing/ini.ts'
import { insist, Refused } from './refused.ts'
import { isComponentName, isStamp, isVersion } from './version.ts'

export const CATALOGUE = 'catalog.ini'
/** The signed cabinet that holds it. */
export const CATALOGUE_CABINET = 'myupdate.cab'

export interface Catalogue {
  readonly product: string
  /** Counts the releases; the same as the version of TUF's targets. */
  readonly number: number
  readonly released: string
  readonly packages: readonly CataloguePackage[]
}

export interface CataloguePackage {
  readonly component: string
  readonly version: string
  /** Relative to the catalogue, or absolute. */
  readonly url: string
  readonly size: number
  /** SHA-256 of the whole signed cabinet, lower-case hexadecimal. */
  readonly sha256: string
  /** The least version of the product with which it works. */
  readonly minProduct: string | undefined
  readonly install: Install
}

/** How a package is installed; `command`: the machine's own install command must be configured (R9.2). */
export type Install =
  | { readonly kind: 'unpack'; readonly into: string }
  | { readonly kind: 'command'; readonly into: string }

/** The name of the package's file: the last part of its URL. */
export function packageName({ url }: Pick<CataloguePackage, 'url'>): string {
  return url.slice(url.lastIndexOf('/') + 1)
}

export function writeCatalogue({ product, number, released, packages }: Catalogue): Buffer {
  return writeIni([
    ['catalog', { format: 1, product, number, released }],
    ...packages.map(
      ({ component, version, url, size, sha256, minProduct, install }) =>
        [
          component,
          {
            version,
            url,
            size,
            sha256,
            'min-product': minProduct,
            install: `${install.kind} ${install.into}`,
          },
        ] as const,
    ),
  ])
}

/** @throws Refusal, Refused malformed */
export function readCatalogue(bytes: Uint8Array): Catalogue {
  const [[name, head] = ['', undefined], ...packages] = [...readIni(bytes)]
  insist(name === 'catalog' && head?.get('format') === '1', 'malformed', 'a catalogue of another format')
  return {
    product: field(head, 'product', /^.{1,100}$/u),
    number: Number(field(head, 'number', /^[1-9]\d{0,8}$/)),
    released: checked(field(head, 'released'), isStamp, 'released'),
    packages: packages.map(([component, values]) => readPackage(component, values)),
  }
}

function readPackage(component: string, values: ReadonlyMap<string, string>): CataloguePackage {
  const minProduct = values.get('min-product')
  return {
    component: checked(component, isComponentName, 'component'),
    version: checked(field(values, 'version'), isVersion, 'version'),
    url: field(values, 'url', /^(?:https?:\/\/[!-~]{1,1900}|[A-Za-z0-9][A-Za-z0-9._-]{0,200})$/),
    size: Number(field(values, 'size', /^[1-9]\d{0,11}$/)),
    sha256: field(values, 'sha256', /^[0-9a-f]{64}$/),
    minProduct: minProduct === undefined ? undefined : checked(minProduct, isVersion, 'min-product'),
    install: readInstall(field(values, 'install')),
  }
}

/** @throws Refused malformed, unsafe-name */
export function readInstall(text: string): Install {
  const [, kind, into = ''] = /^(unpack|command) (\S{1,200})$/.exec(text) ?? []
  if (kind !== 'unpack' && kind !== 'command')
    throw new Refused('malformed', `an unknown install instruction: ${text}`)
  const isInside = into === '.' || into.split('/').every((part) => /^[A-Za-z0-9_][A-Za-z0-9._-]*$/.test(part))
  insist(isInside, 'unsafe-name', `an install instruction that leads elsewhere: ${into}`)
  return { kind, into }
}

function field(values: ReadonlyMap<string, string>, key: string, form = /^.{1,2000}$/u): string {
  const value = values.get(key)
  if (value !== undefined && form.test(value)) return value
  throw new Refused('malformed', `the catalogue says ${key}=${value ?? ''}, which is not what belongs there`)
}

function checked(value: string, isRight: (value: string) => boolean, what: string): string {
  insist(isRight(value), 'malformed', `the catalogue says ${what}=${value}, which is not what belongs there`)
  return value
}
