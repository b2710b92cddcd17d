/** The `updates` of `proxy.config.yaml` (R9): products that the node keeps up to date. */
import { excerpt, isNothing, readEntries, readGroup } from './config-schema.ts'
import type { Reading } from './config-schema.ts'
import type { Source } from './config-source.ts'
import type { ValuesOf } from './settings.ts'
import { UPDATE_SETTINGS } from './update-settings.ts'

type Values = ValuesOf<typeof UPDATE_SETTINGS>

/** What must be given is there. */
export type ProductConfig = Omit<Values, Given | 'name'> & { readonly [Key in Given | 'name']: string }

const REQUIRED = ['catalog', 'trust', 'into'] as const
type Given = (typeof REQUIRED)[number]

export function readUpdates(source: Source | undefined, reading: Reading): readonly ProductConfig[] {
  if (source === undefined || isNothing(source)) return []
  if (source.kind === 'list') {
    const products = source.items.map((item, at) => readProduct(item, `updates[${at}]`, reading))
    return distinct(products, source, reading)
  }
  reading.errors.push({
    ...source.place,
    key: 'updates',
    problem: `expected a list of products, got ${excerpt(source)}`,
  })
  return []
}

function readProduct(item: Source, path: string, reading: Reading): ProductConfig | undefined {
  const entries = readEntries(item, path, Object.keys(UPDATE_SETTINGS), reading)
  const values = readGroup(UPDATE_SETTINGS, path, entries, { ...reading, environment: {} })
  const { catalog, trust, into, ...rest } = values
  const absent = item.kind === 'mapping' || isNothing(item) ? REQUIRED.filter((key) => !entries.has(key)) : []
  for (const key of absent) {
    const { expected } = UPDATE_SETTINGS[key].type
    reading.errors.push({
      ...item.place,
      key: `${path}.${key}`,
      problem: `expected ${expected}, got nothing`,
    })
  }
  if (catalog === undefined || trust === undefined || into === undefined) return undefined
  return { ...rest, name: rest.name ?? catalog, catalog, trust, into }
}

/** Two products in one folder would replace each other. */
function distinct(
  products: readonly (ProductConfig | undefined)[],
  source: Extract<Source, { kind: 'list' }>,
  reading: Reading,
): readonly ProductConfig[] {
  return products.flatMap((product, at) => {
    if (product === undefined) return []
    const first = products.findIndex((each) => each?.into === product.into)
    const place = source.items[at]?.place ?? source.place
    if (first < at)
      reading.errors.push({
        ...place,
        key: `updates[${at}].into`,
        problem: `expected another folder than updates[${first}] has`,
      })
    return [product]
  })
}
