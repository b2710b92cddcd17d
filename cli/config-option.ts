/** `--config FILE`, the same for every command. */
import { existsSync } from 'node:fs'
import { loadConfig, type Config } from '../service/config.ts'
import type { Options } from './command.ts'

export const CONFIG_OPTION = {
  config: { type: 'string', short: 'c', value: 'FILE', meaning: 'the configuration of the node' },
} as const satisfies Options

/** What is read when nothing is said. */
const USUAL_FILE = 'proxy.config.yaml'

/** @throws Fault CONFIG_INVALID with every error of the file, located. */
export function configFrom(file: string | undefined): Config {
  const usual = existsSync(USUAL_FILE) ? USUAL_FILE : undefined
  return loadConfig(file ?? usual, process.env)
}
