/** `ihave publish add`: the files of one component, for the next release. */
import { parseArgs } from '../core/node-util.ts'
import { Fault } from '../core/fault.ts'
import { JSON_OPTION, type Command, type Options } from './command.ts'
import { EXIT } from './exit.ts'
import { KEYS_OPTION, keysFrom } from './publish-options.ts'

const OPTIONS = {
  ...KEYS_OPTION,
  component: {
    type: 'string',
    value: 'NAME',
    meaning: 'what the files are: it becomes part of the package’s name',
  },
  version: { type: 'string', value: 'N', meaning: 'its version, such as 4.5.1' },
  'min-product': {
    type: 'string',
    value: 'N',
    meaning: 'the least version of the product that it works with',
  },
  install: {
    type: 'string',
    value: 'unpack|command',
    meaning:
      'whether unpacking is all, or updaters must have an install command (if nothing is said, unpack)',
  },
  to: {
    type: 'string',
    value: 'FOLDER',
    meaning:
      'where it lies below the installation; "." for its top (if nothing is said, a folder named as the component)',
  },
  ...JSON_OPTION,
} as const satisfies Options

export const publishAdd: Command = {
  operands: 'SITE FILE...',
  about: 'puts the files of a component aside for the next release',
  details: `A FILE that is a folder is taken with all that is in it. Adding a component again replaces what was put aside.`,
  options: OPTIONS,
  run,
}

async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true })
  const [site, ...paths] = positionals
  const { component, version, install = 'unpack' } = values
  if (site === undefined) throw new Fault('BAD_REQUEST', 'expected the folder: SITE')
  if (component === undefined || version === undefined)
    throw new Fault('BAD_REQUEST', 'expected --component NAME and --version N')
  const [{ addComponent }, { readInstall }] = await Promise.all([
    import('../update/publisher/add.ts'),
    import('../update/catalogue.ts'),
  ])
  const how = readInstall(`${install} ${values.to ?? component}`)
  const added = addComponent(site, {
    component,
    version,
    minProduct: values['min-product'],
    install: how,
    paths,
    keys: keysFrom(values.keys),
  })
  process.stdout.write(
    values.json
      ? `${JSON.stringify(added, undefined, 2)}\n`
      : `${component} ${version}: ${added.files.length} files are put aside.\nNext: ihave publish release ${site} --keys ${keysFrom(values.keys)}\n`,
  )
  return EXIT.done
}
