/** From a product of the configuration to the settings of its updater. */
import type { OwnCommand } from '../update/installer/command.ts'
import { DEFAULT_LIMITS, type UpdaterSettings } from '../update/installer/updater.ts'
import { readTrustFiles } from '../update/trust-file.ts'
import type { ProductConfig } from './config-updates.ts'

/** Read anew for each run: lists of revocation change. @throws Error where a file cannot be read, Refused, Refusal */
export function productTrust({ trust, crl }: ProductConfig): UpdaterSettings['trust'] {
  return readTrustFiles(trust, crl)
}

/** @throws as productTrust */
export function productSettings(config: ProductConfig): UpdaterSettings {
  const { catalog, into, components, productVersion, allowDowngrade, keep, timeLimitMs, leastRate } = config
  const command = (words: readonly string[] | undefined): OwnCommand | undefined =>
    words && { words, limitMs: timeLimitMs }
  return {
    ...DEFAULT_LIMITS,
    catalog,
    into,
    components,
    productVersion,
    keep,
    leastBytesPerS: leastRate === 'off' ? 0 : leastRate,
    trust: productTrust(config),
    mayDowngrade: allowDowngrade,
    isAgain: false,
    installCommand: command(config.installCommand),
    checkCommand: command(config.checkCommand),
  }
}
